/** What was given way of what was never sent, counted over all processes. */
import { encodeRecord, givenKey } from "./layout.ts";
import type { Change } from "./store.ts";

export interface GivenWay {
  /** Events that became part of a roll-up. */
  readonly thinned: number;
  /** Events told as lost, by reason. */
  readonly lost: Readonly<Record<string, number>>;
}

export const nothingGiven: GivenWay = { thinned: 0, lost: {} };

export function addThinned({ thinned, lost }: GivenWay, events: number): GivenWay {
  return { thinned: thinned + events, lost };
}

export function addLost({ thinned, lost }: GivenWay, reason: string, events: number): GivenWay {
  return { thinned, lost: { ...lost, [reason]: (lost[reason] ?? 0) + events } };
}

export function givenChange(given: GivenWay): Change {
  return { kind: "put", key: givenKey, value: encodeRecord(given) };
}

export function givenOf(record: Readonly<Record<string, unknown>>): GivenWay {
  const lost = Object.entries(record["lost"] ?? {}).map(([reason, events]) => {
    return [reason, Number(events)] as const;
  });
  return { thinned: Number(record["thinned"] ?? 0), lost: Object.fromEntries(lost) };
}

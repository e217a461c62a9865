/**
 * The newest time that this gateway has known, kept over restarts as a floor.
 *
 *   "t"    JSON { knownMs, bootId, bootMs, earlierMs | null, waited }, framed: real time at `bootMs` of
 *          that boot was `knownMs` or later; `earlierMs` is the newest time known of earlier boots;
 *          `waited` once what is sent has waited in this boot for the clock to be set
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { soundRecord } from "../outbox/found-epochs.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Change } from "../outbox/store.ts";
import { builtMs } from "./judgement.ts";

export interface KnownTime {
  readonly knownMs: number;
  readonly bootId: string;
  readonly bootMs: number;
  readonly earlierMs: number | undefined;
  readonly waited: boolean;
}

export const knownTimeKey = Buffer.from("t");

/** The present is not before this; time goes on in a boot, and a later boot began after it. */
export function floorOf(known: KnownTime | undefined, clock: Clock): number {
  if (known === undefined) return builtMs;
  const sinceMs = known.bootId === clock.bootId ? clock.bootMs() - known.bootMs : clock.bootMs();
  return Math.max(builtMs, known.knownMs + Math.max(0, sinceMs));
}

/** As it stands at the begin of a process. */
export function inThisBoot(
  found: KnownTime | undefined,
  { bootId }: Clock,
): Pick<KnownTime, "earlierMs" | "waited"> {
  if (found === undefined) return { earlierMs: undefined, waited: false };
  if (found.bootId === bootId) return found;
  return { earlierMs: found.knownMs, waited: false };
}

export function knownTimeChange(known: KnownTime): Change {
  const value = encodeRecord({ ...known, earlierMs: known.earlierMs ?? null });
  return { kind: "put", key: knownTimeKey, value };
}

/** Undefined where it rotted: a floor is a help, not a promise. */
export function decodeKnownTime(record: Uint8Array | undefined): KnownTime | undefined {
  const sound = record === undefined ? undefined : soundRecord(record);
  if (sound === undefined) return undefined;
  const { knownMs, bootId, bootMs, earlierMs, waited } = decodeRecord(sound, "the newest time");
  if (typeof knownMs !== "number" || typeof bootMs !== "number") return undefined;
  return {
    knownMs,
    bootId: String(bootId),
    bootMs,
    earlierMs: typeof earlierMs === "number" ? earlierMs : undefined,
    waited: waited === true,
  };
}

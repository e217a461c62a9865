/** What the cloud has not taken, as an operator wants to know it. */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Ages } from "./age.ts";
import type { Epoch } from "./epoch.ts";
import { blockKey } from "./layout.ts";
import type { Store } from "./store.ts";

export interface LogBacklog {
  readonly events: number;
  readonly bytes: number;
  /** Age of the oldest, undefined where there is none or no clock tells. */
  readonly ageMs: number | undefined;
}

export type Backlog = Readonly<Record<Log, LogBacklog>>;

export const noBacklog: Backlog = {
  telemetry: { events: 0, bytes: 0, ageMs: undefined },
  priority: { events: 0, bytes: 0, ageMs: undefined },
};

/** What LevelDB has in memory only it does not measure; so much is counted instead. */
const countedBytesMax = 8 * 1_024 * 1_024;

export async function backlogOf(
  store: Store,
  epochs: readonly Epoch[],
  ages: Ages,
): Promise<Backlog> {
  const [telemetry, priority] = logs;
  return {
    telemetry: await logBacklog(store, epochs, ages, telemetry),
    priority: await logBacklog(store, epochs, ages, priority),
  };
}

async function logBacklog(
  store: Store,
  epochs: readonly Epoch[],
  ages: Ages,
  log: Log,
): Promise<LogBacklog> {
  let [events, bytes] = [0, 0];
  let oldest: Uint8Array | undefined;
  for (const { record, last, released } of epochs) {
    const from = released[log] + 1;
    if (from > last[log]) continue;
    events += last[log] - released[log];
    const range = {
      from: blockKey(log, record.ordinal, from),
      until: blockKey(log, record.ordinal, last[log] + 1),
    };
    bytes += await bytesOf(store, range);
    oldest ??= (await store.scan({ ...range, countMax: 1 }))[0]?.[1];
  }
  return { events, bytes, ageMs: oldest === undefined ? undefined : ages.of(oldest) };
}

async function bytesOf(
  store: Store,
  { from, until }: { readonly from: Uint8Array; readonly until: Uint8Array },
): Promise<number> {
  const measured = await store.size(from, until);
  if (measured >= countedBytesMax) return measured;
  const bounds = { countMax: 10_000, bytesMax: countedBytesMax };
  const entries = await store.scan({ from, until, ...bounds });
  const counted = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return Math.max(measured, counted);
}

interface Sample {
  readonly atMs: number;
  readonly events: number;
}

const samplesMax = 7;

/** How fast a backlog becomes less, over the last minute. */
export class Drain {
  readonly #samples: Sample[] = [];

  note(atMs: number, events: number): void {
    this.#samples.push({ atMs, events });
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Milliseconds until nothing is left; undefined where it grows, or nothing is known yet. */
  etaMs(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    if (last.events === 0) return 0;
    const perMs = (first.events - last.events) / (last.atMs - first.atMs);
    return perMs > 0 ? Math.round(last.events / perMs) : undefined;
  }
}

/** Reads consecutive blocks of one log, also while others replace what was never sent. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { StoredBlock } from "./continuity.ts";
import { consecutive } from "./continuity.ts";
import { discard } from "./discard.ts";
import type { Epoch } from "./epoch.ts";
import { blockKey, logRange } from "./layout.ts";
import type { Store } from "./store.ts";

const readBlocksMax = 10_000;

export interface Wanted {
  readonly epoch: Epoch;
  readonly log: Log;
  readonly from: number;
  readonly bytesMax: number;
  /** What is read so is replaced no more. */
  readonly toSend: boolean;
}

/** Reads anew where blocks were replaced meanwhile: half of what was and half of what is says nothing. */
export async function readUnreplaced(
  store: () => Store,
  wanted: Wanted,
  clock: Clock,
): Promise<StoredBlock[]> {
  const guard = wanted.epoch.guard[wanted.log];
  for (;;) {
    if (guard.replacing !== undefined) await guard.replacing;
    const { replacements } = guard;
    const blocks = await readBlocks(store(), wanted, clock);
    if (guard.replacements !== replacements) continue;
    if (wanted.toSend) guard.claimed = Math.max(guard.claimed, blocks.at(-1)?.to ?? 0);
    return blocks;
  }
}

export async function readBlocks(
  store: Store,
  wanted: Wanted,
  clock: Clock,
): Promise<StoredBlock[]> {
  const { epoch, log, from, bytesMax } = wanted;
  const last = epoch.last[log];
  if (from > last) return [];
  const { ordinal } = epoch.record;
  const range = {
    from: await blockHolding(store, log, ordinal, from),
    until: blockKey(log, ordinal, last + 1),
  };
  const entries = await store.scan({ ...range, countMax: readBlocksMax, bytesMax });
  const bytes = entries.reduce((sum, [, value]) => sum + value.length, 0);
  const isWhole = entries.length < readBlocksMax && bytes < bytesMax;
  const { bootId } = clock;
  const bootMs = clock.bootMs();
  const keptFrom = epoch.kept[log];
  const blocks = consecutive({ entries, from, last, isWhole, keptFrom, bootId, bootMs });
  // Where a rotten block ends is known only by the one behind it.
  const isEnough = blocks.length > 0 || isWhole;
  return isEnough ? blocks : readBlocks(store, { ...wanted, bytesMax: bytesMax * 4 }, clock);
}

async function blockHolding(
  store: Store,
  log: Log,
  ordinal: number,
  position: number,
): Promise<Uint8Array> {
  const { from } = logRange(log, ordinal);
  const until = blockKey(log, ordinal, position + 1);
  const [entry] = await store.scan({ from, until, countMax: 1, reverse: true });
  if (entry === undefined) return blockKey(log, ordinal, position);
  discard(entry[1]);
  return entry[0];
}

/** The released blocks that are kept for a cloud that rolls back, and how they are given up (O6). */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { readable } from "./continuity.ts";
import type { Epoch } from "./epoch.ts";
import { blockKey, blockPosition } from "./layout.ts";
import type { Change, Entry, Store } from "./store.ts";

/** Blocks given up in one turn, so that a turn stays short. */
const giveUpBlocksMax = 256;

export interface Tail {
  readonly epoch: Epoch;
  readonly log: Log;
  readonly bytes: number;
}

/** Deletes blocks in one write with the cursor, which must not be older than what was deleted. */
export type DeleteBlocks = (epoch: Epoch, deletes: readonly Change[]) => Promise<void>;

/** Oldest first. */
export async function tailsOf(store: Store, epochs: readonly Epoch[]): Promise<Tail[]> {
  const tails: Tail[] = [];
  for (const epoch of epochs) {
    for (const log of logs) {
      const bytes = await tailBytes(store, epoch, log);
      if (bytes > 0) tails.push({ epoch, log, bytes });
    }
  }
  return tails;
}

function tailBytes(
  store: Store,
  { record, released, kept }: Epoch,
  log: Log,
): Promise<number> | number {
  if (released[log] < kept[log]) return 0;
  return store.size(
    blockKey(log, record.ordinal, kept[log]),
    blockKey(log, record.ordinal, released[log] + 1),
  );
}

/** Gives up some `bytes` of one tail; answers with the bytes given up. */
export async function giveUp(
  store: Store,
  { epoch, log }: Tail,
  bytes: number,
  remove: DeleteBlocks,
): Promise<number> {
  const { ordinal } = epoch.record;
  const from = blockKey(log, ordinal, epoch.kept[log]);
  let given = 0;
  while (given < bytes) {
    const turn = await giveUpTurn(store, { epoch, log, bytes: bytes - given }, remove);
    if (turn === 0) break;
    given += turn;
  }
  if (given > 0) await store.compact(from, blockKey(log, ordinal, epoch.kept[log]));
  return given;
}

async function giveUpTurn(
  store: Store,
  { epoch, log, bytes: bytesMax }: Tail,
  remove: DeleteBlocks,
): Promise<number> {
  const { ordinal } = epoch.record;
  const from = blockKey(log, ordinal, epoch.kept[log]);
  const until = blockKey(log, ordinal, epoch.released[log] + 1);
  const entries = await store.scan({ from, until, countMax: giveUpBlocksMax, bytesMax });
  const { whole, through } = wholeBlocks(entries, epoch.released[log]);
  if (whole.length === 0) return 0;
  epoch.kept[log] = through + 1;
  await remove(
    epoch,
    whole.map(([key]) => ({ kind: "delete", key })),
  );
  return whole.reduce((sum, [key, block]) => sum + key.length + block.length, 0);
}

/** Those that end at or below `released`. A rotten block ends before the next one that is known. */
function wholeBlocks(entries: readonly Entry[], released: number) {
  const whole: Entry[] = [];
  let through = 0;
  for (const [at, entry] of entries.entries()) {
    const next = entries[at + 1];
    const rottenTo = next === undefined ? blockPosition(entry[0]) : blockPosition(next[0]) - 1;
    const end = readable(entry)?.to ?? rottenTo;
    if (end > released) break;
    whole.push(entry);
    through = end;
  }
  return { whole, through };
}

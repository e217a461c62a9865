/** The released blocks that are kept for a cloud that rolls back, and how they are given up (O6). */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { readable } from "./continuity.ts";
import { discard } from "./discard.ts";
import type { Epoch } from "./epoch.ts";
import { blockKey, blockPosition } from "./layout.ts";
import type { Change, Entry, Store } from "./store.ts";

/** Given up in one turn, so that a turn stays short and needs little memory. */
const giveUpBlocksMax = 256;
const giveUpBytesMax = 1_024 * 1_024;

/** Disk is given back after so much. */
const compactBytes = 64 * 1_024 * 1_024;

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

/** Gives up some `bytes` of one tail, of what `isDue`; answers with the bytes given up. */
export async function giveUp(
  store: Store,
  { epoch, log }: Tail,
  bytes: number,
  remove: DeleteBlocks,
  isDue: (block: Uint8Array) => boolean = () => true,
): Promise<number> {
  const { ordinal } = epoch.record;
  let given = 0;
  for (let isMore = true; isMore && given < bytes; ) {
    const from = blockKey(log, ordinal, epoch.kept[log]);
    const wanted = Math.min(bytes, given + compactBytes);
    while (isMore && given < wanted) {
      const turn = await giveUpTurn(store, { epoch, log, bytes: wanted - given }, remove, isDue);
      given += turn;
      isMore = turn > 0;
    }
    await store.compact(from, blockKey(log, ordinal, epoch.kept[log]));
  }
  return given;
}

async function giveUpTurn(
  store: Store,
  { epoch, log, bytes }: Tail,
  remove: DeleteBlocks,
  isDue: (block: Uint8Array) => boolean,
): Promise<number> {
  const { ordinal } = epoch.record;
  const from = blockKey(log, ordinal, epoch.kept[log]);
  const until = blockKey(log, ordinal, epoch.released[log] + 1);
  const bytesMax = Math.min(bytes, giveUpBytesMax);
  const entries = await store.scan({ from, until, countMax: giveUpBlocksMax, bytesMax });
  const { whole, through } = wholeBlocks(entries, epoch.released[log], isDue);
  const given = whole.reduce((sum, [key, block]) => sum + key.length + block.length, 0);
  for (const [, block] of entries) discard(block);
  if (whole.length === 0) return 0;
  epoch.kept[log] = through + 1;
  await remove(
    epoch,
    whole.map(([key]) => ({ kind: "delete", key })),
  );
  return given;
}

/** Those due that end at or below `released`. A rotten block ends before the next one that is known. */
function wholeBlocks(
  entries: readonly Entry[],
  released: number,
  isDue: (block: Uint8Array) => boolean,
) {
  const whole: Entry[] = [];
  let through = 0;
  for (const [at, entry] of entries.entries()) {
    const next = entries[at + 1];
    const rottenTo = next === undefined ? blockPosition(entry[0]) : blockPosition(next[0]) - 1;
    const block = readable(entry);
    const end = block?.to ?? rottenTo;
    if (end > released || (block !== undefined && !isDue(block.bytes))) break;
    whole.push(entry);
    through = end;
  }
  return { whole, through };
}

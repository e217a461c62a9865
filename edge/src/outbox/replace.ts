/**
 * Replaces blocks that were never sent by one that says less, in one synced write. Works block by
 * block, so that memory stays flat.
 */
import type { Block } from "@causeway/shared/block-codec.ts";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { StoredBlock } from "./continuity.ts";
import { consecutive, readable } from "./continuity.ts";
import type { Epoch } from "./epoch.ts";
import { cursorChange, sentThrough } from "./epoch.ts";
import { blockKey, blockPosition } from "./layout.ts";
import type { Summary } from "./rewrite.ts";
import { Rewriting } from "./rewrite.ts";
import type { Change, Entry, Store } from "./store.ts";

/** What comes of it is at most about so large, for it goes to the cloud whole. */
const rewrittenBytesMax = 192 * 1_024;
const pageBytes = 256 * 1_024;
const pageBlocksMax = 1_000;
const blocksMax = 10_000;

/** A stretch of one log to be looked at. */
export interface Stretch {
  readonly epoch: Epoch;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  /** Bytes of blocks to replace at most. */
  readonly bytesMax: number;
}

export interface Replaced {
  readonly from: number;
  /** Last position that was looked at; below `from` where there is nothing. */
  readonly through: number;
  /** Bytes that were looked at, and how many of them become free. */
  readonly bytes: number;
  readonly given: number;
  /** Events given up. */
  readonly fresh: number;
  readonly items: number;
  readonly changes: readonly Change[];
}

const nothing = { bytes: 0, given: 0, fresh: 0, items: 0, changes: [] };

/** Undefined where nothing stands that is due. */
export async function rewritten(
  store: Store,
  clock: Clock,
  stretch: Stretch,
  newSummary: () => Summary,
  isDue: (block: StoredBlock) => boolean,
): Promise<Replaced | undefined> {
  const rewriting = new Rewriting(newSummary);
  const keys: Uint8Array[] = [];
  const first = await firstBlock(store, stretch);
  let [bytes, next] = [0, first];
  reading: while (next <= stretch.to) {
    const page = await pageOf(store, clock, stretch, next);
    for (const { block, entry } of page) {
      const isFull = rewriting.size >= rewrittenBytesMax || rewriting.isFull;
      if (isFull || bytes >= stretch.bytesMax || keys.length >= blocksMax) break reading;
      if (block.to > stretch.to || !isDue(block)) break reading;
      const decoded = decodedOf(block);
      if (decoded === undefined || !rewriting.add(decoded)) {
        if (next === first) return { ...nothing, from: first, through: block.to };
        break reading;
      }
      if (entry !== undefined) keys.push(entry[0]);
      bytes += entry === undefined ? 0 : entry[0].length + entry[1].length;
      next = block.to + 1;
    }
    if (page.length === 0) break;
  }
  if (next === first) return undefined;
  const { fresh } = rewriting;
  const { from, to, items, value } = rewriting.finish();
  const key = blockKey(stretch.log, stretch.epoch.record.ordinal, from);
  const changes: Change[] = keys
    .filter((each) => !key.equals(each))
    .map((each) => ({ kind: "delete", key: each }));
  changes.push({ kind: "put", key, value });
  const given = bytes - key.length - value.length;
  return { from, through: to, bytes, given, fresh, items, changes };
}

/** Where the first block begins that lies in the stretch whole: the bound of what was sent may cut one. */
async function firstBlock(store: Store, { epoch, log, from, to }: Stretch): Promise<number> {
  const { ordinal } = epoch.record;
  const keys = { from: blockKey(log, ordinal, 0), until: blockKey(log, ordinal, from + 1) };
  const [before] = await store.scan({ ...keys, countMax: 1, reverse: true });
  if (before === undefined || blockPosition(before[0]) === from) return from;
  const block = readable(before);
  if (block !== undefined) return Math.max(from, block.to + 1);
  const behind = { from: keys.until, until: blockKey(log, ordinal, to + 1) };
  const [next] = await store.scan({ ...behind, countMax: 1 });
  return next === undefined ? to + 1 : blockPosition(next[0]);
}

/** Blocks from position `next` on, with the entries they are; a loss that stands in has none. */
async function pageOf(store: Store, clock: Clock, { epoch, log, to }: Stretch, next: number) {
  const { ordinal } = epoch.record;
  const range = { from: blockKey(log, ordinal, next), until: blockKey(log, ordinal, to + 1) };
  const bounds = { countMax: pageBlocksMax, bytesMax: pageBytes };
  const entries = await store.scan({ ...range, ...bounds });
  const bytes = entries.reduce((sum, [, value]) => sum + value.length, 0);
  const isWhole = entries.length < pageBlocksMax && bytes < pageBytes;
  const { bootId } = clock;
  const bootMs = clock.bootMs();
  const keptFrom = epoch.kept[log];
  const blocks = consecutive({ entries, from: next, last: to, isWhole, keptFrom, bootId, bootMs });
  const byBytes = new Map<Uint8Array, Entry>(entries.map((entry) => [entry[1], entry]));
  return blocks.map((block) => ({ block, entry: byBytes.get(block.bytes) }));
}

function decodedOf({ bytes }: StoredBlock): Block | undefined {
  try {
    return decodeBlock(bytes);
  } catch {
    // Its checksum is right, so another build wrote it; it stays as it is.
    return undefined;
  }
}

export type Write = (
  changes: readonly Change[],
  options: { readonly sync: boolean },
) => Promise<void>;

/**
 * Writes replacements and removals. Where a write fails it is not known what stands: the write that
 * opens the store again puts it right, and until then nobody reads what was replaced in order to send.
 */
export class Replacer {
  readonly #write: Write;
  readonly #unsure: { readonly changes: readonly Change[]; readonly settled: () => void }[] = [];

  constructor(write: Write) {
    this.#write = write;
  }

  /** Deletes what was released, with the cursor that says so. */
  async remove(epoch: Epoch, deletes: readonly Change[]): Promise<void> {
    const changes = [cursorChange(epoch), ...deletes];
    try {
      await this.#write(changes, { sync: false });
    } catch (failure) {
      this.#unsure.push({ changes, settled: () => {} });
      throw failure;
    }
  }

  /** False where it was read meanwhile in order to be sent. */
  async replace(
    { epoch, log }: Stretch,
    { from, changes }: Pick<Replaced, "from" | "changes">,
  ): Promise<boolean> {
    const guard = epoch.guard[log];
    if (from <= sentThrough(epoch, log)) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    guard.replacements++;
    guard.replacing = promise;
    const settled = () => {
      guard.replacing = undefined;
      resolve();
    };
    const all = [cursorChange(epoch), ...changes];
    try {
      await this.#write(all, { sync: true });
    } catch (failure) {
      this.#unsure.push({ changes, settled });
      throw failure;
    }
    settled();
    return true;
  }

  restore(): readonly Change[] {
    return this.#unsure.flatMap(({ changes }) => changes);
  }

  restored(): void {
    for (const { settled } of this.#unsure.splice(0)) settled();
  }
}

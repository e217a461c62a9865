/**
 * Makes consecutive blocks of what a scan of one log found: where blocks are missing or fail their
 * checksum a block with a loss stands in, at their positions and with the reason. What was released
 * and given up is `not-kept`; anything else is `unreadable`.
 */
import { BlockBuilder, unframe } from "@causeway/shared/block-codec.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { blockPosition, blockRange } from "./layout.ts";
import type { Entry } from "./store.ts";

export interface StoredBlock {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

export interface Scanned {
  readonly entries: readonly Entry[];
  /** The first position asked for. */
  readonly from: number;
  /** The log's last position. */
  readonly last: number;
  /** The scan went as far as the log does. */
  readonly isWhole: boolean;
  /** Below this everything was given up. */
  readonly keptFrom: number;
  readonly bootId: string;
  readonly bootMs: number;
}

export function consecutive(scanned: Scanned): StoredBlock[] {
  const { entries, from, last, isWhole } = scanned;
  const first = entries[0];
  // The block that holds `from` may begin before it.
  let next = first === undefined ? from : Math.min(from, blockPosition(first[0]));
  const blocks: StoredBlock[] = [];
  for (const entry of entries) {
    const block = readable(entry);
    // A key may rot too: what came before by another one is not told twice.
    if (block === undefined || block.from < next) continue;
    if (block.from > next) blocks.push(...losses(scanned, next, block.from - 1));
    blocks.push(block);
    next = block.to + 1;
  }
  if (isWhole && next <= last) blocks.push(...losses(scanned, next, last));
  return blocks;
}

/** Undefined where the bytes fail their checksum, or stand under a key that is not theirs. */
export function readable([key, bytes]: Entry): StoredBlock | undefined {
  try {
    unframe(bytes);
    const range = blockRange(bytes);
    return range.from === blockPosition(key) ? { ...range, bytes } : undefined;
  } catch (failure) {
    // The store's identity says which layout it has; another one in a block is rot.
    if (failure instanceof CodedError) return undefined;
    throw failure;
  }
}

function losses(scanned: Scanned, from: number, to: number): StoredBlock[] {
  const given = Math.min(to, scanned.keptFrom - 1);
  if (given < from) return [loss(scanned, from, to, "unreadable")];
  const notKept = loss(scanned, from, given, "not-kept");
  return given < to ? [notKept, loss(scanned, given + 1, to, "unreadable")] : [notKept];
}

function loss({ bootId, bootMs }: Scanned, from: number, to: number, reason: string): StoredBlock {
  const builder = new BlockBuilder(bootId);
  const count = to - from + 1;
  const place = { device: null, topic: null, bootMs, observedAt: null };
  builder.add({ kind: "loss", ...place, to, reason, count }, count);
  return { from, to, bytes: builder.finish(from) };
}

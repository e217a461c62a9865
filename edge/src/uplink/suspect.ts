/**
 * U7: what the cloud refused, or a server found too large, narrowed down to the item at fault. A
 * stretch is sent again as two halves, and nothing beyond it; the half that is refused is the next
 * stretch. So one item among n costs log2 n rounds, and what is sent again is twice the batch.
 */
import type { Cursor, Sent } from "./lane.ts";

export interface Suspect {
  readonly cursor: Cursor;
  /** The item at fault begins no later. */
  readonly to: number;
  /** So many positions go at once; an item that spans more goes whole. */
  readonly positionsMax: number;
  /** The item that begins at `to` was refused alone: it goes as a stub, which says why. */
  readonly stubReason?: string;
}

/** By what was asked for, since an item that spans more never gets smaller. */
export function suspectIn({ cursor, from, to, positionsMax }: Sent, reason: string): Suspect {
  const first = Math.max(from, cursor.through + 1);
  const positions = Math.min(to - first + 1, positionsMax);
  if (positions <= 1) return { cursor, to: first, positionsMax: 1, stubReason: reason };
  return { cursor, to: first + positions - 1, positionsMax: Math.floor(positions / 2) };
}

/** How what is sent next of `cursor` is cut; undefined for whole blocks. */
export function cutOf(suspect: Suspect | undefined, cursor: Cursor) {
  if (suspect?.cursor !== cursor || cursor.next > suspect.to) return undefined;
  const { to, positionsMax, stubReason } = suspect;
  if (stubReason !== undefined && cursor.next === to) return { positionsMax, stubReason };
  return { positionsMax: Math.min(positionsMax, to - cursor.next + 1) };
}

/** All of the stretch is on its way: what comes behind it waits for what is said of it. */
export function isAwaited({ cursor, to }: Suspect): boolean {
  return cursor.next > to && cursor.through < to;
}

export function isCleared({ cursor, to }: Suspect): boolean {
  return cursor.through >= to;
}

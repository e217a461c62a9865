/**
 * An ordered store of bytes, the seam between the outbox and the disk. level-store.ts is LevelDB,
 * memory-store.ts the same promises in memory with faults; store.contract.ts holds both to them.
 *
 *   S1  A write is atomic: all of it is there after a crash, or nothing.
 *   S2  A synced write that resolved survives a crash, and so does every write before it.
 *   S3  Reads see every write that resolved.
 *   S4  What a read gives is the reader's own, to change or discard.
 */
export interface Store {
  write(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** At most `countMax` entries with `from <= key < until`, in key order, or against it. */
  scan(range: Range): Promise<readonly Entry[]>;
  /** Roughly the bytes on disk with `from <= key < until`. */
  size(from: Uint8Array, until: Uint8Array): Promise<number>;
  /** Gives the disk space of deleted entries in the range back. */
  compact(from: Uint8Array, until: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export type Change =
  | { readonly kind: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: Uint8Array };

export interface Range {
  readonly from: Uint8Array;
  readonly until: Uint8Array;
  readonly countMax: number;
  /** Stops after the entry that reaches so many bytes of values. */
  readonly bytesMax?: number;
  readonly reverse?: boolean;
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

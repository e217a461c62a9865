/** The store in memory, with a disk that can crash, refuse and lose what was not synced. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Change, Entry, Range, Store } from "./store.ts";

type Contents = Map<string, Uint8Array>;

/** What outlives a process: the synced contents, and those that still wait for a sync. */
export class MemoryDisk {
  #synced: Contents = new Map();
  #visible: Contents = new Map();
  /** The next writes fail with this. */
  failure: Error | undefined;
  /** What becomes of a failed write: its bytes are lost, or there when the disk is opened again. */
  failedBytes: "lost" | "appear-later" = "lost";
  #late: Change[] = [];
  #openStores = 0;
  #life = 0;
  #keys: { readonly of: Contents; readonly sorted: readonly string[] } | undefined;

  /** Counts crashes; a store of an earlier life is dead. */
  get life(): number {
    return this.#life;
  }

  open(): Store {
    if (this.#openStores > 0)
      throw new CodedError("OUTBOX_LOCKED", "the memory disk is open already");
    this.#openStores++;
    this.#put(this.#late.splice(0));
    this.#synced = new Map(this.#visible);
    return new MemoryStore(this);
  }

  /** Loses what was not synced, as a power cut does, and frees the lock. */
  crash(): void {
    this.#visible = new Map(this.#synced);
    this.#openStores = 0;
    this.#life++;
  }

  release(): void {
    this.#openStores = Math.max(0, this.#openStores - 1);
  }

  apply(changes: readonly Change[], sync: boolean): void {
    if (this.failure !== undefined) {
      if (this.failedBytes === "appear-later") this.#late.push(...changes);
      throw this.failure;
    }
    this.#put(changes);
    if (sync) this.#synced = new Map(this.#visible);
  }

  #put(changes: readonly Change[]): void {
    if (changes.length > 0) this.#keys = undefined;
    for (const change of changes) {
      const key = keyText(change.key);
      if (change.kind === "put") this.#visible.set(key, Uint8Array.from(change.value));
      else this.#visible.delete(key);
    }
  }

  /** All keys in order. */
  keys(): readonly string[] {
    if (this.#keys?.of !== this.#visible) {
      this.#keys = { of: this.#visible, sorted: [...this.#visible.keys()].sort() };
    }
    return this.#keys.sorted;
  }

  get contents(): ReadonlyMap<string, Uint8Array> {
    return this.#visible;
  }

  /** What a power cut now would leave. */
  syncedChanges(): Change[] {
    return [...this.#synced].map(([key, value]) => {
      return { kind: "put", key: Buffer.from(key, "latin1"), value };
    });
  }

  /** Overwrites an entry as a bad disk would. */
  corrupt(key: Uint8Array, value: Uint8Array): void {
    this.#keys = undefined;
    this.#visible.set(keyText(key), value);
    this.#synced.set(keyText(key), value);
  }
}

class MemoryStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #life: number;
  #open = true;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#life = disk.life;
  }

  async write(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void> {
    this.#check();
    await Promise.resolve();
    this.#check();
    this.#disk.apply(changes, options.sync);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check();
    const value = this.#disk.contents.get(keyText(key));
    return value && new Uint8Array(value);
  }

  async scan(range: Range): Promise<readonly Entry[]> {
    this.#check();
    const [from, until] = [keyText(range.from), keyText(range.until)];
    const sorted = this.#disk.keys();
    const [first, end] = [firstAtOrAbove(sorted, from), firstAtOrAbove(sorted, until)];
    const count = Math.max(0, Math.min(range.countMax, end - first));
    const keys = range.reverse
      ? sorted.slice(end - count, end).reverse()
      : sorted.slice(first, first + count);
    const entries: Entry[] = [];
    let bytes = 0;
    for (const key of keys) {
      const value = new Uint8Array(this.#disk.contents.get(key) ?? []);
      entries.push([Buffer.from(key, "latin1"), value]);
      bytes += value.length;
      if (range.bytesMax !== undefined && bytes >= range.bytesMax) break;
    }
    return entries;
  }

  async size(from: Uint8Array, until: Uint8Array): Promise<number> {
    this.#check();
    const sorted = this.#disk.keys();
    let bytes = 0;
    const end = firstAtOrAbove(sorted, keyText(until));
    for (let at = firstAtOrAbove(sorted, keyText(from)); at < end; at++) {
      const key = sorted[at] ?? "";
      bytes += key.length + (this.#disk.contents.get(key)?.length ?? 0);
    }
    return bytes;
  }

  async compact(): Promise<void> {
    this.#check();
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    if (this.#life === this.#disk.life) this.#disk.release();
  }

  #check(): void {
    if (!this.#open || this.#life !== this.#disk.life) throw new Error("the store is closed");
  }
}

function firstAtOrAbove(sorted: readonly string[], bound: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One character a byte, so that text order is byte order. */
function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

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
    for (const change of changes) {
      const key = keyText(change.key);
      if (change.kind === "put") this.#visible.set(key, Uint8Array.from(change.value));
      else this.#visible.delete(key);
    }
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
    return this.#disk.contents.get(keyText(key));
  }

  async scan(range: Range): Promise<readonly Entry[]> {
    this.#check();
    const [from, until] = [keyText(range.from), keyText(range.until)];
    const keys = [...this.#disk.contents.keys()].filter((key) => key >= from && key < until).sort();
    if (range.reverse) keys.reverse();
    const entries: Entry[] = [];
    let bytes = 0;
    for (const key of keys.slice(0, range.countMax)) {
      const value = this.#disk.contents.get(key) ?? new Uint8Array();
      entries.push([Buffer.from(key, "latin1"), value]);
      bytes += value.length;
      if (range.bytesMax !== undefined && bytes >= range.bytesMax) break;
    }
    return entries;
  }

  async size(from: Uint8Array, until: Uint8Array): Promise<number> {
    const entries = await this.scan({ from, until, countMax: Number.MAX_SAFE_INTEGER });
    return entries.reduce((bytes, [key, value]) => bytes + key.length + value.length, 0);
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

/** One character a byte, so that text order is byte order. */
function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

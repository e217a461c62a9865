/**
 * A disk under LevelDB, in memory.
 *
 *   S1  A write is atomic, also over a crash.
 *   S2  A synced write that resolved survives a power cut, and so does every write before it; of
 *       those after it some first ones may survive too.
 *   S3  A failed write's bytes are lost, or appear when the disk is opened again, then or later, and
 *       only where nothing newer stands.
 *   S4  Behind a failed write the log is torn: what is written before the next opening may be gone
 *       by then, synced or not.
 *   S5  At a power cut a disk that lied goes back to what was synced some writes ago.
 *   S6  Bytes of a block may rot where they lie.
 */
import type { Change, Entry, Range, Store } from "@causeway/edge/outbox/store.ts";
import type { Dice } from "./faults.ts";
import type { ProcessClock } from "./process-clock.ts";
import { SortedEntries } from "./sorted-entries.ts";

interface Write {
  readonly changes: readonly Change[];
  readonly number: number;
}

type Replaced = readonly [key: string, value: Uint8Array | undefined];

/** Copies of a disk share their blocks. */
const rottenBlocks = new WeakSet<object>();

/** A disk that lies has the last so many writes in its cache. */
const lieWritesMax = 30;

export class MemoryDisk {
  readonly #dice: Dice;
  #visible = new SortedEntries();
  #durable = new SortedEntries();
  /** Visible, and not durable yet. */
  #unsynced: Write[] = [];
  /** Failed, and perhaps to appear. */
  #late: Write[] = [];
  /** Written behind a failed write. */
  #behindTear: Write[] = [];
  #inFlight = new Set<Write>();
  #writtenBy = new Map<string, number>();
  #count = 0;
  #torn = false;
  #opened: object | undefined;
  #synced = 0;
  /** What each synced write replaced, the newest last; undefined where nothing stood. */
  #replaced: { readonly number: number; readonly entries: Replaced[] }[] = [];

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  open(clock: ProcessClock): Store {
    if (this.#opened !== undefined) throw new Error("OUTBOX_LOCKED: the disk is open already");
    this.#recover();
    const store = new DiskStore(this, clock, this.#dice);
    this.#opened = store;
    return store;
  }

  isOpenBy(store: object): boolean {
    return this.#opened === store;
  }

  close(): void {
    this.#opened = undefined;
  }

  /** The process is gone; what it had written is with the operating system. */
  kill(): void {
    this.#opened = undefined;
    for (const write of this.#inFlight) if (this.#dice.between(0, 1) === 1) this.#apply(write);
    this.#inFlight.clear();
  }

  /** Counts the synced writes; goes on over everything that happens to the disk. */
  get synced(): number {
    return this.#synced;
  }

  powerCut(): void {
    this.kill();
    const survivors = this.#dice.between(0, this.#unsynced.length);
    for (const write of this.#unsynced.slice(0, survivors)) put(this.#durable, write);
    this.#unsynced = [];
    this.#visible = this.#durable.copy();
  }

  /** S5. The synced writes that are left, by number. */
  powerCutOfLiar(): number {
    this.kill();
    this.#unsynced = [];
    const lost = this.#dice.between(0, this.#replaced.length);
    const given = this.#replaced.splice(this.#replaced.length - lost, lost);
    for (const [key, value] of given.flatMap(({ entries }) => entries).reverse()) {
      if (value === undefined) this.#durable.delete(key);
      else this.#durable.set(key, value);
    }
    this.#visible = this.#durable.copy();
    return (given[0]?.number ?? this.#synced + 1) - 1;
  }

  /** S6. The block's key and what it held; undefined where there is none. */
  rot(): Entry | undefined {
    const blocks = [...this.#durable.range("b", "c", false)];
    const [key, value] = this.#dice.oneOf(blocks) ?? [];
    if (key === undefined || value === undefined || rottenBlocks.has(value)) return;
    if (this.#visible.get(key) !== value) return;
    const rotten = new Uint8Array(value);
    const at = this.#dice.between(0, rotten.length - 1);
    rotten[at] = (rotten[at] ?? 0) ^ this.#dice.between(1, 255);
    rottenBlocks.add(rotten);
    this.#durable.set(key, rotten);
    this.#visible.set(key, rotten);
    return [Buffer.from(key, "latin1"), value];
  }

  copy(): MemoryDisk {
    const copy = new MemoryDisk(this.#dice);
    copy.#visible = this.#durable.copy();
    copy.#durable = this.#durable.copy();
    copy.#count = this.#count;
    copy.#synced = this.#synced;
    return copy;
  }

  /** Becomes what `other` is. */
  replaceBy(other: MemoryDisk): void {
    const copy = other.copy();
    this.#visible = copy.#visible;
    this.#durable = copy.#durable;
    this.#unsynced = [];
    this.#late = [];
    this.#behindTear = [];
    this.#torn = false;
    this.#writtenBy = new Map();
    this.#replaced = [];
  }

  begin(changes: readonly Change[]): Write {
    const write = { changes: changes.map(copyOf), number: ++this.#count };
    this.#inFlight.add(write);
    return write;
  }

  /** Throws where the write fails. */
  finish(write: Write, sync: boolean): void {
    this.#inFlight.delete(write);
    if (this.#dice.hit("write-failed")) {
      this.#torn = true;
      if (this.#dice.between(0, 1) === 1) this.#late.push(write);
      throw new Error("EIO: the write failed");
    }
    this.#apply(write);
    if (sync) this.#synced++;
    if (!sync || this.#torn) return;
    if (this.#dice.has("disk-lies")) this.#noteReplaced();
    for (const unsynced of this.#unsynced) put(this.#durable, unsynced);
    this.#unsynced = [];
  }

  #noteReplaced(): void {
    const keys = this.#unsynced.flatMap(({ changes }) => changes.map(({ key }) => keyText(key)));
    const entries = keys.map((key): Replaced => [key, this.#durable.get(key)]);
    this.#replaced.push({ number: this.#synced, entries });
    if (this.#replaced.length > lieWritesMax) this.#replaced.shift();
  }

  get entries(): SortedEntries {
    return this.#visible;
  }

  #apply(write: Write): void {
    put(this.#visible, write);
    for (const { key } of write.changes) this.#writtenBy.set(keyText(key), write.number);
    this.#unsynced.push(write);
    if (this.#torn) this.#behindTear.push(write);
  }

  /** S3, S4. What is read at an opening is then as good as synced. */
  #recover(): void {
    if (this.#torn && this.#dice.between(0, 1) === 1) this.#dropBehindTear();
    this.#torn = false;
    this.#behindTear = [];
    const late = this.#late;
    this.#late = [];
    for (const write of late) {
      const fate = this.#dice.between(1, 4);
      if (fate <= 2) this.#appear(write);
      if (fate === 3) this.#late.push(write);
    }
    this.#unsynced = [];
    this.#replaced = [];
    this.#durable = this.#visible.copy();
  }

  #dropBehindTear(): void {
    const kept = this.#unsynced.filter((write) => !this.#behindTear.includes(write));
    this.#visible = this.#durable.copy();
    for (const write of kept) put(this.#visible, write);
  }

  #appear({ changes, number }: Write): void {
    for (const change of changes) {
      const key = keyText(change.key);
      if ((this.#writtenBy.get(key) ?? 0) > number) continue;
      this.#writtenBy.set(key, number);
      put(this.#visible, { changes: [change], number });
    }
  }
}

class DiskStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #clock: ProcessClock;
  readonly #dice: Dice;

  constructor(disk: MemoryDisk, clock: ProcessClock, dice: Dice) {
    this.#disk = disk;
    this.#clock = clock;
    this.#dice = dice;
  }

  async write(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void> {
    this.#check();
    const write = this.#disk.begin(changes);
    await this.#pass(options.sync ? this.#dice.between(1, 20) : 1);
    this.#check();
    this.#disk.finish(write, options.sync);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#read();
    const value = this.#disk.entries.get(keyText(key));
    return value && new Uint8Array(value);
  }

  async scan(range: Range): Promise<readonly Entry[]> {
    await this.#read();
    const entries: Entry[] = [];
    let bytes = 0;
    const { countMax, bytesMax = Number.POSITIVE_INFINITY, reverse = false } = range;
    const [from, until] = [keyText(range.from), keyText(range.until)];
    for (const [key, value] of this.#disk.entries.range(from, until, reverse)) {
      if (entries.length >= countMax) break;
      entries.push([Buffer.from(key, "latin1"), new Uint8Array(value)]);
      bytes += value.length;
      if (bytes >= bytesMax) break;
    }
    return entries;
  }

  async size(from: Uint8Array, until: Uint8Array): Promise<number> {
    await this.#read();
    let bytes = 0;
    for (const [key, value] of this.#disk.entries.range(keyText(from), keyText(until), false)) {
      bytes += key.length + value.length;
    }
    return bytes;
  }

  async compact(): Promise<void> {
    this.#check();
  }

  async close(): Promise<void> {
    if (this.#disk.isOpenBy(this)) this.#disk.close();
  }

  async #read(): Promise<void> {
    this.#check();
    await this.#pass(1);
    this.#check();
    if (this.#dice.hit("read-failed")) throw new Error("EIO: the read failed");
  }

  #pass(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve));
  }

  #check(): void {
    if (!this.#disk.isOpenBy(this)) throw new Error("the store is closed");
  }
}

function put(entries: SortedEntries, { changes }: Write): void {
  for (const change of changes) {
    if (change.kind === "put") entries.set(keyText(change.key), change.value);
    else entries.delete(keyText(change.key));
  }
}

/** The writer may use its bytes for something else. */
function copyOf(change: Change): Change {
  return change.kind === "put" ? { ...change, value: new Uint8Array(change.value) } : change;
}

/** One character a byte, so that text order is byte order. */
function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

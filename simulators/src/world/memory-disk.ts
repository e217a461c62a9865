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
 */
import type { Change, Entry, Range, Store } from "@causeway/edge/outbox/store.ts";
import type { Dice } from "./faults.ts";
import type { ProcessClock } from "./process-clock.ts";
import { SortedEntries } from "./sorted-entries.ts";

interface Write {
  readonly changes: readonly Change[];
  readonly number: number;
}

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

  powerCut(): void {
    this.kill();
    const survivors = this.#dice.between(0, this.#unsynced.length);
    for (const write of this.#unsynced.slice(0, survivors)) put(this.#durable, write);
    this.#unsynced = [];
    this.#visible = this.#durable.copy();
  }

  copy(): MemoryDisk {
    const copy = new MemoryDisk(this.#dice);
    copy.#visible = this.#durable.copy();
    copy.#durable = this.#durable.copy();
    copy.#count = this.#count;
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
  }

  begin(changes: readonly Change[]): Write {
    const write = { changes, number: ++this.#count };
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
    if (!sync || this.#torn) return;
    for (const unsynced of this.#unsynced) put(this.#durable, unsynced);
    this.#unsynced = [];
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
    return this.#disk.entries.get(keyText(key));
  }

  async scan(range: Range): Promise<readonly Entry[]> {
    await this.#read();
    const entries: Entry[] = [];
    let bytes = 0;
    const { countMax, bytesMax = Number.POSITIVE_INFINITY, reverse = false } = range;
    const [from, until] = [keyText(range.from), keyText(range.until)];
    for (const [key, value] of this.#disk.entries.range(from, until, reverse)) {
      if (entries.length >= countMax) break;
      entries.push([Buffer.from(key, "latin1"), value]);
      bytes += value.length;
      if (bytes >= bytesMax) break;
    }
    return entries;
  }

  async size(from: Uint8Array, until: Uint8Array): Promise<number> {
    const range = { from, until, countMax: Number.MAX_SAFE_INTEGER };
    const entries = await this.scan(range);
    return entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
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
    if (change.kind === "put") entries.set(keyText(change.key), Uint8Array.from(change.value));
    else entries.delete(keyText(change.key));
  }
}

/** One character a byte, so that text order is byte order. */
function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

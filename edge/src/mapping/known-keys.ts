/**
 * By the key that a route names, tells a message that a device sends again from a new one.
 *
 *   N1  A key is written with its event in one synced write: after a crash both are there or neither.
 *   N2  What a failed write, or a refused append, held is unknown again: its message is sent once more.
 *   N3  Each device remembers its last keys on a topic; beyond the bound of all, those that were silent
 *       for longest are forgotten, and what they send again is new.
 *
 * Records: "rk", number of device and topic (4 bytes), slot (1 byte) -> JSON { device, topic, key, hash, n },
 * framed; a slot is used again, so nothing need be deleted.
 */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Keeper, Records } from "../outbox/companions.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Change } from "../outbox/store.ts";

export interface KeyBounds {
  readonly keysPerDeviceMax: number;
  readonly keysMax: number;
}

export const defaultKeyBounds: KeyBounds = { keysPerDeviceMax: 64, keysMax: 131_072 };

const allKeys = { from: Buffer.from("rk"), until: Buffer.from("rl") };
const readMax = 1_000_000;

interface Known {
  readonly key: string;
  readonly hash: number;
  /** In the order of their coming. */
  readonly n: number;
}

interface Sender {
  readonly number: number;
  readonly device: string;
  readonly topic: string;
  readonly slots: (Known | undefined)[];
  readonly slotByKey: Map<string, number>;
  next: number;
}

/** What is to be undone where the write fails. */
interface Noted {
  readonly sender: Sender;
  readonly slot: number;
  readonly before: Known | undefined;
  readonly known: Known;
}

/** `other`: the key is known, and came with other bytes. */
export type Seen = "new" | "same" | "other";

export class KnownKeys implements Keeper {
  readonly #bounds: KeyBounds;
  readonly #records: Records;
  /** In the order of their last use. */
  readonly #senders = new Map<string, Sender>();
  readonly #byNumber = new Map<number, Sender>();
  #gathering: Noted[] = [];
  #inFlight: Noted[] = [];
  /** Records of those that were forgotten. */
  #forgotten: Uint8Array[] = [];
  #count = 0;
  #n = 0;
  #number = 0;

  constructor(records: Records, bounds = defaultKeyBounds) {
    this.#records = records;
    this.#bounds = bounds;
    records.keep(this);
  }

  get size(): number {
    return this.#count;
  }

  async load(log: Logger): Promise<void> {
    const found: { readonly at: Uint8Array; readonly record: Record<string, unknown> }[] = [];
    for (const [at, value] of await this.#records.scan({ ...allKeys, countMax: readMax })) {
      try {
        found.push({ at, record: decodeRecord(value, "the key of a message") });
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "the key of a message is unreadable");
      }
    }
    found.sort((one, other) => Number(one.record["n"]) - Number(other.record["n"]));
    for (const { at, record } of found) {
      const { device, topic, key, hash, n } = record;
      const slot = at[6] ?? 0;
      if (slot >= this.#bounds.keysPerDeviceMax) continue;
      const number = Buffer.from(at).readUInt32BE(2);
      const sender = this.#use(String(device), String(topic), number);
      this.#put(sender, slot, { key: String(key), hash: Number(hash), n: Number(n) });
      sender.next = (slot + 1) % this.#bounds.keysPerDeviceMax;
      this.#n = Math.max(this.#n, Number(n));
      this.#number = Math.max(this.#number, number);
    }
  }

  /** Notes a new one, to be written with the append that follows. */
  take(device: string, topic: string, key: string, hash: number): Seen {
    const sender = this.#use(device, topic);
    const slotKnown = sender.slotByKey.get(key);
    if (slotKnown !== undefined) return sender.slots[slotKnown]?.hash === hash ? "same" : "other";
    const slot = sender.next;
    sender.next = (slot + 1) % this.#bounds.keysPerDeviceMax;
    const known = { key, hash, n: ++this.#n };
    this.#gathering.push({ sender, slot, before: sender.slots[slot], known });
    this.#put(sender, slot, known);
    while (this.#count > this.#bounds.keysMax && this.#senders.size > 1) this.#forgetOldest();
    return "new";
  }

  seal(): readonly Change[] {
    const changes: Change[] = this.#forgotten.map((key) => ({ kind: "delete", key }));
    this.#forgotten = [];
    for (const { sender, slot } of this.#gathering) changes.push(this.#change(keyOf(sender, slot)));
    this.#inFlight = this.#gathering;
    this.#gathering = [];
    return changes;
  }

  wrote(isDurable: boolean): void {
    if (!isDurable) {
      for (const noted of [...this.#inFlight, ...this.#gathering].reverse()) this.#undo(noted);
      this.#gathering = [];
    }
    this.#inFlight = [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    const isOwn = (key: Uint8Array) => key[0] === allKeys.from[0] && key[1] === allKeys.from[1];
    return keys.filter(isOwn).map((key) => this.#change(key));
  }

  #change(key: Uint8Array): Change {
    const sender = this.#byNumber.get(Buffer.from(key).readUInt32BE(2));
    const known = sender?.slots[key[6] ?? 0];
    if (sender === undefined || known === undefined) return { kind: "delete", key };
    const { device, topic } = sender;
    return { kind: "put", key, value: encodeRecord({ device, topic, ...known }) };
  }

  #use(device: string, topic: string, number?: number): Sender {
    const name = `${device}\0${topic}`;
    const known = this.#senders.get(name);
    if (known !== undefined) {
      this.#senders.delete(name);
      this.#senders.set(name, known);
      return known;
    }
    if (number === undefined) this.#number += 1;
    const made: Sender = {
      number: number ?? this.#number,
      ...{ device, topic, slots: [], slotByKey: new Map(), next: 0 },
    };
    this.#senders.set(name, made);
    this.#byNumber.set(made.number, made);
    return made;
  }

  #put(sender: Sender, slot: number, known: Known | undefined): void {
    const before = sender.slots[slot];
    if (before !== undefined) sender.slotByKey.delete(before.key);
    if (known !== undefined) sender.slotByKey.set(known.key, slot);
    sender.slots[slot] = known;
    this.#count += (known === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
  }

  #undo({ sender, slot, before, known }: Noted): void {
    if (sender.slots[slot] !== known) return;
    this.#put(sender, slot, before);
    sender.next = slot;
  }

  #forgetOldest(): void {
    const [oldest] = this.#senders;
    if (oldest === undefined) return;
    const [name, sender] = oldest;
    for (const [slot, known] of sender.slots.entries()) {
      if (known === undefined) continue;
      this.#forgotten.push(keyOf(sender, slot));
      this.#put(sender, slot, undefined);
    }
    this.#senders.delete(name);
    this.#byNumber.delete(sender.number);
  }
}

function keyOf({ number }: Sender, slot: number): Buffer {
  const key = Buffer.from("rk.....");
  key.writeUInt32BE(number, 2);
  key[6] = slot;
  return key;
}

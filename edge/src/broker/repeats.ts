/**
 * Tells a QoS 1 publish that a device repeats, because it missed the PUBACK, from a new one.
 *
 *   F1  Only a publish with DUP folds, and only where client, message id, topic and payload are those
 *       of an entry. DUP=0 is always new.
 *   F2  An entry folds once, on a later connection of its client: the next one, or one behind others
 *       that brought nothing but repeats.
 *   F3  An entry ends when bytes follow on the connection that its PUBACK was written to: the client
 *       may use the message id again.
 *   F4  An entry is written with its event, and its folding is synced before the PUBACK, so that both
 *       survive a crash. Ends go with later groups, at no sync of their own.
 *   F5  Where a client uses one message id for equal bytes twice, a repeat cannot be told from news;
 *       it is taken as new, for an event twice is better than an event lost.
 *   F6  Not so that of a client that counts: behind so many ids that only went up, an id is as far from
 *       its next use. Such an entry lasts over bytes, foldings and connections, as many as four times
 *       what its client had waiting at once. An id that goes back, also where 65535 are through or the
 *       client began anew, ends all that last.
 */
import { crc32 } from "node:zlib";
import type { Keeper } from "../outbox/companions.ts";
import type { Change, Entry as StoreEntry } from "../outbox/store.ts";
import type { RepeatSection } from "./repeat-record.ts";
import { decodeRepeats, encodeRepeats } from "./repeat-record.ts";

export interface RepeatBounds {
  /** Entries of clients that are away; beyond it those of the longest absent are forgotten. */
  readonly absentEntriesMax: number;
  /** So many records lie on the disk before one with all that is live replaces them. */
  readonly recordsMax: number;
  /** So many ids went up, beside as many as waited at once, before an entry lasts (F6). */
  readonly countedMin: number;
  /** Entries of one client that last. */
  readonly lastingMax: number;
  /** Of all clients; beyond it none lasts longer than it waits. */
  readonly allLastingMax: number;
}

export const defaultRepeatBounds: RepeatBounds = {
  absentEntriesMax: 100_000,
  recordsMax: 256,
  countedMin: 256,
  lastingMax: 1_000,
  allLastingMax: 100_000,
};

/** Subscriptions and publishes of other kinds take ids too. */
const idStepMax = 32;
/** What is under way between client and gateway is more than what waits here. */
const lastingFactor = 4;

export interface Entry {
  readonly ordinal: number;
  readonly messageId: number;
  readonly hash: number;
  readonly isReused: boolean;
  readonly isCounted: boolean;
  isVoid: boolean;
  hasFailed: boolean;
}

/** What one client sent and may send again. */
export interface Sender {
  readonly client: string;
  isConnected: boolean;
  /** Brought something else than repeats on this connection. */
  broughtNews: boolean;
  /** Of this connection, in order. */
  entries: Entry[];
  /** Of connections before, to be folded on this one. */
  earlier: Entry[];
  /** Those that last, in order; all others are older (F6). */
  lasting: Entry[];
  /** So many ids went up in a row. */
  counted: number;
  /** Whose PUBACK is not written, and the most of them at once. */
  waiting: number;
  waitingMost: number;
  last: Entry | undefined;
  lastDurable: Entry | undefined;
  /** The newest ordinal of connections before. */
  begun: number;
  /** The newest ordinal whose PUBACK was written. */
  acked: number;
  /** Void after a crash, up to this ordinal. */
  floor: number;
  unsealed: Entry[];
  folded: number[];
}

/** Told once whether it is durable. */
export type Settled = (isDurable: boolean) => void;

const keyBytes = 8;
export const repeatKeys = { from: Buffer.from("qf"), until: Buffer.from("qg") };

function repeatKey(number: number): Buffer {
  const key = Buffer.from("qf......");
  key.writeUIntBE(number, keyBytes - 6, 6);
  return key;
}

export function hashOf(topic: string, payload: Uint8Array): number {
  return crc32(payload, crc32(topic));
}

export class Repeats implements Keeper {
  readonly #bounds: RepeatBounds;
  /** Those that are away in the order of their leaving. */
  readonly #senders = new Map<string, Sender>();
  readonly #touched = new Set<Sender>();
  #ordinal = 0;
  #absentEntries = 0;
  #lasting = 0;
  #firstRecord = 1;
  #nextRecord = 1;
  #mustBeWhole = false;

  constructor(bounds: RepeatBounds = defaultRepeatBounds) {
    this.#bounds = bounds;
  }

  /** What a process before left; what cannot be read is passed over and told. */
  load(records: readonly StoreEntry[], unreadable: (failure: unknown) => void): void {
    for (const [key, value] of records) {
      this.#nextRecord = Buffer.from(key).readUIntBE(keyBytes - 6, 6) + 1;
      try {
        const { isWhole, sections } = decodeRepeats(value);
        if (isWhole) this.#senders.clear();
        for (const section of sections) this.#apply(section);
      } catch (failure) {
        unreadable(failure);
      }
    }
    const [first] = records;
    if (first !== undefined) this.#firstRecord = Buffer.from(first[0]).readUIntBE(keyBytes - 6, 6);
    for (const sender of [...this.#senders.values()]) {
      this.#sort(sender);
      this.#left(sender);
    }
  }

  /** Those that last, where the client still counted. */
  #sort(sender: Sender): void {
    const { entries, last } = sender;
    sender.lastDurable = last;
    sender.acked = last?.ordinal ?? 0;
    if (last?.isCounted !== true || entries.at(-1) !== last) return;
    const from = entries.findLastIndex(({ isCounted }) => !isCounted) + 1;
    sender.lasting = entries.splice(from);
    sender.counted = this.#bounds.countedMin;
    sender.waitingMost = Math.ceil(sender.lasting.length / lastingFactor);
    this.#lasting += sender.lasting.length;
  }

  #apply({ client, floor, entries, folded }: RepeatSection): void {
    const sender = this.#senders.get(client) ?? this.#add(client, 0);
    sender.floor = Math.max(sender.floor, floor);
    for (const entry of entries) {
      sender.last = { ...entry, isVoid: false, hasFailed: false };
      sender.entries.push(sender.last);
      this.#ordinal = Math.max(this.#ordinal, entry.ordinal);
    }
    this.#ordinal = Math.max(this.#ordinal, floor);
    sender.entries = sender.entries.filter(
      ({ ordinal }) => ordinal > sender.floor && !folded.includes(ordinal),
    );
  }

  /** A connection of the client begins. */
  connected(client: string): Sender {
    const sender = this.#sender(client);
    if (!sender.isConnected) this.#absentEntries -= countOf(sender);
    sender.isConnected = true;
    sender.begun = this.#ordinal;
    const made = sender.entries.filter(isLive);
    sender.earlier = sender.broughtNews ? made : [...sender.earlier.filter(isLive), ...made];
    sender.entries = [];
    sender.broughtNews = false;
    return sender;
  }

  /** The client's connection ended, and no other took its place. */
  disconnected(sender: Sender): void {
    if (!sender.isConnected) return;
    sender.isConnected = false;
    this.#left(sender);
  }

  /** Bytes came on the client's connection (F3). */
  heard(sender: Sender): void {
    const { entries, acked } = sender;
    if (entries.length === 0 || (entries[0] as Entry).ordinal > acked) return;
    let ended = 0;
    while (ended < entries.length && (entries[ended] as Entry).ordinal <= acked) ended++;
    sender.floor = (entries[ended - 1] as Entry).ordinal;
    entries.splice(0, ended);
    this.#touched.add(sender);
  }

  /** Where this publish with DUP is a repeat, what settles its folding (F1, F2, F6). */
  fold(sender: Sender, messageId: number, hash: number): Settled | undefined {
    const isIt = (each: Entry) =>
      each.messageId === messageId && each.hash === hash && isLive(each);
    if (sender.lasting.some(isIt)) return nothing;
    const entry = sender.earlier.find(isIt);
    if (entry === undefined || entry.isReused) return undefined;
    entry.isVoid = true;
    sender.folded.push(entry.ordinal);
    this.#touched.add(sender);
    return (isDurable) => {
      // Its own publish may have failed too.
      entry.isVoid = isDurable || entry.hasFailed;
    };
  }

  /** The client sent what is no repeat (F2). */
  broughtNews(sender: Sender): void {
    if (sender.broughtNews) return;
    sender.broughtNews = true;
    // After a crash the next connection is not the next one of those before.
    sender.floor = Math.max(sender.floor, sender.earlier.at(-1)?.ordinal ?? 0);
    this.#touched.add(sender);
  }

  /** A publish has its place in the group that gathers. */
  note(sender: Sender, messageId: number, hash: number): Entry {
    const { last } = sender;
    const isReused = last !== undefined && last.messageId === messageId && last.hash === hash;
    const step = last === undefined ? 0 : messageId - last.messageId;
    if (step > 0 && step <= idStepMax) sender.counted++;
    else this.#endLasting(sender);
    sender.waiting++;
    sender.waitingMost = Math.max(sender.waitingMost, sender.waiting);
    const isCounted =
      sender.lasting.length > 0 || sender.counted >= this.#bounds.countedMin + sender.waitingMost;
    const ordinal = ++this.#ordinal;
    const entry = {
      ordinal,
      messageId,
      hash,
      isReused,
      isCounted,
      isVoid: false,
      hasFailed: false,
    };
    this.broughtNews(sender);
    sender.last = entry;
    if (isCounted) this.#letLast(sender, entry);
    else sender.entries.push(entry);
    sender.unsealed.push(entry);
    this.#touched.add(sender);
    return entry;
  }

  /** Told in the order of the notes: its PUBACK is written now, or its connection is closed. */
  settled(sender: Sender, entry: Entry, isDurable: boolean): void {
    sender.waiting--;
    if (isDurable) {
      sender.acked = entry.ordinal;
      sender.lastDurable = entry;
      return;
    }
    entry.isVoid = true;
    entry.hasFailed = true;
    // What failed comes again under the same id.
    sender.last = sender.lastDurable;
    const { length } = sender.lasting;
    sender.lasting = sender.lasting.filter(isLive);
    this.#lasting -= length - sender.lasting.length;
  }

  #letLast(sender: Sender, entry: Entry): void {
    const { lasting, acked, waitingMost } = sender;
    const { lastingMax, allLastingMax } = this.#bounds;
    lasting.push(entry);
    this.#lasting++;
    const countMax = Math.min(lastingMax, lastingFactor * waitingMost);
    let ended = 0;
    for (const { ordinal } of lasting) {
      const isRoom = lasting.length - ended <= countMax && this.#lasting - ended <= allLastingMax;
      if (isRoom || ordinal > acked) break;
      sender.floor = ordinal;
      ended++;
    }
    lasting.splice(0, ended);
    this.#lasting -= ended;
  }

  /** The ids do not count up: what waits on this connection is as any other, the rest ends. */
  #endLasting(sender: Sender): void {
    const { lasting, entries, acked, begun } = sender;
    sender.counted = 0;
    if (lasting.length === 0) return;
    const waits = lasting.findIndex(({ ordinal }) => ordinal > Math.max(acked, begun));
    const ended = waits < 0 ? lasting.length : waits;
    sender.floor = lasting[ended - 1]?.ordinal ?? sender.floor;
    entries.push(...lasting.slice(ended));
    sender.lasting = [];
    this.#lasting -= lasting.length;
  }

  seal(): readonly Change[] {
    const count = this.#nextRecord - this.#firstRecord;
    if (this.#mustBeWhole || (count >= this.#bounds.recordsMax && this.#touched.size > 0)) {
      return this.#sealWhole();
    }
    if (this.#touched.size === 0) return [];
    const sections = [...this.#touched].map(({ client, floor, unsealed, folded }) => {
      return { client, floor, entries: unsealed.filter(isLive), folded };
    });
    this.#sealed();
    const value = encodeRepeats({ isWhole: false, sections });
    return [{ kind: "put", key: repeatKey(this.#nextRecord++), value }];
  }

  /** Replaces every record; what becomes of the old ones in a failed write does not matter then. */
  restore(keys: readonly Uint8Array[]): readonly Change[] {
    const own = keys.filter((key) => key[0] === 0x71 && key[1] === 0x66);
    if (own.length === 0) return [];
    const deletes = own.map((key): Change => ({ kind: "delete", key }));
    return [...deletes, ...this.#sealWhole()];
  }

  #sealWhole(): readonly Change[] {
    const sections: RepeatSection[] = [];
    for (const sender of this.#senders.values()) {
      const { client, floor, broughtNews, earlier, lasting } = sender;
      const others = [...(broughtNews ? [] : earlier), ...sender.entries];
      const entries = [...others, ...lasting].filter(isLive);
      if (entries.length > 0) sections.push({ client, floor, entries, folded: [] });
    }
    const deletes: Change[] = [];
    for (let number = this.#firstRecord; number < this.#nextRecord; number++) {
      deletes.push({ kind: "delete", key: repeatKey(number) });
    }
    this.#sealed();
    this.#mustBeWhole = false;
    this.#firstRecord = this.#nextRecord;
    const value = encodeRepeats({ isWhole: true, sections });
    return [...deletes, { kind: "put", key: repeatKey(this.#nextRecord++), value }];
  }

  #sealed(): void {
    for (const sender of this.#touched) {
      sender.unsealed = [];
      sender.folded = [];
      this.#forgetWhereEmpty(sender);
    }
    this.#touched.clear();
  }

  #left(sender: Sender): void {
    sender.entries = sender.entries.filter(isLive);
    sender.earlier = sender.broughtNews ? [] : sender.earlier.filter(isLive);
    this.#absentEntries += countOf(sender);
    // To the end: the order is that of leaving.
    this.#senders.delete(sender.client);
    this.#senders.set(sender.client, sender);
    if (!this.#touched.has(sender)) this.#forgetWhereEmpty(sender);
    for (const [client, each] of this.#senders) {
      if (this.#absentEntries <= this.#bounds.absentEntriesMax) return;
      if (each.isConnected) continue;
      this.#absentEntries -= countOf(each);
      this.#lasting -= each.lasting.length;
      each.lasting = [];
      this.#senders.delete(client);
      this.#touched.delete(each);
      // Only a record of all that is live leaves them out.
      this.#mustBeWhole = true;
    }
  }

  #forgetWhereEmpty(sender: Sender): void {
    const { isConnected, client } = sender;
    if (!isConnected && countOf(sender) === 0) this.#senders.delete(client);
  }

  #sender(client: string): Sender {
    // Records of a client that was forgotten may lie on the disk: they are void.
    return this.#senders.get(client) ?? this.#add(client, this.#ordinal);
  }

  #add(client: string, floor: number): Sender {
    const sender: Sender = {
      client,
      isConnected: false,
      broughtNews: false,
      entries: [],
      earlier: [],
      lasting: [],
      counted: 0,
      waiting: 0,
      waitingMost: 1,
      last: undefined,
      lastDurable: undefined,
      begun: 0,
      acked: 0,
      floor,
      unsealed: [],
      folded: [],
    };
    this.#senders.set(client, sender);
    return sender;
  }
}

const nothing: Settled = () => {};

function countOf({ entries, earlier, lasting }: Sender): number {
  return entries.length + earlier.length + lasting.length;
}

function isLive(entry: Entry): boolean {
  return !entry.isVoid;
}

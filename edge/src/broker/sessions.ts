/**
 * Sessions of clients that connect with clean=0: their subscriptions and what is queued for them.
 *
 *   N1  What is acknowledged to a client (CONNACK, SUBACK, UNSUBACK) is synced before.
 *   N2  A message is queued in the write that appends its event, so that a crash leaves both or none.
 *   N3  A queue keeps the order of the appends, over restarts too: its keys count up for ever.
 *   N4  The message id of a QoS 2 delivery is synced before it is used, and so is its release. Those
 *       of QoS 1 go with later groups: a power cut may repeat them, never lose them.
 *   N5  Memory is the truth for the disk: after a failed write the disk is made to follow it.
 *   N6  At its bounds a queue loses its oldest, at that of all queues the largest does, and the longest
 *       absent session is forgotten; counted.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Keeper, Records } from "../outbox/companions.ts";
import type { Change, Entry as StoreEntry } from "../outbox/store.ts";
import type { Message, QoS } from "./session-records.ts";
import {
  decodeMessage,
  decodeProgress,
  decodeSession,
  encodeMessage,
  encodeProgress,
  encodeSession,
  kindOf,
  namedKey,
  nameOf,
  numberedKey,
  numberOf,
  recordRange,
} from "./session-records.ts";
import { FilterTree } from "./topic-filter.ts";

export interface SessionBounds {
  /** A client that was away so long is forgotten, and so is what was queued so long. */
  readonly expiryMs: number;
  readonly countMax: number;
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  /** Of all queues together. */
  readonly bytesMax: number;
}

export interface SessionsParts {
  readonly records: Records;
  readonly clock: Clock;
  readonly bounds: SessionBounds;
  readonly log: Logger;
  /** The client's session ended, and with it all else that belongs to it. */
  readonly forgotten: (client: string) => void;
}

export interface SessionCounters {
  readonly sessions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Queued messages given up at a bound. */
  readonly dropped: number;
}

export interface Subscription {
  readonly topic: string;
  readonly qos: QoS;
}

/** A message's place in the queues of its subscribers. */
export interface Queued {
  readonly sequences: ReadonlyMap<string, number>;
}

/** What is to be sent to a subscriber from its queue. */
export type Outgoing =
  | {
      readonly kind: "publish";
      readonly sequence: number;
      readonly message: Message;
      /** Set where it was sent before. */
      readonly messageId: number | undefined;
    }
  | { readonly kind: "release"; readonly sequence: number; readonly messageId: number };

/** Acknowledged by the client, or given up. */
type Ended = (isDelivered: boolean) => void;

interface Item {
  readonly sequence: number;
  readonly qos: QoS;
  readonly bytes: number;
  readonly queuedAt: number;
  messageId: number | undefined;
  isReleased: boolean;
  /** Handed out on this connection, to be sent. */
  isTaken: boolean;
}

/** As it comes from the disk or a publish. */
type NewItem = Omit<Item, "messageId" | "isReleased" | "isTaken">;

interface Session {
  readonly client: string;
  readonly subscriptions: Map<string, QoS>;
  readonly queue: Map<number, Item>;
  readonly byId: Map<number, Item>;
  bytes: number;
  nextId: number;
  /** In this boot; undefined while it is connected. */
  leftAt: number | undefined;
}

const pageEntriesMax = 1_000;
const pageBytesMax = 4 * 1_024 * 1_024;
const batchMessagesMax = 64;
const messageIdMax = 65_535;
/** Of the bytes of all queues, so that not every message looks for the largest. */
const keptShare = 15 / 16;

export class Sessions implements Keeper {
  readonly #parts: SessionsParts;
  /** Those that are away in the order of their leaving. */
  readonly #sessions = new Map<string, Session>();
  readonly #tree = new FilterTree<QoS>();
  readonly #followed = new Map<number, Ended>();
  #sequence = 0;
  #bytes = 0;
  #messages = 0;
  #dropped = 0;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    parts.records.keep(this);
  }

  counters(): SessionCounters {
    return {
      sessions: this.#sessions.size,
      queuedMessages: this.#messages,
      queuedBytes: this.#bytes,
      dropped: this.#dropped,
    };
  }

  async load(): Promise<void> {
    const { bootId } = this.#parts.clock;
    const now = this.#parts.clock.bootMs();
    await this.#each("s", (key, value) => {
      const { subscriptions, left } = decodeSession(value);
      // How long another boot is past is not known: the time runs anew.
      const leftAt = left?.boot === bootId ? Math.min(left.ms, now) : now;
      const session = this.#add(nameOf(key), leftAt);
      for (const [filter, qos] of subscriptions) this.#put(session, filter, qos);
    });
    const orphans: Change[] = [];
    await this.#each("o", (key, value) => {
      const { client, number: sequence } = numberOf(key);
      this.#sequence = Math.max(this.#sequence, sequence);
      const session = this.#sessions.get(client);
      if (session === undefined) {
        orphans.push({ kind: "delete", key: Buffer.from(key) });
        return;
      }
      const { qos } = decodeMessage(value);
      this.#queue(session, { sequence, qos, bytes: value.length, queuedAt: now });
    });
    await this.#each("p", (key, value) => {
      const { client, number: sequence } = numberOf(key);
      const session = this.#sessions.get(client);
      const item = session?.queue.get(sequence);
      if (session === undefined || item === undefined) {
        orphans.push({ kind: "delete", key: Buffer.from(key) });
        return;
      }
      const { id, released } = decodeProgress(value);
      item.messageId = id;
      item.isReleased = released;
      session.byId.set(id, item);
    });
    if (orphans.length > 0) this.#parts.records.write(orphans);
  }

  /** What cannot be read is passed over: a lost queue is better than no gateway. */
  async #each(
    kind: "s" | "o" | "p",
    take: (key: Uint8Array, value: Uint8Array) => void,
  ): Promise<void> {
    const { records, log } = this.#parts;
    let { from, until } = recordRange(kind);
    for (;;) {
      const page: readonly StoreEntry[] = await records.scan({
        from,
        until,
        countMax: pageEntriesMax,
        bytesMax: pageBytesMax,
      });
      for (const [key, value] of page) {
        try {
          take(key, value);
        } catch (failure) {
          log.warn({ reason: reasonOf(failure) }, "a record of an MQTT session is unreadable");
        }
      }
      const last = page.at(-1);
      if (last === undefined) return;
      from = Buffer.concat([last[0], Buffer.from([0])]);
    }
  }

  /** The client connects with clean=0; resolves once its session is on the disk. */
  async open(client: string): Promise<{ isPresent: boolean; subscriptions: Subscription[] }> {
    const known = this.#sessions.get(client);
    if (known === undefined) this.#makeRoom();
    const session = known ?? this.#add(client, undefined);
    session.leftAt = undefined;
    for (const item of session.queue.values()) item.isTaken = false;
    if (known === undefined) await this.#write([this.#sessionChange(session)]);
    const subscriptions = [...session.subscriptions].map(([topic, qos]) => ({ topic, qos }));
    return { isPresent: known !== undefined, subscriptions };
  }

  /** The client connects with clean=1. */
  async discard(client: string): Promise<void> {
    const changes = this.#forget(client);
    if (changes.length > 0) await this.#write(changes);
  }

  /** Its connection ended. */
  left(client: string): void {
    const session = this.#sessions.get(client);
    if (session === undefined) return;
    session.leftAt = this.#parts.clock.bootMs();
    this.#sessions.delete(client);
    this.#sessions.set(client, session);
    this.#parts.records.write([this.#sessionChange(session)]);
  }

  async subscribe(client: string, subscriptions: readonly Subscription[]): Promise<void> {
    const session = this.#sessions.get(client);
    if (session === undefined) return;
    const news = subscriptions.filter(({ topic, qos }) => session.subscriptions.get(topic) !== qos);
    for (const { topic, qos } of news) this.#put(session, topic, qos);
    if (news.length > 0) await this.#write([this.#sessionChange(session)]);
  }

  async unsubscribe(client: string, filters: readonly string[]): Promise<void> {
    const session = this.#sessions.get(client);
    if (session === undefined) return;
    for (const filter of filters) {
      session.subscriptions.delete(filter);
      this.#tree.delete(filter, client);
    }
    await this.#write([this.#sessionChange(session)]);
  }

  has(client: string): boolean {
    return this.#sessions.has(client);
  }

  /** Whether anything at all would be queued for someone. */
  get hasSubscriptions(): boolean {
    return this.#tree.size > 0;
  }

  /** Those that a message of QoS 1 or 2 is queued for, each with the QoS it gets it at. */
  subscribers(topic: string): Map<string, QoS> {
    const found = new Map<string, QoS>();
    this.#tree.match(topic, (client, qos) => {
      if (qos > (found.get(client) ?? 0)) found.set(client, qos);
    });
    return found;
  }

  /** N2: `changes` go with the event; `settle` is told whether they are durable. */
  enqueue(
    message: Message,
    only?: ReadonlySet<string>,
  ): {
    readonly changes: readonly Change[];
    readonly queued: Queued;
    readonly settle: (isDurable: boolean) => void;
  } {
    const changes: Change[] = [];
    const sequences = new Map<string, number>();
    const items: [string, NewItem][] = [];
    const queuedAt = this.#parts.clock.bootMs();
    const values = new Map<QoS, Buffer>();
    for (const [client, granted] of this.subscribers(message.topic)) {
      if (only?.has(client) === false) continue;
      const qos = granted < message.qos ? granted : message.qos;
      const value = values.get(qos) ?? encodeMessage({ ...message, qos, retain: false });
      values.set(qos, value);
      const sequence = ++this.#sequence;
      sequences.set(client, sequence);
      changes.push({ kind: "put", key: numberedKey("o", client, sequence), value });
      items.push([client, { sequence, qos, bytes: value.length, queuedAt }]);
    }
    const settle = (isDurable: boolean) => {
      if (!isDurable) return;
      for (const [client, item] of items) this.#arrived(client, item);
    };
    return { changes, queued: { sequences }, settle };
  }

  /** For a message that is no event. */
  enqueueAlone(message: Message): { readonly queued: Queued; readonly write: Promise<void> } {
    const { changes, queued, settle } = this.enqueue(message);
    const write = this.#write(changes);
    return { queued, write: write.then(() => settle(true)) };
  }

  #arrived(client: string, item: NewItem): void {
    const session = this.#sessions.get(client);
    // The session was forgotten while the write was under way.
    if (session === undefined) {
      this.#parts.records.write([{ kind: "delete", key: numberedKey("o", client, item.sequence) }]);
      return;
    }
    this.#queue(session, item);
    const { queueMessagesMax, queueBytesMax, bytesMax } = this.#parts.bounds;
    this.#trim(
      session,
      () => session.queue.size > queueMessagesMax || session.bytes > queueBytesMax,
    );
    // Whoever has most gives way: a few that never come back must not starve those that read.
    while (this.#bytes > bytesMax) {
      this.#trim(this.#largest(session), () => this.#bytes > bytesMax * keptShare);
    }
  }

  #trim(session: Session, isOver: () => boolean): void {
    for (const oldest of session.queue.values()) {
      if (!isOver()) return;
      this.#drop(session, oldest);
    }
  }

  #largest(least: Session): Session {
    let largest = least;
    for (const each of this.#sessions.values()) if (each.bytes > largest.bytes) largest = each;
    return largest;
  }

  /** The queue's next behind `after`, with payloads; empty once there is nothing more. */
  async batch(client: string, after: number): Promise<Outgoing[]> {
    const session = this.#sessions.get(client);
    const items: Item[] = [];
    for (const item of session?.queue.values() ?? []) {
      if (item.sequence > after) items.push(item);
      if (items.length === batchMessagesMax) break;
    }
    const [first, last] = [items[0], items.at(-1)];
    if (first === undefined || last === undefined) return [];
    const values = new Map<number, Uint8Array>();
    const entries = await this.#parts.records.scan({
      from: numberedKey("o", client, first.sequence),
      until: numberedKey("o", client, last.sequence + 1),
      countMax: batchMessagesMax,
      bytesMax: pageBytesMax,
    });
    for (const [key, value] of entries) values.set(numberOf(key).number, value);
    const lastRead = entries.length > 0 ? Math.max(...values.keys()) : last.sequence;
    const outgoing: Outgoing[] = [];
    for (const item of items.filter(({ sequence }) => sequence <= lastRead)) {
      item.isTaken = true;
      const { sequence, messageId, isReleased } = item;
      const value = values.get(sequence);
      if (isReleased && messageId !== undefined) {
        outgoing.push({ kind: "release", sequence, messageId });
      } else if (value === undefined) {
        if (session !== undefined) this.#drop(session, item);
      } else outgoing.push({ kind: "publish", sequence, message: decodeMessage(value), messageId });
    }
    return outgoing.length > 0 ? outgoing : this.batch(client, lastRead);
  }

  /** Whether the queue holds more than what stands up to `after`. */
  hasMore(client: string, after: number): boolean {
    for (const sequence of this.#sessions.get(client)?.queue.keys() ?? []) {
      if (sequence > after) return true;
    }
    return false;
  }

  /** The QoS to send a message at that nobody sends yet; undefined where somebody does. */
  waiting(client: string, sequence: number): QoS | undefined {
    const item = this.#sessions.get(client)?.queue.get(sequence);
    const isWaiting = item !== undefined && !item.isTaken && item.messageId === undefined;
    return isWaiting ? item.qos : undefined;
  }

  /** N4: resolves with the message id to send it under. */
  async sending(client: string, sequence: number | undefined, wanted: number): Promise<number> {
    const session = this.#sessions.get(client);
    if (session === undefined) return wanted;
    const item = sequence === undefined ? undefined : session.queue.get(sequence);
    if (item?.messageId !== undefined) return item.messageId;
    const id = freeId(session, wanted);
    if (item === undefined) return id;
    item.messageId = id;
    session.byId.set(id, item);
    const changes = [this.#progressChange(client, item)];
    if (item.qos === 2) await this.#write(changes);
    else this.#parts.records.write(changes);
    return id;
  }

  /** N4: the PUBREC of a QoS 2 delivery came. */
  async release(client: string, messageId: number): Promise<void> {
    const item = this.#sessions.get(client)?.byId.get(messageId);
    if (item === undefined || item.isReleased) return;
    item.isReleased = true;
    await this.#write([this.#progressChange(client, item)]);
  }

  /** The delivery is complete. */
  delivered(client: string, messageId: number): void {
    const session = this.#sessions.get(client);
    const item = session?.byId.get(messageId);
    if (session === undefined || item === undefined) return;
    this.#parts.records.write(this.#remove(session, item, true));
  }

  /** Its filters that deliver by its queue. */
  filtersOf(client: string): readonly string[] {
    const subscriptions = this.#sessions.get(client)?.subscriptions ?? [];
    return [...subscriptions].flatMap(([filter, qos]) => (qos > 0 ? [filter] : []));
  }

  holds(client: string, sequence: number): boolean {
    return this.#sessions.get(client)?.queue.has(sequence) === true;
  }

  /** Tells once how a queued message ended; false where it is not in the queue. */
  follow(client: string, sequence: number, ended: Ended): boolean {
    if (!this.holds(client, sequence)) return false;
    this.#followed.set(sequence, ended);
    return true;
  }

  /** Takes a message out of the queue, or what is on its way there; whoever follows it is not told. */
  withdraw(client: string, sequence: number): readonly Change[] {
    this.#followed.delete(sequence);
    const session = this.#sessions.get(client);
    const item = session?.queue.get(sequence);
    if (session !== undefined && item !== undefined) return this.#remove(session, item);
    return [{ kind: "delete", key: numberedKey("o", client, sequence) }];
  }

  /** Forgets what is over its age. */
  sweep(): void {
    const { clock, bounds, records } = this.#parts;
    const before = clock.bootMs() - bounds.expiryMs;
    for (const session of this.#sessions.values()) {
      if (session.leftAt !== undefined && session.leftAt < before) {
        records.write(this.#forget(session.client));
        continue;
      }
      for (const item of session.queue.values()) {
        if (item.queuedAt >= before) break;
        this.#drop(session, item);
      }
    }
  }

  seal(): readonly Change[] {
    return [];
  }

  /** N5; a queued message was not taken into memory where its write failed. */
  restore(keys: readonly Uint8Array[]): readonly Change[] {
    const changes: Change[] = [];
    for (const key of keys) {
      const kind = kindOf(key);
      if (kind === "s") {
        const session = this.#sessions.get(nameOf(key));
        changes.push(
          session === undefined ? { kind: "delete", key } : this.#sessionChange(session),
        );
      } else if (kind === "o" || kind === "p") {
        const { client, number } = numberOf(key);
        const item = this.#sessions.get(client)?.queue.get(number);
        if (item === undefined) changes.push({ kind: "delete", key });
        else if (kind === "p") changes.push(this.#progressChange(client, item));
      }
    }
    return changes;
  }

  #write(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#parts.records.write(changes, (failure) =>
        failure === undefined ? resolve() : reject(failure),
      );
    });
  }

  #add(client: string, leftAt: number | undefined): Session {
    const session: Session = {
      client,
      subscriptions: new Map(),
      queue: new Map(),
      byId: new Map(),
      bytes: 0,
      nextId: 1,
      leftAt,
    };
    this.#sessions.set(client, session);
    return session;
  }

  #put(session: Session, filter: string, qos: QoS): void {
    session.subscriptions.set(filter, qos);
    if (qos > 0) this.#tree.put(filter, session.client, qos);
    else this.#tree.delete(filter, session.client);
  }

  #queue(session: Session, item: NewItem): void {
    const fresh = { messageId: undefined, isReleased: false, isTaken: false };
    session.queue.set(item.sequence, { ...item, ...fresh });
    session.bytes += item.bytes;
    this.#bytes += item.bytes;
    this.#messages++;
  }

  #drop(session: Session, item: Item): void {
    this.#dropped++;
    this.#parts.records.write(this.#remove(session, item));
  }

  #remove(session: Session, item: Item, isDelivered = false): Change[] {
    const { sequence, messageId, bytes } = item;
    if (!session.queue.delete(sequence)) return [];
    session.bytes -= bytes;
    this.#bytes -= bytes;
    this.#messages--;
    const changes: Change[] = [{ kind: "delete", key: numberedKey("o", session.client, sequence) }];
    if (messageId !== undefined) {
      session.byId.delete(messageId);
      changes.push({ kind: "delete", key: numberedKey("p", session.client, sequence) });
    }
    const ended = this.#followed.get(sequence);
    if (ended !== undefined) {
      this.#followed.delete(sequence);
      ended(isDelivered);
    }
    return changes;
  }

  /** N6. */
  #makeRoom(): void {
    const { countMax } = this.#parts.bounds;
    if (this.#sessions.size < countMax) return;
    for (const { client, leftAt } of this.#sessions.values()) {
      if (leftAt === undefined) continue;
      this.#parts.records.write(this.#forget(client));
      return;
    }
    throw new CodedError("MQTT_REFUSED", `${countMax} sessions are connected already`);
  }

  #forget(client: string): Change[] {
    const session = this.#sessions.get(client);
    if (session === undefined) return [];
    for (const filter of session.subscriptions.keys()) this.#tree.delete(filter, client);
    this.#sessions.delete(client);
    // Who follows them looks for others to take them.
    const changes = [...session.queue.values()].flatMap((item) => this.#remove(session, item));
    this.#parts.forgotten(client);
    return [...changes, { kind: "delete", key: namedKey("s", client) }];
  }

  #sessionChange({ client, subscriptions, leftAt }: Session): Change {
    const boot = this.#parts.clock.bootId;
    const left = leftAt === undefined ? null : { boot, ms: leftAt };
    const value = encodeSession({ subscriptions: [...subscriptions], left });
    return { kind: "put", key: namedKey("s", client), value };
  }

  #progressChange(client: string, { sequence, messageId, isReleased }: Item): Change {
    const key = numberedKey("p", client, sequence);
    if (messageId === undefined) return { kind: "delete", key };
    const value = encodeProgress({ id: messageId, released: isReleased });
    return { kind: "put", key, value };
  }
}

/** aedes counts ids anew on each connection, and may give one that is still under way. */
function freeId(session: Session, wanted: number): number {
  if (!session.byId.has(wanted)) return wanted;
  for (let tried = 0; tried < messageIdMax; tried++) {
    session.nextId = session.nextId >= messageIdMax ? 1 : session.nextId + 1;
    if (!session.byId.has(session.nextId)) break;
  }
  return session.nextId;
}

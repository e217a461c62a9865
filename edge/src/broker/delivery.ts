/**
 * One publish on its way to the disk: what is written with its event, so that a crash leaves all of
 * it or nothing, and what is taken into memory once that is durable.
 */
import { crc32 } from "node:zlib";
import type { CodedError } from "@causeway/shared/errors.ts";
import type { Companion } from "../outbox/companions.ts";
import type { Change } from "../outbox/store.ts";
import type { Publish } from "./broker.ts";
import type { IncomingIds } from "./incoming-ids.ts";
import type { Entry, Repeats, Sender } from "./repeats.ts";
import { hashOf } from "./repeats.ts";
import type { NamedMessages, Putting } from "./retained.ts";
import type { Message, QoS } from "./session-records.ts";
import type { Queued, Sessions } from "./sessions.ts";

export interface Keepers {
  readonly repeats: Repeats;
  readonly sessions: Sessions;
  readonly incoming: IncomingIds;
  readonly retained: NamedMessages;
  readonly wills: NamedMessages;
}

/** What a packet carries through aedes, from the hook that stores it to those that deliver it. */
export interface Carried {
  readonly queued?: Queued;
  readonly isFolded?: boolean;
  /** The same packet came before and is delivered already; or nobody is to have it. */
  readonly isTwice?: boolean;
  /** Called once it was handed to the subscriber's connection. */
  readonly passed?: () => void;
  /** To send it under; else aedes counts one. */
  readonly messageId?: number;
}

/** A packet of aedes that is published, or a will. */
export interface Published {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly messageId?: number | undefined;
  /** CRC-32 of the topic, where it is known already. */
  readonly topicHash?: number;
}

const nothing: readonly Change[] = [];
const stored: Carried = {};

/** One object a publish: this is the way that every message goes. */
export class Delivery implements Publish, Message, Companion {
  readonly client: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly messageId: number | undefined;
  /** Undefined for a will. */
  readonly sender: Sender | undefined;
  readonly #keepers: Keepers;
  readonly #topicHash: number | undefined;
  #carried: Carried | undefined;
  #entry: Entry | undefined;
  #parts: ((failure: CodedError | undefined) => void)[] | undefined;

  constructor(keepers: Keepers, packet: Published, client: string, sender: Sender | undefined) {
    this.#keepers = keepers;
    this.client = client;
    this.sender = sender;
    this.topic = packet.topic;
    this.payload =
      typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    this.qos = packet.qos;
    this.retain = packet.retain;
    this.messageId = packet.messageId;
    this.#topicHash = packet.topicHash;
  }

  /** What tells a repeat from another publish. */
  get hash(): number {
    return this.#topicHash === undefined
      ? hashOf(this.topic, this.payload)
      : crc32(this.payload, this.#topicHash);
  }

  get companion(): Companion {
    return this;
  }

  /** What its packet must carry on; known once it has its place. */
  get carried(): Carried | undefined {
    return this.#carried ?? (this.retain ? stored : undefined);
  }

  join(): readonly Change[] {
    const { sender, messageId, qos } = this;
    const { repeats, sessions } = this.#keepers;
    if (sender !== undefined && messageId !== undefined && qos === 1) {
      this.#entry = repeats.note(sender, messageId, this.hash);
      if (!sessions.hasSubscriptions && !this.retain) return nothing;
    } else if (sender !== undefined) repeats.broughtNews(sender);
    return this.#besides();
  }

  #besides(): readonly Change[] {
    const { sender, messageId, client, qos, topic } = this;
    const { incoming, sessions, retained, wills } = this.#keepers;
    const changes: Change[] = [];
    if (sender !== undefined && messageId !== undefined && qos === 2) {
      const { change, settle } = incoming.add(client, messageId, this.hash);
      changes.push(change);
      this.#later(settle);
    }
    if (qos > 0 && sessions.hasSubscriptions) {
      const { queued, ...putting } = sessions.enqueue(this);
      this.#carried = { queued };
      this.#with(changes, putting);
    }
    if (this.retain) {
      // [MQTT-3.3.1-10], [MQTT-3.3.1-11]
      const isEmpty = this.payload.length === 0;
      this.#with(changes, isEmpty ? retained.deleting(topic) : retained.putting(topic, this));
    }
    if (sender === undefined) this.#with(changes, wills.deleting(client));
    return changes;
  }

  settle(failure: CodedError | undefined): void {
    const { sender } = this;
    if (sender !== undefined && this.#entry !== undefined) {
      this.#keepers.repeats.settled(sender, this.#entry, failure === undefined);
    }
    for (const part of this.#parts ?? []) part(failure);
  }

  #with(changes: Change[], putting: Putting): void {
    changes.push(...putting.changes);
    this.#later((failure) => putting.settle(failure === undefined));
  }

  #later(settle: (failure: CodedError | undefined) => void): void {
    if (this.#parts === undefined) this.#parts = [settle];
    else this.#parts.push(settle);
  }
}

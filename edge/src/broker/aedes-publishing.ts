/** Publishes on their way from a connection into the outbox, and from there to subscribers (B1-B5, B8). */
import type { EventEmitter } from "node:events";
import type { Clock } from "@causeway/shared/clock.ts";
import type { CodedError } from "@causeway/shared/errors.ts";
import type { Aedes, Client, PublishPacket } from "aedes";
import type { Records } from "../outbox/companions.ts";
import { deniedNotice } from "./admission.ts";
import type { Connection, PlainPublish } from "./aedes-connection.ts";
import { packetOf } from "./aedes-own.ts";
import type { AedesPacket, AedesPersistence } from "./aedes-persistence.ts";
import { carry } from "./aedes-persistence.ts";
import type { BrokerListener, BrokerNotice } from "./broker.ts";
import type { Keepers } from "./delivery.ts";
import { Delivery } from "./delivery.ts";
import type { Settled } from "./repeats.ts";
import { isText } from "./topic-filter.ts";
import type { Waiting } from "./waiting.ts";

/** What a waiting publish costs beyond its payload. */
const publishOverheadBytes = 256;

export interface AedesPublishingParts {
  readonly keepers: Keepers;
  readonly records: Records;
  readonly clock: Clock;
  readonly waiting: Waiting;
  readonly connectionOf: (client: Client) => Connection | undefined;
  /** The message as it was stored before, of QoS 2. */
  readonly known: AedesPersistence["known"];
  readonly intake: () => Pick<BrokerListener, "publish">;
  readonly subscribers: ReadonlySet<Connection>;
  readonly pass: (packet: PublishPacket) => void;
  readonly notice: (from: string, notice: BrokerNotice) => void;
}

export class AedesPublishing {
  readonly counters = {
    published: 0,
    refused: 0,
    folded: 0,
    droppedPublishes: 0,
    deniedPublishes: 0,
  };
  readonly #parts: AedesPublishingParts;
  /** Retained messages that found no room, as last told. */
  #refusedTold = 0;

  constructor(parts: AedesPublishingParts) {
    this.#parts = parts;
  }

  /**
   * As aedes would do it, for what may go around it. Each is handed to subscribers in a turn of its
   * own: of two in one turn aedes may take the later first, and then drops the other as a repeat.
   */
  publish(connection: Connection, packet: PlainPublish): void {
    const { client } = connection;
    this.authorise(client, packet as unknown as PublishPacket, (refusal) => {
      if (refusal) return void (client as unknown as EventEmitter).emit("error", refusal);
      if (packet.messageId !== undefined) connection.puback(packet.messageId);
      if (this.#parts.subscribers.size === 0) return;
      this.#parts.clock.soon(() => this.#parts.pass(packet as unknown as PublishPacket));
    });
  }

  authorise(
    client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void {
    const connection = client === null ? undefined : this.#parts.connectionOf(client);
    // A will is told by its missing command, and comes when its connection is closed.
    const isWill = (packet as { readonly cmd?: string }).cmd === undefined;
    if (!isWill && connection?.isClosed !== false) return done(new Error("connection closed"));
    if (packet.topic.startsWith("$SYS/")) return done(new Error("$SYS/ is the broker's own"));
    // [MQTT-2.3.1-1]
    if (packet.qos > 0 && (packet as AedesPacket).messageId === 0) {
      if (connection !== undefined) this.#malformed(connection, "message id 0");
      return done(new Error("message id 0"));
    }
    // aedes looks for wildcards and counts levels before; those of wills were checked on CONNECT.
    if (!isText(packet.topic)) {
      if (connection !== undefined) this.#malformed(connection, "topic");
      return done(new Error("the topic is malformed"));
    }
    if (connection?.pass?.grants?.mayPublish(packet.topic) === false) {
      const { pass, address } = connection;
      this.counters.deniedPublishes++;
      this.#parts.notice(address, deniedNotice("publish-denied", pass, address, packet.topic));
      // B8: one of QoS 0 goes no further, and costs a device nothing else that it sends.
      if (isWill || packet.qos > 0) return done(new Error("the ACL does not allow this topic"));
      carry(packet, { isTwice: true });
      return done(null);
    }
    // B3
    if (packet.qos === 2 && !isWill) return done(null);
    const sender = isWill ? undefined : connection?.sender;
    const delivery = new Delivery(
      this.#parts.keepers,
      packet as AedesPacket,
      client?.id ?? "",
      sender,
    );
    if (packet.qos > 0) return this.#append(delivery, packet, connection, done);
    this.#append(delivery, packet, connection, (failure) => {
      if (failure !== undefined) this.counters.droppedPublishes++;
      done(null);
    });
  }

  /** B3. */
  appendOnce(client: Client, packet: AedesPacket): Promise<void> {
    const connection = this.#parts.connectionOf(client);
    return new Promise((resolve, reject) => {
      if (connection?.isClosed !== false) return reject(new Error("connection closed"));
      // Packets of one chunk are all looked for before the first of them is stored.
      const known = this.#parts.known(client, packet);
      if (known !== undefined) {
        carry(packet, { isTwice: true });
        return resolve(known);
      }
      if (this.#parts.keepers.incoming.isFull(client.id)) {
        return reject(new Error("too many QoS 2 publishes without PUBREL"));
      }
      const delivery = new Delivery(this.#parts.keepers, packet, client.id, connection.sender);
      this.#append(delivery, packet, connection, (failure) =>
        failure === undefined ? resolve() : reject(failure),
      );
    });
  }

  #append(
    delivery: Delivery,
    packet: { dup?: boolean },
    connection: Connection | undefined,
    settle: (failure?: CodedError) => void,
  ): void {
    const bytes = delivery.payload.length + publishOverheadBytes;
    this.#parts.waiting.hold(connection, bytes);
    const folded = packet.dup === true ? this.#fold(delivery) : undefined;
    // It says something between a device and this broker [MQTT-3.3.1-3].
    if (packet.dup === true) packet.dup = false;
    if (folded !== undefined) {
      carry(packet, { isFolded: true });
      // F4: its folding is synced first, behind what came before it (B2).
      return this.#parts.records.write([], (failure) => {
        folded(failure === undefined);
        this.#parts.waiting.letGo(connection, bytes);
        settle(failure);
      });
    }
    this.#parts.intake().publish(delivery, (failure) => {
      delivery.settle(failure);
      const { carried } = delivery;
      if (carried !== undefined) carry(packet, carried);
      if (failure === undefined) this.counters.published++;
      else this.counters.refused++;
      if (delivery.retain) this.#tellRetainedFull();
      this.#parts.waiting.letGo(connection, bytes);
      settle(failure);
    });
  }

  #tellRetainedFull(): void {
    const { refused, size } = this.#parts.keepers.retained;
    if (refused === this.#refusedTold) return;
    this.#refusedTold = refused;
    const detail = `${size} are kept, ${refused} were not: raise mqtt.retained or clear some`;
    this.#parts.notice("", { name: "retained-full", detail });
  }

  /** B5. */
  #fold({ qos, messageId, sender, hash }: Delivery): Settled | undefined {
    if (qos !== 1 || messageId === undefined || sender === undefined) return undefined;
    const folded = this.#parts.keepers.repeats.fold(sender, messageId, hash);
    if (folded !== undefined) this.counters.folded++;
    return folded;
  }

  /** The connections that these wills were of ended with the process before. */
  publishWills(aedes: Aedes): void {
    for (const [client, will] of this.#parts.keepers.wills.all()) {
      const packet = packetOf(will);
      const delivery = new Delivery(this.#parts.keepers, packet, client, undefined);
      this.#append(delivery, packet, undefined, (failure) => {
        if (failure === undefined) aedes.publish(packet, () => {});
      });
    }
  }

  #malformed({ address }: Connection, what: string): void {
    this.#parts.notice(address, malformedNotice(what, address));
  }
}

export function malformedNotice(what: string, address: string): BrokerNotice {
  return { name: "packet-malformed", detail: `${what} from ${address}` };
}

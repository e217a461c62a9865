/** What aedes keeps, on the gateway's own store: aedes' side of delivery.ts and sessions.ts. */
import { Readable } from "node:stream";
import type { Client } from "aedes";
import type { Connection } from "./aedes-connection.ts";
import type { Carried, Keepers } from "./delivery.ts";
import { hashOf } from "./repeats.ts";
import type { Message, QoS } from "./session-records.ts";
import type { Outgoing, Subscription } from "./sessions.ts";

/** A packet of aedes, as far as it matters here. */
export interface AedesPacket {
  readonly cmd?: string;
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  dup?: boolean;
  messageId?: number;
  /** Belongs to MQTT 5; in 3.1.1 no byte of it is sent, and aedes hands it on untouched. */
  properties?: unknown;
}

export function carriedOf(packet: object): Carried | undefined {
  return (packet as AedesPacket).properties as Carried | undefined;
}

export function carry(packet: object, carried: Carried): void {
  (packet as AedesPacket).properties = carried;
}

export function messageOf({ topic, payload, qos, retain }: AedesPacket): Message {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return { topic, payload: bytes, qos, retain };
}

/** No client can name it, for U+0000 is refused: it stands for a session without subscriptions. */
export const noSubscription = "\0session";

export interface PersistenceParts {
  readonly keepers: Keepers;
  readonly connectionOf: (client: Client) => Connection | undefined;
  /** Appends a QoS 2 publish with its message id. */
  readonly append: (client: Client, packet: AedesPacket) => Promise<void>;
  readonly maySubscribe: (client: Client, filter: string) => boolean;
  readonly acknowledged: (client: Client, messageId: number) => void;
  /** Once what is at hand has been worked off. */
  readonly soon: (act: () => void) => void;
}

type ClientName = Pick<Client, "id">;

export class AedesPersistence {
  readonly #parts: PersistenceParts;
  readonly #keepers: Keepers;

  constructor(parts: PersistenceParts) {
    this.#parts = parts;
    this.#keepers = parts.keepers;
  }

  /** aedes refuses one that is not an async function. */
  async setup(): Promise<void> {}

  // Retained messages -----------------------------------------------------------------------------

  async storeRetained(packet: AedesPacket): Promise<void> {
    // Written with its event already.
    if (carriedOf(packet) !== undefined) return;
    const { retained } = this.#keepers;
    const message = messageOf(packet);
    const isEmpty = message.payload.length === 0;
    await retained.write(
      isEmpty ? retained.deleting(message.topic) : retained.putting(message.topic, message),
    );
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    const { retained } = this.#keepers;
    function* found() {
      for (const filter of filters) {
        for (const message of retained.under(filter)) yield { cmd: "publish", ...message };
      }
    }
    return Readable.from(found());
  }

  // Sessions and subscriptions --------------------------------------------------------------------

  async subscriptionsByClient({ id }: ClientName): Promise<Subscription[]> {
    const { sessions, incoming } = this.#keepers;
    const { isPresent, subscriptions } = await sessions.open(id);
    // What a session before it left is not of this one [MQTT-3.1.2-6].
    if (!isPresent) await incoming.clear(id);
    // aedes tells "session present" by whether there are any.
    const isBare = isPresent && subscriptions.length === 0;
    return isBare ? [{ topic: noSubscription, qos: 0 }] : subscriptions;
  }

  async cleanSubscriptions({ id }: ClientName): Promise<void> {
    await this.#keepers.sessions.discard(id);
  }

  /** aedes names all of a SUBSCRIBE for each of them, those it refuses too. */
  async addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<void> {
    const granted = subscriptions.filter(({ topic }) => this.#parts.maySubscribe(client, topic));
    await this.#keepers.sessions.subscribe(client.id, granted);
  }

  async removeSubscriptions({ id }: ClientName, filters: readonly string[]): Promise<void> {
    await this.#keepers.sessions.unsubscribe(id, filters);
  }

  async subscriptionsByTopic(topic: string): Promise<{ clientId: string; topic: string }[]> {
    const { sessions } = this.#keepers;
    if (!sessions.hasSubscriptions) return [];
    return [...sessions.subscribers(topic).keys()].map((clientId) => ({ clientId, topic }));
  }

  // Queues of subscribers -------------------------------------------------------------------------

  async outgoingEnqueue(_to: unknown, packet: AedesPacket): Promise<void> {
    await this.outgoingEnqueueCombi([_to], packet);
  }

  /** A client's publish was queued with its event; this is for what the gateway itself publishes. */
  async outgoingEnqueueCombi(to: readonly unknown[], packet: AedesPacket): Promise<void> {
    if (to.length === 0 || carriedOf(packet) !== undefined) return;
    const { sessions } = this.#keepers;
    const { queued, write } = sessions.enqueueAlone(messageOf(packet));
    await write;
    carry(packet, { queued });
  }

  async outgoingUpdate({ id }: ClientName, packet: AedesPacket): Promise<void> {
    const { sessions } = this.#keepers;
    const carried = carriedOf(packet);
    if (packet.cmd === "pubrel") await sessions.release(id, packet.messageId ?? 0);
    else {
      const sequence = carried?.queued?.sequences.get(id);
      packet.messageId = await sessions.sending(id, sequence, packet.messageId ?? 0);
    }
    carried?.passed?.();
  }

  async outgoingClearMessageId(
    client: Client,
    { messageId }: Pick<AedesPacket, "messageId">,
  ): Promise<undefined> {
    // aedes asks so too for a packet that it did not send.
    if (messageId === undefined) return undefined;
    this.#parts.acknowledged(client, messageId);
    this.#keepers.sessions.delivered(client.id, messageId);
    return undefined;
  }

  /** What is queued for a client that has connected, until it has all of it. */
  outgoingStream(client: Client): Readable {
    const connection = this.#parts.connectionOf(client);
    return Readable.from(connection === undefined ? [] : this.#queued(client.id, connection));
  }

  async *#queued(client: string, connection: Connection): AsyncGenerator<object> {
    const { sessions } = this.#keepers;
    let after = 0;
    while (!connection.isClosed) {
      for (const outgoing of await sessions.batch(client, after)) {
        await connection.writable();
        if (!sessions.holds(client, outgoing.sequence)) continue;
        let passed = () => {};
        const sent = new Promise<void>((resolve) => {
          passed = resolve;
        });
        yield packetOf(client, outgoing, passed);
        await Promise.race([sent, connection.ended]);
        // It is written in the same turn as it was passed.
        await new Promise<void>((resolve) => this.#parts.soon(resolve));
        if (connection.isClosed) return;
        after = outgoing.sequence;
      }
      if (sessions.hasMore(client, after)) continue;
      connection.isCaughtUp = true;
      return;
    }
  }

  // QoS 2 from clients ----------------------------------------------------------------------------

  async incomingStorePacket(client: Client, packet: AedesPacket): Promise<void> {
    await this.#parts.append(client, packet);
  }

  /** Rejects where the packet is new. */
  async incomingGetPacket(client: ClientName, packet: AedesPacket): Promise<AedesPacket> {
    const known = this.known(client, packet);
    if (known === undefined) throw new Error("no such packet");
    await known;
    return packet;
  }

  /** Settles with the packet that came before under this id, a PUBREL's too. */
  known({ id }: ClientName, packet: AedesPacket): Promise<void> | undefined {
    const known = this.#keepers.incoming.find(id, packet.messageId ?? 0);
    const mayBeNew = packet.cmd === "publish" && packet.dup !== true;
    if (known === undefined || !mayBeNew) return known?.stored;
    const isSame = known.hash === hashOf(packet.topic, messageOf(packet).payload);
    return isSame ? known.stored : undefined;
  }

  /** aedes sends PUBCOMP whatever comes of this, so a failure must end the connection itself. */
  async incomingDelPacket(client: Client, { messageId }: AedesPacket): Promise<void> {
    try {
      await this.#keepers.incoming.remove(client.id, messageId ?? 0);
    } catch {
      this.#parts.connectionOf(client)?.socket.destroy();
    }
  }

  async cleanIncoming(client: Client): Promise<void> {
    const connection = this.#parts.connectionOf(client);
    // An older connection may end late, and one that was not let in may have any name.
    if (connection?.pass === undefined || connection.takenOverBy !== undefined) return;
    await this.#keepers.incoming.clear(client.id);
  }

  // Wills -----------------------------------------------------------------------------------------

  async putWill({ id }: ClientName, will: AedesPacket): Promise<void> {
    const { wills } = this.#keepers;
    await wills.write(wills.putting(id, messageOf(will)));
  }

  /**
   * A will is removed with its event, or on a DISCONNECT; aedes comes here also much later, when it
   * may be the will of the next connection. On CONNECT it names the client itself.
   */
  async delWill(client: ClientName | Client): Promise<void> {
    if (!("conn" in client)) return;
    const { wills } = this.#keepers;
    wills.write(wills.deleting(client.id)).catch(() => {});
  }

  /** Those of an earlier process are published at the start. */
  streamWill(): Readable {
    return Readable.from([]);
  }
}

function packetOf(client: string, outgoing: Outgoing, passed: () => void): object {
  const queued = { sequences: new Map([[client, outgoing.sequence]]) };
  const properties: Carried = { queued, passed };
  if (outgoing.kind === "release") {
    return { cmd: "pubrel", messageId: outgoing.messageId, properties };
  }
  const { message, messageId } = outgoing;
  // [MQTT-3.3.1-1]
  const dup = messageId !== undefined;
  return { cmd: "publish", ...message, dup, ...(dup ? { messageId } : {}), properties };
}

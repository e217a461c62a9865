/**
 * Hands commands to the clients that take them for a device.
 *
 *   H1  A client takes them whose id is the device's name, or whose filter names the device, or
 *       `commands` behind any device. One that reads along, as by `#`, gets a copy and counts not.
 *   H2  A subscription of QoS 1 or 2 takes it at QoS 1: by its PUBACK it is delivered. One of QoS 0
 *       has no answer: it is delivered once it has left.
 *   H3  A session (clean=0) has it in its queue, connected or not, by a write of the caller's.
 */
import type { Client } from "aedes";
import type {
  CommandBroker,
  CommandBrokerListener,
  DeviceMessage,
  Offer,
} from "../downlink/command-broker.ts";
import type { Places } from "../downlink/downlink.ts";
import type { Change } from "../outbox/store.ts";
import type { Connection } from "./aedes-connection.ts";
import { inside } from "./aedes-connection.ts";
import type { Carried } from "./delivery.ts";
import type { QoS } from "./session-records.ts";
import type { Sessions } from "./sessions.ts";
import { matches } from "./topic-filter.ts";

interface CommandParts {
  readonly sessions: Sessions;
  /** Connections that subscribed to anything. */
  readonly subscribers: ReadonlySet<Connection>;
}

interface Reader {
  readonly connection: Connection;
  readonly qos: QoS;
  /** H1. */
  readonly isTaker: boolean;
  /** H3: it has a session and a filter that fills its queue. */
  readonly hasQueue: boolean;
}

const messageIdMax = 65_535;

export class AedesCommands implements CommandBroker {
  readonly #parts: CommandParts;
  #listener: CommandBrokerListener | undefined;
  /** Commands by the message ids that they were sent under, of connections without a session. */
  readonly #awaited = new WeakMap<Client, Map<number, string>>();

  constructor(parts: CommandParts) {
    this.#parts = parts;
  }

  listen(listener: CommandBrokerListener): void {
    this.#listener = listener;
  }

  offer(message: DeviceMessage): Offer | undefined {
    const { device, topic, payload } = message;
    const { sessions } = this.#parts;
    const queued = new Set(
      [...sessions.subscribers(topic).keys()].filter((client) => {
        const filters = sessions.filtersOf(client).filter((filter) => matches(filter, topic));
        return takes(client, filters, device);
      }),
    );
    const isTaken = this.#readers(message).some((each) => each.isTaker && !each.hasQueue);
    if (queued.size === 0 && !isTaken) return undefined;
    const {
      changes,
      queued: stands,
      settle,
    } = sessions.enqueue({ topic, payload, qos: 1, retain: false }, queued);
    const places = Object.fromEntries(stands.sequences);
    return {
      places,
      changes,
      settle: (isDurable) => {
        settle(isDurable);
        return isDurable ? this.rejoin(message.id, places) : [];
      },
      send: () => {
        let direct = 0;
        // Others may have come while the places were written.
        for (const reader of this.#readers(message)) {
          const sequence = places[reader.connection.client.id];
          if (sequence !== undefined) this.#sendQueued(reader, message, sequence);
          else if (reader.isTaker && !reader.hasQueue) {
            this.#sendDirect(reader, message);
            direct++;
          } else this.#publish(reader, message, 0, passed);
        }
        return direct;
      },
    };
  }

  /** A message of the gateway's own, at QoS 0, for those who are there. */
  tell(topic: string, payload: Uint8Array): void {
    const message = { id: "", device: "", topic, payload: Buffer.from(payload) };
    for (const reader of this.#readers(message)) this.#publish(reader, message, 0, passed);
  }

  rejoin(id: string, places: Places): readonly string[] {
    const { sessions } = this.#parts;
    return Object.entries(places).flatMap(([client, sequence]) => {
      const isThere = sessions.follow(client, sequence, (isDelivered) => {
        if (isDelivered) this.#listener?.acknowledged(id, client);
        else this.#listener?.lost(id, client);
      });
      return isThere ? [] : [client];
    });
  }

  withdraw(places: Places): readonly Change[] {
    const { sessions } = this.#parts;
    return Object.entries(places).flatMap(([client, sequence]) =>
      sessions.withdraw(client, sequence),
    );
  }

  subscribed(filters: readonly string[]): void {
    if (filters.length > 0) this.#listener?.wanted(filters);
  }

  /** A client has its CONNACK; with a session it has subscriptions too. */
  returned(client: Client): void {
    if (!client.clean) this.subscribed(Object.keys(inside(client).subscriptions));
  }

  /** A PUBACK came. */
  acknowledged(client: Client, messageId: number): void {
    const awaited = this.#awaited.get(client);
    const id = awaited?.get(messageId);
    if (id === undefined) return;
    awaited?.delete(messageId);
    this.#listener?.acknowledged(id, client.id);
  }

  /** Clients that are connected and whose filters match. */
  #readers({ topic, device }: DeviceMessage): readonly Reader[] {
    const readers: Reader[] = [];
    for (const connection of this.#parts.subscribers) {
      const { client, sender, isClosed } = connection;
      if (isClosed || sender === undefined || !inside(client).connackSent) continue;
      if (connection.pass?.grants?.mayReceive(topic) === false) continue;
      const own = Object.entries(inside(client).subscriptions);
      const matching = own.filter(([filter]) => matches(filter, topic));
      if (matching.length === 0) continue;
      const qos = matching.some(([, each]) => each.qos > 0) ? 1 : 0;
      const filters = matching.map(([filter]) => filter);
      const isTaker = takes(client.id, filters, device);
      readers.push({ connection, qos, isTaker, hasQueue: !client.clean && qos > 0 });
    }
    return readers;
  }

  #sendQueued(reader: Reader, message: DeviceMessage, sequence: number): void {
    const { id } = reader.connection.client;
    const queued = { sequences: new Map([[id, sequence]]) };
    this.#publish(reader, message, 1, { queued });
  }

  /** H2. */
  #sendDirect(reader: Reader, message: DeviceMessage): void {
    const { connection, qos } = reader;
    const { client } = connection;
    const { id } = message;
    if (qos === 0) {
      return this.#publish(reader, message, 0, passed, () => {
        if (connection.isClosed) this.#listener?.lost(id);
        else this.#listener?.acknowledged(id, client.id);
      });
    }
    const messageId = nextId(client);
    this.#awaitedOf(connection).set(messageId, id);
    this.#publish(reader, message, 1, { ...passed, messageId });
  }

  #awaitedOf({ client, ended }: Connection): Map<number, string> {
    const known = this.#awaited.get(client);
    if (known !== undefined) return known;
    const awaited = new Map<number, string>();
    this.#awaited.set(client, awaited);
    void ended.then(() => {
      const lost = [...awaited.values()];
      awaited.clear();
      for (const id of lost) this.#listener?.lost(id);
    });
    return awaited;
  }

  #publish(
    { connection }: Reader,
    { topic, payload }: DeviceMessage,
    qos: 0 | 1,
    properties: Carried,
    done = () => {},
  ): void {
    const packet = { cmd: "publish" as const, topic, payload, qos, retain: false, dup: false };
    connection.client.publish({ ...packet, properties } as typeof packet, done);
  }
}

/** To be sent whatever else waits. */
const passed: Carried = { passed: () => {} };

/** H1. */
function takes(client: string, filters: readonly string[], device: string): boolean {
  if (filters.length === 0) return false;
  return (
    client === device ||
    filters.some((filter) => {
      const [, named, leaf] = filter.split("/");
      return named === device || leaf === "commands";
    })
  );
}

/** As aedes counts them. */
function nextId(client: Client): number {
  const counting = client as unknown as { _nextId: number };
  const id = counting._nextId;
  counting._nextId = id >= messageIdMax ? 1 : id + 1;
  return id;
}

/**
 * The MQTT listener: aedes 1.2 behind the Broker port.
 *
 *   B1  A QoS 1 publish waits in `authorizePublish` until the outbox has synced it; aedes writes the
 *       PUBACK right after that hook, and in no other (measured; `published` runs after the PUBACK).
 *   B2  The hooks' callbacks are called in the order of the publishes, so that PUBACKs are
 *       [MQTT-4.6.0-2]; the outbox settles first-in-first-out, and a repeat queues there too.
 *   B3  QoS 2 is appended where aedes stores its message id, in one write with it; a repeat finds it.
 *   B4  A refused publish of QoS 1 or 2 closes the connection: MQTT 3.1.1 has no other answer that
 *       makes the device send it again. One of QoS 0 is dropped and counted.
 *   B5  Repeats of QoS 1 are told from new publishes as repeats.ts says.
 *   B6  Nobody who publishes waits for a subscriber (aedes-connection.ts).
 *   B7  A client is registered once the connection it takes over has ended.
 */
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { AedesOptions, AuthenticateError, Client, PublishPacket } from "aedes";
import { Aedes } from "aedes";
import type { Records } from "../outbox/companions.ts";
import type { Passwords } from "./access.ts";
import { checkPassword } from "./access.ts";
import { Connection, inside } from "./aedes-connection.ts";
import type { AedesPacket } from "./aedes-persistence.ts";
import { AedesPersistence, carriedOf, carry, noSubscription } from "./aedes-persistence.ts";
import type { BrokerBounds } from "./bounds.ts";
import type { BrokerAddress, BrokerListener, BrokerNotice, BrokerStatus } from "./broker.ts";
import type { Keepers } from "./delivery.ts";
import { Delivery } from "./delivery.ts";
import { IncomingIds } from "./incoming-ids.ts";
import type { PresenceReason } from "./presence.ts";
import { Presence } from "./presence.ts";
import type { Settled } from "./repeats.ts";
import { hashOf, Repeats, repeatKeys } from "./repeats.ts";
import { NamedMessages } from "./retained.ts";
import { Sessions } from "./sessions.ts";
import { Takeovers } from "./takeovers.ts";
import { isFilter, isSharedFilter, isText, isTopic, topicLevelsMax } from "./topic-filter.ts";

export interface AedesBrokerOptions extends BrokerBounds {
  readonly listeners: readonly BrokerAddress[];
  /** Undefined admits anyone; the configuration allows that on loopback only. */
  readonly passwords: Passwords | undefined;
  readonly packetBytesMax: number;
  readonly connectionsMax: number;
  /** Publishes of one client that wait for the disk; at the bound its socket is not read. */
  readonly inflightPerClientMax: number;
  /** Where sessions and message ids are kept: the outbox's own store. */
  readonly records: Records;
  readonly clock: Clock;
  readonly log: Logger;
}

const connectTimeoutMs = 10_000;
const drainTimeoutMs = 2_000;
const socketKeepaliveMs = 60_000;
const outgoingBytesSoftMax = 512 * 1_024;
const outgoingBytesMax = 4 * 1_024 * 1_024;
const clientIdBytesMax = 256;
const subscriptionsPerClientMax = 1_000;
/** Packets of a client that did not wait for its CONNACK. */
const earlyPacketsMax = 1_000;
const tickMs = 10_000;
const noticeEveryMs = 60_000;
const noticeAddressesMax = 1_000;
/** What a waiting publish costs beyond its payload. */
const publishOverheadBytes = 256;

export class AedesBroker {
  readonly #options: AedesBrokerOptions;
  readonly #keepers: Keepers;
  readonly #persistence: AedesPersistence;
  readonly #servers: Server[] = [];
  readonly #connections = new WeakMap<Client, Connection>();
  readonly #open = new Set<Connection>();
  /** The registered connection of each client. */
  readonly #owners = new Map<string, Connection>();
  readonly #takeovers = new Takeovers();
  readonly #presence = new Presence();
  readonly #noticedAt = new Map<string, number>();
  #aedes: Aedes | undefined;
  #listener: BrokerListener | undefined;
  #checking: Promise<boolean> = Promise.resolve(true);
  #waitingBytes = 0;
  #isFull = false;
  #tick: Cancel | undefined;
  #isStopped = false;
  #counters = { published: 0, refused: 0, folded: 0, droppedPublishes: 0, droppedDeliveries: 0 };

  constructor(options: AedesBrokerOptions) {
    this.#options = options;
    const { records, clock, log, sessions, retained } = options;
    this.#keepers = {
      repeats: new Repeats(),
      sessions: new Sessions({ records, clock, bounds: sessions, log }),
      incoming: new IncomingIds(records),
      retained: new NamedMessages("r", records, retained),
      wills: new NamedMessages("w", records, { countMax: 1_000_000, bytesMax: 2 ** 40 }),
    };
    records.keep(this.#keepers.repeats);
    this.#persistence = new AedesPersistence({
      keepers: this.#keepers,
      connectionOf: (client) => this.#connections.get(client),
      append: (client, packet) => this.#appendOnce(client, packet),
      maySubscribe: (client, filter) => this.#maySubscribe(client, filter),
      soon: (act) => clock.soon(act),
    });
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener;
  }

  status(): BrokerStatus {
    const { sessions, retained } = this.#keepers;
    return {
      connections: this.#open.size,
      ...this.#counters,
      ...sessions.counters(),
      retained: retained.size,
      retainedRefused: retained.refused,
      presenceLeftOut: this.#presence.leftOut,
    };
  }

  addresses(): readonly string[] {
    return this.#servers.flatMap((server) => {
      const address = server.address();
      if (typeof address !== "object" || address === null) return [];
      const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
      return [`mqtt://${host}:${address.port}`];
    });
  }

  /** Throws BROKER_ADDRESS_IN_USE or BROKER_LISTEN_FAILED. */
  async start(): Promise<void> {
    await this.#load();
    const aedes = await Aedes.createBroker({ ...this.#aedesOptions(), ...this.#hooks() });
    this.#aedes = aedes;
    aedes.on("client", (client) => this.#registered(client));
    aedes.on("clientDisconnect", (client) => this.#ended(client));
    this.#publishWills(aedes);
    for (const address of this.#options.listeners) await this.#openListener(aedes, address);
    this.#scheduleTick();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#tick?.();
    for (const server of this.#servers) server.close();
    for (const { socket } of this.#open) socket.destroy();
    const aedes = this.#aedes;
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(() => resolve()));
  }

  async #load(): Promise<void> {
    const { records, log } = this.#options;
    const { repeats, sessions, incoming, retained, wills } = this.#keepers;
    const found = await records.scan({ ...repeatKeys, countMax: Number.MAX_SAFE_INTEGER });
    repeats.load(found, (failure) =>
      log.warn({ reason: reasonOf(failure) }, "a record of repeats is unreadable"),
    );
    await sessions.load();
    for (const each of [incoming, retained, wills]) await each.load(log);
  }

  #aedesOptions(): AedesOptions {
    return {
      persistence: this.#persistence,
      connectTimeout: connectTimeoutMs,
      drainTimeout: drainTimeoutMs,
      keepaliveLimit: this.#options.keepaliveSecondsMax,
      queueLimit: earlyPacketsMax,
      maxTopicLevels: topicLevelsMax,
      concurrency: 1_000,
    };
  }

  #hooks(): AedesOptions {
    return {
      preConnect: (client, packet, done) => {
        const connection = this.#connections.get(client);
        const fault = connection === undefined ? "closed" : connectFault(packet);
        if (connection === undefined || fault === "malformed") {
          if (connection !== undefined) this.#malformed(connection, "CONNECT");
          return done(new Error("a malformed CONNECT"), false);
        }
        if (fault === "bad-id") connection.returnCode = 2;
        connection.hasWill = packet.will !== undefined;
        done(null, true);
      },
      authenticate: (client, name, password, done) => {
        this.#admit(client, name, password).then(
          (returnCode) => done(returnCode === 0 ? null : refused(returnCode), returnCode === 0),
          () => done(refused(5), false),
        );
      },
      authorizePublish: (client, packet, done) => this.#authorise(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        const { topic } = subscription;
        if (topic === noSubscription) return done(null, null);
        // [MQTT-1.5.3-1], [MQTT-4.7.1-2]
        if (!isFilter(topic)) return done(new Error("the filter is malformed"), null);
        done(null, this.#maySubscribe(client, topic) ? subscription : null);
      },
      authorizeForward: (client, packet) => this.#forward(client, packet),
    };
  }

  // Connections -----------------------------------------------------------------------------------

  async #openListener(aedes: Aedes, address: BrokerAddress): Promise<void> {
    const server = createServer((socket) => this.#accept(aedes, socket));
    server.maxConnections = this.#options.connectionsMax;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (failure) => reject(listenFailure(address, failure)));
      server.listen(address.port, address.host, resolve);
    });
    server.on("error", (failure) =>
      this.#options.log.error({ reason: failure.message }, "MQTT listener"),
    );
    server.on("drop", (from) => {
      const detail = `${this.#options.connectionsMax} are open, one from ${from?.remoteAddress} is not`;
      this.#notice("", { name: "connections-full", detail });
    });
    this.#servers.push(server);
  }

  #accept(aedes: Aedes, socket: Socket): void {
    const { clock, packetBytesMax, inflightPerClientMax } = this.#options;
    socket.setNoDelay(true);
    // A peer that is gone without a word, and asked for no keep alive of MQTT.
    socket.setKeepAlive(true, socketKeepaliveMs);
    const connection = new Connection(socket, (each) => aedes.handle(each), {
      clock,
      repeats: this.#keepers.repeats,
      bounds: {
        packetBytesMax,
        inflightPerClientMax,
        drainTimeoutMs,
        outgoingBytesSoftMax,
        // What is retained may be sent at once.
        outgoingBytesMax: outgoingBytesMax + this.#options.retained.bytesMax,
      },
      events: {
        malformed: (each, verdict) =>
          this.#notice(each.address, {
            name: `packet-${verdict}`,
            detail: `from ${each.address}, bound ${packetBytesMax} bytes`,
          }),
        frozen: (each) =>
          this.#notice(each.address, {
            name: "subscriber-frozen",
            detail: `${shown(each.client.id)} at ${each.address} takes nothing and is disconnected`,
          }),
      },
    });
    this.#connections.set(connection.client, connection);
    this.#open.add(connection);
    socket.once("close", () => this.#open.delete(connection));
  }

  #malformed({ address }: Connection, what: string): void {
    this.#notice(address, { name: "packet-malformed", detail: `${what} from ${address}` });
  }

  /** The return code of the CONNACK. */
  async #admit(client: Client, name: string | undefined, password?: Buffer): Promise<number> {
    const connection = this.#connections.get(client);
    if (connection === undefined) return 3;
    if (connection.returnCode !== undefined) return connection.returnCode;
    if (!(await this.#isAuthentic(name, password))) {
      const { address } = connection;
      const detail = `user ${shown(name ?? "")} from ${address}`;
      this.#notice(address, { name: "authentication-failed", detail });
      return 5;
    }
    await this.#takeOver(connection);
    return 0;
  }

  async #isAuthentic(name: string | undefined, password?: Buffer): Promise<boolean> {
    const { passwords } = this.#options;
    if (passwords === undefined) return true;
    // One at a time: hashing and the disk share libuv's few threads.
    const checked = this.#checking.then(() =>
      checkPassword(passwords, name ?? "", password ?? Buffer.alloc(0)),
    );
    this.#checking = checked.catch(() => false);
    return checked;
  }

  /** B7: else aedes would later take the new connection for the one that ended. */
  async #takeOver(connection: Connection): Promise<void> {
    const { id } = connection.client;
    const owner = this.#owners.get(id);
    if (owner === undefined || owner === connection) return;
    owner.takenOverBy = connection.address;
    if (this.#takeovers.happened(id, this.#options.clock.bootMs())) {
      const who = `client id ${shown(id)} is used from ${owner.address} and ${connection.address}`;
      const detail = `${who}, which throw each other out: give each its own`;
      this.#notice(id, { name: "client-takeover-loop", detail });
    }
    owner.client.close();
    await owner.ended;
  }

  #registered(client: Client): void {
    const connection = this.#connections.get(client);
    if (connection === undefined) return;
    this.#owners.set(client.id, connection);
    connection.sender = this.#keepers.repeats.connected(client.id);
    this.#tellPresence(client.id, true, "connected");
  }

  #ended(client: Client): void {
    const connection = this.#connections.get(client);
    if (connection === undefined) return;
    connection.end();
    if (this.#owners.get(client.id) !== connection) return;
    this.#owners.delete(client.id);
    const { repeats, sessions, wills } = this.#keepers;
    if (connection.sender !== undefined) repeats.disconnected(connection.sender);
    connection.sender = undefined;
    if (!client.clean) sessions.left(client.id);
    const isClean = inside(client)._disconnected;
    // [MQTT-3.1.2-10]
    if (isClean) wills.write(wills.deleting(client.id)).catch(() => {});
    const lost = connection.hasWill ? "will" : "lost";
    const reason = connection.takenOverBy === undefined ? lost : "takeover";
    this.#tellPresence(client.id, false, isClean ? "clean" : reason);
  }

  #tellPresence(client: string, online: boolean, reason: PresenceReason): void {
    // The next process tells that it started: whoever was connected is not.
    if (this.#isStopped) return;
    const change = this.#presence.changed(client, online, reason, this.#options.clock.bootMs());
    if (change !== undefined) this.#listener?.presence(change);
  }

  #scheduleTick(): void {
    const { clock } = this.#options;
    this.#tick = clock.after(tickMs, () => {
      this.#keepers.sessions.sweep();
      for (const change of this.#presence.due(clock.bootMs())) this.#listener?.presence(change);
      this.#scheduleTick();
    });
  }

  // Publishes -------------------------------------------------------------------------------------

  #authorise(
    client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void {
    const connection = client === null ? undefined : this.#connections.get(client);
    // A will is told by its missing command, and comes when its connection is closed.
    const isWill = (packet as { readonly cmd?: string }).cmd === undefined;
    if (!isWill && connection?.isClosed !== false) return done(new Error("connection closed"));
    if (packet.topic.startsWith("$SYS/")) return done(new Error("$SYS/ is the broker's own"));
    // aedes looks for wildcards and counts levels before; those of wills were checked on CONNECT.
    if (!isText(packet.topic)) {
      if (connection !== undefined) this.#malformed(connection, "topic");
      return done(new Error("the topic is malformed"));
    }
    // B3
    if (packet.qos === 2 && !isWill) return done(null);
    const sender = isWill ? undefined : connection?.sender;
    const delivery = new Delivery(this.#keepers, packet as AedesPacket, client?.id ?? "", sender);
    if (packet.qos > 0) return this.#append(delivery, packet, connection, done);
    this.#append(delivery, packet, connection, (failure) => {
      if (failure !== undefined) this.#counters.droppedPublishes++;
      done(null);
    });
  }

  /** B3. */
  #appendOnce(client: Client, packet: AedesPacket): Promise<void> {
    const connection = this.#connections.get(client);
    return new Promise((resolve, reject) => {
      if (connection?.isClosed !== false) return reject(new Error("connection closed"));
      // Packets of one chunk are all looked for before the first of them is stored.
      const known = this.#persistence.known(client, packet);
      if (known !== undefined) {
        carry(packet, { isTwice: true });
        return resolve(known);
      }
      if (this.#keepers.incoming.isFull(client.id)) {
        return reject(new Error("too many QoS 2 publishes without PUBREL"));
      }
      const delivery = new Delivery(this.#keepers, packet, client.id, connection.sender);
      this.#append(delivery, packet, connection, (failure) =>
        failure === undefined ? resolve() : reject(failure),
      );
    });
  }

  #append(
    delivery: Delivery,
    packet: object,
    connection: Connection | undefined,
    settle: (failure?: CodedError) => void,
  ): void {
    const bytes = delivery.payload.length + publishOverheadBytes;
    this.#hold(connection, bytes);
    const folded = (packet as AedesPacket).dup === true ? this.#fold(delivery) : undefined;
    if (folded !== undefined) {
      carry(packet, { isFolded: true });
      // F4: its folding is synced first, behind what came before it (B2).
      return this.#options.records.write([], (failure) => {
        folded(failure === undefined);
        this.#letGo(connection, bytes);
        settle(failure);
      });
    }
    const listener = this.#listener ?? notReady;
    listener.publish(delivery, (failure) => {
      delivery.settle(failure);
      const { carried } = delivery;
      if (carried !== undefined) carry(packet, carried);
      if (failure === undefined) this.#counters.published++;
      else this.#counters.refused++;
      this.#letGo(connection, bytes);
      settle(failure);
    });
  }

  /** B5. */
  #fold({ qos, messageId, sender, topic, payload }: Delivery): Settled | undefined {
    if (qos !== 1 || messageId === undefined || sender === undefined) return undefined;
    const folded = this.#keepers.repeats.fold(sender, messageId, hashOf(topic, payload));
    if (folded !== undefined) this.#counters.folded++;
    return folded;
  }

  /** What waits is bounded by not reading on, that of one client and that of all together. */
  #hold(connection: Connection | undefined, bytes: number): void {
    this.#waitingBytes += bytes;
    connection?.hold();
    const isOver = this.#waitingBytes >= this.#options.waitingBytesMax;
    if (!this.#isFull && isOver) this.#flowAll(true);
    else connection?.flow(this.#isFull);
  }

  #letGo(connection: Connection | undefined, bytes: number): void {
    this.#waitingBytes -= bytes;
    connection?.letGo();
    const isUnder = this.#waitingBytes <= this.#options.waitingBytesMax / 2;
    if (this.#isFull && isUnder) this.#flowAll(false);
    else connection?.flow(this.#isFull);
  }

  #flowAll(isFull: boolean): void {
    this.#isFull = isFull;
    for (const connection of this.#open) connection.flow(isFull);
  }

  /** The connections that these wills were of ended with the process before. */
  #publishWills(aedes: Aedes): void {
    for (const [client, will] of this.#keepers.wills.all()) {
      const packet = {
        cmd: "publish" as const,
        dup: false,
        ...will,
        payload: Buffer.from(will.payload),
      };
      const delivery = new Delivery(this.#keepers, packet, client, undefined);
      this.#append(delivery, packet, undefined, (failure) => {
        if (failure === undefined) aedes.publish(packet, () => {});
      });
    }
  }

  // Subscribers -----------------------------------------------------------------------------------

  #maySubscribe(client: Client, filter: string): boolean {
    // aedes would grant a shared subscription and deliver nothing to it.
    if (!isFilter(filter) || isSharedFilter(filter)) return false;
    const own = inside(client).subscriptions;
    return filter in own || Object.keys(own).length < subscriptionsPerClientMax;
  }

  /** The packet as this subscriber gets it; null where it gets nothing, or gets it from its queue. */
  #forward<Packet extends object>(client: Client, packet: Packet): Packet | null {
    const connection = this.#connections.get(client);
    if (connection === undefined) return packet;
    const carried = carriedOf(packet);
    if (carried?.passed !== undefined) return packet;
    if (carried?.isTwice === true) return null;
    const sequence = carried?.queued?.sequences.get(client.id);
    if (sequence !== undefined) {
      if (!connection.isCaughtUp) return null;
      const qos = this.#keepers.sessions.waiting(client.id, sequence);
      return qos === undefined ? null : { ...packet, qos };
    }
    // It is in the queue since the process before, where it was stored.
    if (carried?.isFolded === true && !client.clean) return null;
    if (!connection.isBehind || this.#wantsAll(client, packet)) return packet;
    this.#counters.droppedDeliveries++;
    return null;
  }

  #wantsAll(client: Client, packet: object): boolean {
    if ((packet as AedesPacket).qos === 0) return false;
    return Object.values(inside(client).subscriptions).some(({ qos }) => qos > 0);
  }

  // Notices ---------------------------------------------------------------------------------------

  /** One notice per origin and kind a minute, or a hostile client could fill the outbox. */
  #notice(from: string, notice: BrokerNotice): void {
    const key = `${notice.name} ${from.replace(/:[0-9]+$/, "")}`;
    const now = this.#options.clock.bootMs();
    const last = this.#noticedAt.get(key);
    if (last !== undefined && now - last < noticeEveryMs) return;
    if (this.#noticedAt.size >= noticeAddressesMax) this.#noticedAt.clear();
    this.#noticedAt.set(key, now);
    this.#options.log.warn({ detail: notice.detail }, notice.name);
    this.#listener?.notice(notice);
  }
}

interface ConnectFacts {
  readonly clientId?: string;
  readonly clean?: boolean;
  readonly will?: { readonly topic: string };
}

function connectFault({ clientId = "", clean, will }: ConnectFacts): ConnectFault | undefined {
  // [MQTT-1.5.3-1], [MQTT-1.5.3-2]; a will is published like anything else.
  if (!isText(clientId) || (will !== undefined && !isTopic(will.topic))) return "malformed";
  // [MQTT-3.1.3-8]
  const isBad =
    (clientId === "" && clean === false) || Buffer.byteLength(clientId) > clientIdBytesMax;
  return isBad ? "bad-id" : undefined;
}

type ConnectFault = "malformed" | "bad-id";

const notReady: Pick<BrokerListener, "publish"> = {
  publish: (_publish, settle) =>
    settle(new CodedError("BROKER_LISTEN_FAILED", "the gateway is not ready")),
};

/** MQTT 3.1.1 table 3.1: 2 identifier rejected, 3 unavailable, 5 not authorised. */
function refused(returnCode: number): AuthenticateError {
  return Object.assign(new Error(`refused by return code ${returnCode}`), { returnCode });
}

function listenFailure(address: BrokerAddress, failure: Error): CodedError {
  const where = `${address.host}:${address.port}`;
  if (codeOf(failure) === "EADDRINUSE") {
    const cure = `${where} is taken: stop the other program or set mqtt.listeners to another port`;
    return new CodedError("BROKER_ADDRESS_IN_USE", cure, { cause: failure });
  }
  return new CodedError("BROKER_LISTEN_FAILED", `${where}: ${reasonOf(failure)}`, {
    cause: failure,
  });
}

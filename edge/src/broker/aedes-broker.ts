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
 *   B8  A publish that the ACL denies is refused as B4 says: its PUBACK would be a lie.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { AedesOptions, Client } from "aedes";
import { Aedes } from "aedes";
import type { Records } from "../outbox/companions.ts";
import type { Access } from "./admission.ts";
import { Admission, deniedNotice } from "./admission.ts";
import { AedesCommands } from "./aedes-commands.ts";
import { Connection, inside } from "./aedes-connection.ts";
import { publishOwn } from "./aedes-own.ts";
import type { AedesPacket } from "./aedes-persistence.ts";
import { AedesPersistence, carriedOf, noSubscription } from "./aedes-persistence.ts";
import { AedesPublishing, malformedNotice } from "./aedes-publishing.ts";
import { guardRegistry } from "./aedes-registry.ts";
import type { BrokerBounds } from "./bounds.ts";
import type { BrokerListener, BrokerNotice, BrokerStatus } from "./broker.ts";
import { clientView } from "./client-view.ts";
import { connectFault } from "./connect-fault.ts";
import type { Keepers } from "./delivery.ts";
import { IncomingIds } from "./incoming-ids.ts";
import type { AccessSettings } from "./listener-settings.ts";
import { Notices } from "./notices.ts";
import type { PresenceReason } from "./presence.ts";
import { Presence } from "./presence.ts";
import { notReady, refused } from "./refusals.ts";
import { Repeats, repeatKeys } from "./repeats.ts";
import { NamedMessages } from "./retained.ts";
import type { Message } from "./session-records.ts";
import { Sessions } from "./sessions.ts";
import { Takeovers } from "./takeovers.ts";
import type { Arrival } from "./tcp-listeners.ts";
import { Listeners } from "./tcp-listeners.ts";
import { isFilter, isSharedFilter, topicLevelsMax } from "./topic-filter.ts";
import { Waiting } from "./waiting.ts";

export interface AedesBrokerOptions extends BrokerBounds, AccessSettings {
  readonly access: Access;
  readonly packetBytesMax: number;
  readonly connectionsMax: number;
  /** Publishes of one client that wait for the disk; at the bound its socket is not read. */
  readonly inflightPerClientMax: number;
  readonly timeouts?: typeof defaultTimeouts;
  /** Where sessions and message ids are kept: the outbox's own store. */
  readonly records: Records;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long a connection may say nothing, and a subscriber take nothing. */
const defaultTimeouts = { connectMs: 10_000, drainMs: 2_000 };
const outgoingBytesSoftMax = 512 * 1_024;
const outgoingBytesMax = 4 * 1_024 * 1_024;
const subscriptionsPerClientMax = 1_000;
/** Packets of a client that did not wait for its CONNACK. */
const earlyPacketsMax = 8_192;
const tickMs = 10_000;

export class AedesBroker {
  readonly #options: AedesBrokerOptions;
  readonly #timeouts: typeof defaultTimeouts;
  readonly #keepers: Keepers;
  readonly commands: AedesCommands;
  readonly #persistence: AedesPersistence;
  readonly #listeners: Listeners;
  readonly #admission: Admission;
  readonly #connections = new WeakMap<Client, Connection>();
  readonly #open = new Set<Connection>();
  readonly #publishing: AedesPublishing;
  /** Those that subscribed to anything. */
  readonly #subscribers = new Set<Connection>();
  /** The newest connection of each client that was let in, and when its id is free again. */
  readonly #claims = new Map<string, { connection: Connection; free: Promise<void> }>();
  readonly #takeovers = new Takeovers();
  readonly #presence = new Presence();
  readonly #notices = new Notices();
  #aedes: Aedes | undefined;
  #listener: BrokerListener | undefined;
  #tick: Cancel | undefined;
  #isStopped = false;
  #counters = { droppedDeliveries: 0, deniedSubscribes: 0 };

  constructor(options: AedesBrokerOptions) {
    this.#options = options;
    this.#timeouts = options.timeouts ?? defaultTimeouts;
    const { records, clock, log, sessions, retained } = options;
    const incoming = new IncomingIds(records);
    const forgotten = (client: string) => void incoming.clear(client).catch(() => {});
    this.#keepers = {
      repeats: new Repeats(),
      sessions: new Sessions({ records, clock, bounds: sessions, log, forgotten }),
      incoming,
      retained: new NamedMessages("r", records, retained),
      wills: new NamedMessages("w", records, { countMax: 1_000_000, bytesMax: 2 ** 40 }),
    };
    records.keep(this.#keepers.repeats);
    const { sessions: queues } = this.#keepers;
    this.commands = new AedesCommands({ sessions: queues, subscribers: this.#subscribers });
    this.#admission = new Admission(options.access, () => clock.bootMs());
    this.#listeners = new Listeners({
      ...options,
      pairs: options.access.pairs,
      arrived: (arrival) => this.#accept(arrival),
      notice: (from, notice) => this.#notice(from, notice),
    });
    this.#publishing = new AedesPublishing({
      ...{ keepers: this.#keepers, records, clock },
      waiting: new Waiting(options.waitingBytesMax, this.#open),
      connectionOf: (client) => this.#connections.get(client),
      known: (client, packet) => this.#persistence.known(client, packet),
      intake: () => this.#listener ?? notReady,
      subscribers: this.#subscribers,
      pass: (packet) => this.#aedes?.publish(packet, () => {}),
      notice: (from, notice) => this.#notice(from, notice),
    });
    this.#persistence = new AedesPersistence({
      keepers: this.#keepers,
      connectionOf: (client) => this.#connections.get(client),
      append: (client, packet) => this.#publishing.appendOnce(client, packet),
      maySubscribe: (client, filter) => this.#maySubscribe(client, filter),
      acknowledged: (client, messageId) => this.commands.acknowledged(client, messageId),
      soon: (act) => clock.soon(act),
    });
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener;
  }

  /** What tells repeats; those of the sources are kept with those of the clients. */
  get repeats(): Repeats {
    return this.#keepers.repeats;
  }

  /** The gateway's own messages. */
  publish = (message: Message) => publishOwn(this.#aedes, message);

  client = (id: string) => clientView(this.#claims.get(id)?.connection, this.#takeovers.of(id));

  status(): BrokerStatus {
    const { sessions, retained } = this.#keepers;
    return {
      connections: this.#open.size,
      ...this.#counters,
      ...this.#publishing.counters,
      ...sessions.counters(),
      retained: retained.size,
      retainedRefused: retained.refused,
      presenceLeftOut: this.#presence.leftOut,
      sharedIds: this.#takeovers.sharedIds(this.#options.clock.bootMs()),
    };
  }

  addresses(): readonly string[] {
    return this.#listeners.addresses();
  }

  /** Other files count from now on; whoever they no longer let in is disconnected, nobody else. */
  renew(access: Access): void {
    this.#admission.access = access;
    this.#listeners.renew(access.pairs);
    for (const connection of this.#open) {
      if (connection.pass === undefined) continue;
      const pass = this.#admission.renewed(connection.pass);
      if (pass === undefined) connection.socket.destroy();
      else connection.pass = pass;
    }
  }

  /** Throws BROKER_ADDRESS_IN_USE or BROKER_LISTEN_FAILED. */
  async start(): Promise<void> {
    await this.#load();
    const aedes = await Aedes.createBroker({ ...this.#aedesOptions(), ...this.#hooks() });
    this.#aedes = aedes;
    guardRegistry(aedes);
    aedes.on("client", (client) => this.#registered(client));
    aedes.on("clientReady", (client) => this.commands.returned(client));
    aedes.on("subscribe", (filters) => this.commands.subscribed(filters.map(({ topic }) => topic)));
    aedes.on("clientDisconnect", (client) => this.#ended(client));
    aedes.on("connackSent", ({ returnCode }, client) => {
      if (returnCode !== 0) this.#connections.get(client)?.refused();
    });
    this.#publishing.publishWills(aedes);
    await this.#listeners.open();
    this.#scheduleTick();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#tick?.();
    this.#listeners.close();
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
    await incoming.load(log, (client) => sessions.has(client));
    for (const each of [retained, wills]) await each.load(log);
  }

  #aedesOptions(): AedesOptions {
    return {
      persistence: this.#persistence,
      connectTimeout: this.#timeouts.connectMs,
      drainTimeout: this.#timeouts.drainMs,
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
        const fault = connectFault(packet);
        if (connection === undefined) return done(new Error("closed"), false);
        if (fault === "malformed") {
          const { address } = connection;
          this.#notice(address, malformedNotice("CONNECT", address));
          return done(new Error("a malformed CONNECT"), false);
        }
        if (fault === "bad-id") connection.returnCode = 2;
        connection.willTopic = packet.will?.topic;
        done(null, true);
      },
      authenticate: (client, name, password, done) => {
        this.#admit(client, name, password).then(
          (returnCode) => done(returnCode === 0 ? null : refused(returnCode), returnCode === 0),
          () => done(refused(5), false),
        );
      },
      authorizePublish: (client, packet, done) => {
        const later = (refusal?: Error | null) => this.#options.clock.soon(() => done(refusal));
        this.#publishing.authorise(client, packet, packet.qos === 0 ? later : done);
      },
      authorizeSubscribe: (client, subscription, done) => {
        const { topic } = subscription;
        if (topic === noSubscription) return done(null, null);
        // [MQTT-1.5.3-1], [MQTT-4.7.1-2]
        if (!isFilter(topic)) return done(new Error("the filter is malformed"), null);
        const isAllowed = this.#maySubscribe(client, topic);
        const connection = this.#connections.get(client);
        if (!isAllowed) this.#subscribeDenied(client, topic);
        else if (connection !== undefined) this.#subscribers.add(connection);
        done(null, isAllowed ? subscription : null);
      },
      authorizeForward: (client, packet) => this.#forward(client, packet),
    };
  }

  // Connections -----------------------------------------------------------------------------------

  #accept(arrival: Arrival): void {
    const { clock, packetBytesMax, inflightPerClientMax } = this.#options;
    const aedes = this.#aedes;
    if (aedes === undefined || this.#isStopped) return void arrival.stream.destroy();
    const connection = new Connection(arrival, (each) => aedes.handle(each), {
      clock,
      repeats: this.#keepers.repeats,
      bounds: {
        packetBytesMax,
        inflightPerClientMax,
        drainTimeoutMs: this.#timeouts.drainMs,
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
        publish: (each, packet) => this.#publishing.publish(each, packet),
        frozen: (each) =>
          this.#notice(each.address, {
            name: "subscriber-frozen",
            detail: `${shown(each.client.id)} at ${each.address} takes nothing and is disconnected`,
          }),
      },
    });
    this.#connections.set(connection.client, connection);
    this.#open.add(connection);
    arrival.stream.once("close", () => {
      this.#open.delete(connection);
      this.#subscribers.delete(connection);
      // A registered one ends by aedes' word.
      if (connection.sender === undefined) this.#leave(connection);
    });
  }

  /** The return code of the CONNACK. */
  async #admit(client: Client, name: string | undefined, password?: Buffer): Promise<number> {
    const connection = this.#connections.get(client);
    if (connection === undefined) return 3;
    if (connection.returnCode !== undefined) return connection.returnCode;
    const { arrival, address, willTopic } = connection;
    const isGone = () => connection.isClosed;
    const knock = { ...arrival, client: client.id, name, password, willTopic, isGone };
    const verdict = await this.#admission.admit(knock);
    if ("returnCode" in verdict) {
      if (verdict.notice !== undefined) this.#notice(address, verdict.notice);
      return verdict.returnCode;
    }
    if (connection.isClosed) return 3;
    connection.pass = verdict;
    await this.#takeOver(connection);
    return 0;
  }

  /** B7: else aedes would take the new connection for the one that ended. */
  async #takeOver(connection: Connection): Promise<void> {
    const { id } = connection.client;
    const before = this.#claims.get(id);
    const free = before === undefined ? connection.ended : before.free.then(() => connection.ended);
    this.#claims.set(id, { connection, free });
    if (before === undefined) return;
    const owner = before.connection;
    owner.takenOverBy = connection.address;
    if (this.#takeovers.happened(id, this.#options.clock.bootMs())) {
      const who = `client id ${shown(id)} is used from ${owner.address} and ${connection.address}`;
      const detail = `${who}, which throw each other out: give each its own`;
      this.#notice(id, { name: "client-takeover-loop", detail });
    }
    owner.client.close();
    await before.free;
  }

  #registered(client: Client): void {
    const connection = this.#connections.get(client);
    if (connection === undefined) return;
    connection.begin(this.#keepers.repeats.connected(client.id));
    this.#tellPresence(client.id, true, "connected");
  }

  #ended(client: Client): void {
    const connection = this.#connections.get(client);
    if (connection === undefined) return;
    const { repeats, wills } = this.#keepers;
    if (connection.sender !== undefined) repeats.disconnected(connection.sender);
    connection.sender = undefined;
    this.#leave(connection);
    const isClean = inside(client)._disconnected;
    // [MQTT-3.1.2-10]
    if (isClean) wills.write(wills.deleting(client.id)).catch(() => {});
    const lost = connection.willTopic === undefined ? "lost" : "will";
    const reason = connection.takenOverBy === undefined ? lost : "takeover";
    this.#tellPresence(client.id, false, isClean ? "clean" : reason);
  }

  /** Its id is free for the next. */
  #leave(connection: Connection): void {
    connection.end();
    const { id } = connection.client;
    if (this.#claims.get(id)?.connection !== connection) return;
    this.#claims.delete(id);
    this.#keepers.sessions.left(id);
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

  // Subscribers -----------------------------------------------------------------------------------

  #maySubscribe(client: Client, filter: string): boolean {
    // aedes would grant a shared subscription and deliver nothing to it.
    if (!isFilter(filter) || isSharedFilter(filter)) return false;
    const pass = this.#connections.get(client)?.pass;
    if (pass?.grants?.maySubscribe(filter) === false) return false;
    const own = inside(client).subscriptions;
    return filter in own || Object.keys(own).length < subscriptionsPerClientMax;
  }

  #subscribeDenied(client: Client, filter: string): void {
    this.#counters.deniedSubscribes++;
    const { pass, address = "" } = this.#connections.get(client) ?? {};
    this.#notice(address, deniedNotice("subscribe-denied", pass, address, filter));
  }

  /** The packet as this subscriber gets it; null where it gets nothing, or gets it from its queue. */
  #forward<Packet extends object>(client: Client, packet: Packet): Packet | null {
    const connection = this.#connections.get(client);
    if (connection === undefined) return packet;
    const { grants } = connection.pass ?? {};
    if (grants?.mayReceive((packet as unknown as AedesPacket).topic) === false) return null;
    const carried = carriedOf(packet);
    if (carried?.messageId !== undefined) return { ...packet, messageId: carried.messageId };
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

  #notice(from: string, notice: BrokerNotice): void {
    if (!this.#notices.isDue(from, notice, this.#options.clock.bootMs())) return;
    this.#options.log.warn({ detail: notice.detail }, notice.name);
    this.#listener?.notice(notice);
  }
}

/**
 * The MQTT listener: aedes 1.2 behind the Broker port.
 *
 *   B1  A QoS 1 publish waits in `authorizePublish` until the outbox has synced it; aedes writes the
 *       PUBACK right after that hook, and in no other (measured; `published` runs after the PUBACK).
 *   B2  The hooks' callbacks are called in the order of the publishes, so that PUBACKs are
 *       [MQTT-4.6.0-2]; the outbox settles first-in-first-out.
 *   B3  QoS 2 is appended where aedes stores its message id, so a repeat is never appended twice.
 *   B4  A refused publish closes the connection: MQTT 3.1.1 has no other answer that makes the
 *       device send it again.
 */
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { AedesOptions, AuthenticateError, Client, PublishPacket } from "aedes";
import { Aedes } from "aedes";
import type { Passwords } from "./access.ts";
import { checkPassword } from "./access.ts";
import type { BrokerAddress, BrokerListener, BrokerNotice, BrokerStatus } from "./broker.ts";
import { PacketGuard } from "./packet-guard.ts";

export interface AedesBrokerOptions {
  readonly listeners: readonly BrokerAddress[];
  /** Undefined admits anyone; the configuration allows that on loopback only. */
  readonly passwords: Passwords | undefined;
  readonly packetBytesMax: number;
  readonly connectionsMax: number;
  /** Publishes of one client that wait for the disk; at the bound its socket is not read. */
  readonly inflightPerClientMax: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const connectTimeoutMs = 10_000;
const drainTimeoutMs = 2_000;
const noticeEveryMs = 60_000;
const noticeAddressesMax = 1_000;
/** Invalid UTF-8 in a topic arrives as U+FFFD; U+0000 is forbidden by [MQTT-1.5.3-2]. */
const isBadTopic = (topic: string) => topic.includes("\0") || topic.includes("\uFFFD");

/** Where aedes keeps the message ids of QoS 2 publishes. */
interface IncomingPersistence {
  incomingStorePacket(client: Client, packet: PublishPacket): Promise<unknown>;
}

export class AedesBroker {
  readonly #options: AedesBrokerOptions;
  readonly #servers: Server[] = [];
  readonly #waiting = new WeakMap<Client, number>();
  readonly #noticedAt = new Map<string, number>();
  #aedes: Aedes | undefined;
  #listener: BrokerListener | undefined;
  #sockets = new Set<Socket>();
  #checking: Promise<boolean> = Promise.resolve(true);
  #counters = { published: 0, refused: 0 };

  constructor(options: AedesBrokerOptions) {
    this.#options = options;
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener;
  }

  status(): BrokerStatus {
    return { connections: this.#sockets.size, ...this.#counters };
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
    const aedes = await Aedes.createBroker(this.#hooks());
    this.#aedes = aedes;
    this.#appendWhereStored(aedes);
    for (const address of this.#options.listeners) await this.#open(aedes, address);
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    const aedes = this.#aedes;
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(() => resolve()));
  }

  #hooks(): AedesOptions {
    return {
      connectTimeout: connectTimeoutMs,
      drainTimeout: drainTimeoutMs,
      concurrency: 1_000,
      maxClientsIdLength: 256,
      preConnect: (_client, packet, done) => {
        const refusal = connectRefusal(packet);
        done(refusal === undefined ? null : new Error(refusal), refusal === undefined);
      },
      authenticate: (client, name, password, done) => {
        this.#authenticate(client, name, password).then(
          (admitted) => done(admitted ? null : notAuthorised(), admitted),
          () => done(notAuthorised(), false),
        );
      },
      authorizePublish: (client, packet, done) => this.#authorise(client, packet, done),
      authorizeSubscribe: (_client, subscription, done) => {
        // aedes would grant a shared subscription and deliver nothing to it.
        const refused = subscription.topic.startsWith("$share/") || isBadTopic(subscription.topic);
        done(null, refused ? null : subscription);
      },
    };
  }

  async #authenticate(
    client: Client,
    name: string | undefined,
    password: Buffer | undefined,
  ): Promise<boolean> {
    const { passwords } = this.#options;
    if (passwords === undefined) return true;
    // One at a time: hashing and the disk share libuv's few threads.
    const checked = this.#checking.then(() =>
      checkPassword(passwords, name ?? "", password ?? Buffer.alloc(0)),
    );
    this.#checking = checked.catch(() => false);
    const admitted = await checked;
    if (!admitted) {
      const from = addressOf(client.conn);
      this.#notice(from, {
        name: "authentication-failed",
        detail: `user ${JSON.stringify(name ?? "")} from ${from}`,
      });
    }
    return admitted;
  }

  #authorise(
    client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void {
    if (packet.topic.startsWith("$SYS/")) return done(new Error("$SYS/ is the broker's own"));
    if (isBadTopic(packet.topic)) {
      const from = client === null ? "a will" : addressOf(client.conn);
      this.#notice(from, { name: "packet-malformed", detail: `topic is no UTF-8, from ${from}` });
      return done(new Error("the topic is no valid UTF-8"));
    }
    // B3; a will has no message id and comes only here.
    if (packet.qos === 2 && "messageId" in packet) return done(null);
    this.#append(client, packet, (failure) => done(failure ?? null));
  }

  #append(
    client: Client | null,
    packet: PublishPacket,
    settle: (failure: CodedError | undefined) => void,
  ): void {
    const listener = this.#listener;
    if (listener === undefined) {
      return settle(new CodedError("BROKER_LISTEN_FAILED", "the gateway is not ready"));
    }
    this.#hold(client);
    const payload =
      typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    const publish = { client: client?.id ?? "", topic: packet.topic, payload, qos: packet.qos };
    listener.publish(publish, (failure) => {
      this.#letGo(client);
      if (failure === undefined) this.#counters.published++;
      else this.#counters.refused++;
      settle(failure);
    });
  }

  /** B3: aedes asks whether it knows the message id before it comes here. */
  #appendWhereStored(aedes: Aedes): void {
    const { persistence } = aedes as unknown as { persistence: IncomingPersistence };
    const store = persistence.incomingStorePacket.bind(persistence);
    const pending = new Map<string, Promise<unknown>>();
    persistence.incomingStorePacket = (client, packet) => {
      const key = `${packet.messageId} ${client.id}`;
      const appending =
        pending.get(key) ??
        new Promise((resolve, reject) => {
          this.#append(client, packet, (failure) => {
            if (failure !== undefined) return reject(failure);
            store(client, packet).then(resolve, reject);
          });
        }).finally(() => pending.delete(key));
      pending.set(key, appending);
      return appending;
    };
  }

  #hold(client: Client | null): void {
    if (client === null) return;
    const waiting = (this.#waiting.get(client) ?? 0) + 1;
    this.#waiting.set(client, waiting);
    if (waiting === this.#options.inflightPerClientMax) pausable(client).pause();
  }

  #letGo(client: Client | null): void {
    if (client === null) return;
    const waiting = (this.#waiting.get(client) ?? 1) - 1;
    this.#waiting.set(client, waiting);
    const paused = pausable(client)._paused === true;
    if (paused && waiting <= this.#options.inflightPerClientMax / 2) pausable(client).resume();
  }

  async #open(aedes: Aedes, address: BrokerAddress): Promise<void> {
    const server = createServer((socket) => this.#accept(aedes, socket));
    server.maxConnections = this.#options.connectionsMax;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (failure) => reject(listenFailure(address, failure)));
      server.listen(address.port, address.host, resolve);
    });
    server.on("error", (failure) =>
      this.#options.log.error({ reason: failure.message }, "MQTT listener"),
    );
    this.#servers.push(server);
  }

  #accept(aedes: Aedes, socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => this.#sockets.delete(socket));
    this.#guard(socket);
    aedes.handle(socket);
  }

  /** aedes pulls by `read`, so every chunk passes here before its parser gathers anything. */
  #guard(socket: Socket): void {
    const guard = new PacketGuard(this.#options.packetBytesMax);
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      const chunk: unknown = read(size);
      if (!(chunk instanceof Uint8Array)) return null;
      const verdict = guard.check(chunk);
      if (verdict === "fine") return chunk;
      const from = addressOf(socket);
      const bound = this.#options.packetBytesMax;
      this.#notice(from, {
        name: `packet-${verdict}`,
        detail: `from ${from}, bound ${bound} bytes`,
      });
      socket.destroy();
      return null;
    };
  }

  /** One notice per address and kind a minute, or a hostile client could fill the outbox. */
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

/** aedes' clients can be paused; its types do not say so. */
function pausable(client: Client): { pause(): void; resume(): void; readonly _paused?: boolean } {
  return client as unknown as { pause(): void; resume(): void };
}

interface ConnectFacts {
  readonly clientId?: string;
  readonly clean?: boolean;
  readonly will?: { readonly topic: string };
}

function connectRefusal(packet: ConnectFacts): string | undefined {
  // [MQTT-3.1.3-8]
  if (!packet.clientId && packet.clean === false) return "an empty client id needs a clean session";
  const will = packet.will?.topic;
  if (will !== undefined && (will === "" || isBadTopic(will) || /[+#]/.test(will))) {
    return "a will needs a topic without wildcards";
  }
  return undefined;
}

/** CONNACK return code 5, not authorised (MQTT 3.1.1 table 3.1). */
function notAuthorised(): AuthenticateError {
  return Object.assign(new Error("not authorised"), { returnCode: 5 });
}

function addressOf(connection: unknown): string {
  const { remoteAddress, remotePort } = connection as Partial<Socket>;
  return `${remoteAddress ?? "unknown"}:${remotePort ?? 0}`;
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

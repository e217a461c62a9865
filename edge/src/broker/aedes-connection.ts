/**
 * One client's connection: its bytes, what of it waits for the disk, and whether it keeps up.
 *
 *   K1  What comes is read at once, up to the bounds of what waits, so that a PINGREQ is answered also
 *       while publishes wait for the disk. Aedes reads on only when all it has read is worked off.
 *   K2  Behind the CONNECT nothing is read before the CONNACK: aedes works off what comes before it
 *       asks who the client is.
 *   K3  A plain publish of QoS 0 or 1 goes around aedes' parser and handlers, which cost several times
 *       what the rest of its way costs.
 *   K4  A client that is not read is not timed out.
 *   K5  One that is refused reads why: what it sent meanwhile is read and thrown away, for bytes that
 *       nobody read make of the end a reset, which may overtake the CONNACK.
 */
import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { crc32 } from "node:zlib";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Client } from "aedes";
import type { Pass } from "./admission.ts";
import type { GuardVerdict, PacketTaker } from "./packet-guard.ts";
import { PacketGuard } from "./packet-guard.ts";
import type { Repeats, Sender } from "./repeats.ts";
import { GatheredWrites } from "./tcp-gather.ts";
import type { Arrival } from "./tcp-listeners.ts";
import { isTopic } from "./topic-filter.ts";

/** What aedes' clients have beyond their types. */
export interface ClientInside {
  readonly connected: boolean;
  readonly connackSent: boolean;
  readonly _parser: { parse(bytes: Buffer): void; readonly _queue: readonly unknown[] | null };
  readonly _keepaliveTimer: NodeJS.Timeout | null;
  /** Set by a DISCONNECT packet. */
  readonly _disconnected: boolean;
  readonly subscriptions: Readonly<Record<string, { readonly qos: number }>>;
  waitForDrain(done: (failure: Error | null, client: Client) => void): void;
}

export function inside(client: Client): ClientInside {
  return client as unknown as ClientInside;
}

export interface ConnectionBounds {
  readonly packetBytesMax: number;
  /** Publishes of one client that wait for the disk; at the bound its socket is not read. */
  readonly inflightPerClientMax: number;
  /** How long a subscriber may take nothing. */
  readonly drainTimeoutMs: number;
  /** Beyond it QoS 0 is dropped. */
  readonly outgoingBytesSoftMax: number;
  /** Beyond it the subscriber is disconnected. */
  readonly outgoingBytesMax: number;
}

/** A publish of QoS 0 or 1 that is not to be retained, as aedes would hand it on. */
export interface PlainPublish {
  readonly cmd: "publish";
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
  readonly retain: false;
  dup: boolean;
  readonly messageId: number | undefined;
  /** CRC-32 of the topic, for repeats.ts. */
  readonly topicHash: number;
  properties: unknown;
}

export interface ConnectionEvents {
  publish(connection: Connection, packet: PlainPublish): void;
  malformed(connection: Connection, verdict: Exclude<GuardVerdict, "fine">): void;
  frozen(connection: Connection): void;
}

/** How long a client that is refused may take to read why. */
const refusedTimeoutMs = 1_000;
/** Less than any keep alive. */
const awakeEveryMs = 1_000;

export class Connection implements PacketTaker {
  readonly socket: Duplex;
  readonly arrival: Arrival;
  readonly address: string;
  /** Set once it is let in. */
  pass: Pass | undefined;
  /** Set while the client is registered with the broker. */
  sender: Sender | undefined;
  /** When it was registered, by the boot's clock. */
  beganMs: number | undefined;
  /** The answer that its CONNECT earns before anybody asks who it is. */
  returnCode: number | undefined;
  willTopic: string | undefined;
  takenOverBy: string | undefined;
  /** What was queued for it is sent; what comes now may be sent as it comes. */
  isCaughtUp = false;
  readonly ended: Promise<void>;
  end: () => void = () => {};
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #bounds: ConnectionBounds;
  readonly #events: ConnectionEvents;
  readonly #repeats: Repeats;
  readonly #guard: PacketGuard;
  readonly #writes: GatheredWrites;
  readonly #read: (size?: number) => unknown;
  #waiting = 0;
  #isPaused = false;
  #isReading = false;
  #hasTaken = false;
  #topicBytes: Buffer | undefined;
  #topic = "";
  #topicHash = 0;
  #stall: Cancel | undefined;
  #awake: Cancel | undefined;

  constructor(
    arrival: Arrival,
    handle: (socket: Duplex) => Client,
    parts: {
      readonly clock: Clock;
      readonly bounds: ConnectionBounds;
      readonly events: ConnectionEvents;
      readonly repeats: Repeats;
    },
  ) {
    const socket = arrival.stream;
    this.socket = socket;
    this.arrival = arrival;
    this.address = arrival.address;
    this.#clock = parts.clock;
    this.#bounds = parts.bounds;
    this.#events = parts.events;
    this.#repeats = parts.repeats;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    this.#guard = new PacketGuard(parts.bounds.packetBytesMax);
    this.#read = socket.read.bind(socket);
    // Aedes pulls by `read`; it is given nothing, and its parser what is for it.
    socket.read = (size?: number) => (size === 0 ? this.#read(0) : this.#readOn());
    this.#writes = new GatheredWrites(socket);
    this.#client = handle(socket);
    inside(this.#client).waitForDrain = (done) => this.#waitForDrain(done);
    socket.on("readable", () => this.#readOn());
    (this.#client as unknown as EventEmitter).once("connected", () => this.#readOn());
    socket.on("drain", () => this.#cancelStall());
    socket.once("close", () => {
      this.#cancelStall();
      this.#awake?.();
    });
  }

  get client(): Client {
    return this.#client;
  }

  get isClosed(): boolean {
    return this.#client.closed || this.socket.destroyed;
  }

  /** Publishes that wait for the disk. */
  get waiting(): number {
    return this.#waiting;
  }

  hold(): void {
    this.#waiting++;
  }

  letGo(): void {
    this.#waiting--;
  }

  /** It is registered with the broker. */
  begin(sender: Sender): void {
    this.sender = sender;
    this.beganMs = this.#clock.bootMs();
    this.#readOn();
  }

  /** To be called where its publish is durable. */
  puback(messageId: number): void {
    if (!this.isClosed) this.#writes.puback(messageId);
  }

  /** K5; to be called where its CONNACK is written, before it is closed. */
  refused(): void {
    const { socket } = this;
    const destroy = socket.destroy.bind(socket);
    socket.destroy = () => {
      // Aedes does so twice, for the closing and for the failure that it was.
      socket.destroy = () => socket;
      this.#clock.soon(() => {
        socket.destroy = destroy;
      });
      socket.once("close", this.#clock.after(refusedTimeoutMs, destroy));
      socket.removeAllListeners("readable");
      socket.read = this.#read;
      socket.resume();
      return socket.end();
    };
  }

  /** Reads on or not, by its own bound and that of all connections together. */
  flow(isBrokerFull: boolean): void {
    const { inflightPerClientMax } = this.#bounds;
    if (!this.#isPaused) {
      this.#isPaused = isBrokerFull || this.#waiting >= inflightPerClientMax;
      if (this.#isPaused) this.#stayAwake();
    } else if (!isBrokerFull && this.#waiting <= inflightPerClientMax / 2) {
      this.#isPaused = false;
      this.#awake?.();
      this.#awake = undefined;
      this.#readOn();
    }
  }

  /** K4. */
  #stayAwake(): void {
    inside(this.#client)._keepaliveTimer?.refresh();
    this.#awake?.();
    this.#awake = this.#clock.after(awakeEveryMs, () => this.#stayAwake());
  }

  /** Whether its subscriber is behind by so much that QoS 0 is dropped. */
  get isBehind(): boolean {
    return this.socket.writableLength > this.#bounds.outgoingBytesSoftMax;
  }

  /** Resolves once more may be written, or the connection is closed. */
  async writable(): Promise<void> {
    while (this.socket.writableNeedDrain && !this.isClosed) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.socket.off("drain", wake);
          this.socket.off("close", wake);
          resolve();
        };
        this.socket.once("drain", wake);
        this.socket.once("close", wake);
      });
    }
  }

  /** A publisher never waits for a subscriber: what is written waits here, bounded. */
  #waitForDrain(done: (failure: Error | null, client: Client) => void): void {
    this.#clock.soon(() => done(null, this.#client));
    if (this.socket.writableLength > this.#bounds.outgoingBytesMax) return this.#freeze();
    this.#stall ??= this.#clock.after(this.#bounds.drainTimeoutMs, () => this.#freeze());
  }

  #freeze(): void {
    if (this.socket.destroyed) return;
    this.#events.frozen(this);
    this.socket.destroy();
  }

  #cancelStall(): void {
    this.#stall?.();
    this.#stall = undefined;
  }

  get #mayRead(): boolean {
    if (this.#isPaused || this.isClosed) return false;
    const { connected, connackSent, _parser } = inside(this.#client);
    if (!this.#guard.isPastFirst) return true;
    // K2; what came with the CONNECT is worked off before anything behind it.
    const isWorkedOff = connected || (connackSent && _parser._queue?.length === 0);
    return isWorkedOff && this.sender !== undefined;
  }

  /** K1. */
  #readOn(): null {
    // Not into a chunk that is being worked off.
    if (this.#isReading) return null;
    this.#isReading = true;
    try {
      while (this.#mayRead) {
        const chunk = this.#read();
        if (!(chunk instanceof Buffer)) break;
        this.#take(chunk);
      }
    } finally {
      this.#isReading = false;
    }
    return null;
  }

  #take(chunk: Buffer): void {
    if (this.sender !== undefined) this.#repeats.heard(this.sender);
    this.#hasTaken = false;
    const verdict = this.#guard.read(chunk, this);
    // For its own packets aedes does so itself [MQTT-3.1.2-24].
    if (this.#hasTaken) inside(this.#client)._keepaliveTimer?.refresh();
    if (verdict === "fine") return;
    this.#events.malformed(this, verdict);
    this.socket.destroy();
  }

  /** Of PacketTaker: K3, unless what came before the CONNACK is not worked off yet. */
  wants(first: number): boolean {
    const isPlain = (first & 0xf1) === 0x30 && (first & 0x06) < 4;
    return isPlain && inside(this.#client).connected;
  }

  /** Of PacketTaker; what is malformed is aedes' to refuse. */
  take(first: number, chunk: Buffer, from: number, until: number): boolean {
    const qos = first & 0x02 ? 1 : 0;
    const topicFrom = from + 2;
    if (topicFrom > until) return false;
    const topicUntil = topicFrom + chunk.readUInt16BE(from);
    const payloadFrom = topicUntil + (qos === 1 ? 2 : 0);
    if (payloadFrom > until) return false;
    const messageId = qos === 1 ? chunk.readUInt16BE(topicUntil) : undefined;
    if (messageId === 0 || !this.#knowsTopic(chunk, topicFrom, topicUntil)) return false;
    this.#hasTaken = true;
    this.#events.publish(this, {
      cmd: "publish",
      topic: this.#topic,
      payload: chunk.subarray(payloadFrom, until),
      qos,
      retain: false,
      dup: (first & 0x08) > 0,
      messageId,
      topicHash: this.#topicHash,
      properties: undefined,
    });
    return true;
  }

  /** Of PacketTaker. */
  rest(bytes: Buffer): void {
    inside(this.#client)._parser.parse(bytes);
  }

  /** Most devices publish on one topic. */
  #knowsTopic(chunk: Buffer, from: number, until: number): boolean {
    const known = this.#topicBytes;
    if (known?.length === until - from && isSame(known, chunk, from)) return true;
    const topic = chunk.toString("utf8", from, until);
    if (!isTopic(topic)) return false;
    this.#topicBytes = Buffer.from(chunk.subarray(from, until));
    this.#topic = topic;
    this.#topicHash = crc32(topic);
    return true;
  }
}

function isSame(known: Buffer, chunk: Buffer, from: number): boolean {
  for (let at = 0; at < known.length; at++) if (known[at] !== chunk[from + at]) return false;
  return true;
}

/** An MQTT 3.1.1 client for tests that sends what it is told, right or wrong, byte by byte. */
import type { Socket } from "node:net";
import { createConnection } from "node:net";

export const packetTypes = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  unsuback: 11,
  pingresp: 13,
} as const;

export interface RawPacket {
  readonly type: number;
  /** The lower half of the first byte. */
  readonly flags: number;
  readonly body: Buffer;
}

export interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly id: number | undefined;
}

const answerTimeoutMs = 10_000;

export class RawMqtt {
  readonly socket: Socket;
  readonly packets: RawPacket[] = [];
  closed = false;
  #bytes = Buffer.alloc(0);
  #changed: (() => void)[] = [];

  /** To a port of this machine, or over a connection that is there. */
  constructor(to: number | Socket, options: { reads?: boolean } = {}) {
    this.socket = typeof to === "number" ? createConnection({ host: "127.0.0.1", port: to }) : to;
    if (options.reads ?? true) this.socket.on("data", (chunk) => this.#take(chunk));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.#tell();
    });
  }

  /** Connected and accepted. */
  static async open(port: number, connect: ConnectOptions = {}): Promise<RawMqtt> {
    const client = new RawMqtt(port);
    client.send(connectPacket(connect));
    await client.count(packetTypes.connack, 1);
    return client;
  }

  send(...packets: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(packets));
  }

  /** Ids of the packets of one type, in the order they came. */
  ids(type: number): number[] {
    return this.of(type).map(({ body }) => body.readUInt16BE(0));
  }

  /** The messages that came, in order. */
  published(): Received[] {
    return this.of(packetTypes.publish).map(({ flags, body }) => {
      const qos = (flags >> 1) & 3;
      const end = 2 + body.readUInt16BE(0);
      const from = end + (qos > 0 ? 2 : 0);
      return {
        topic: body.toString("utf8", 2, end),
        payload: body.toString("utf8", from),
        qos,
        dup: (flags & 8) > 0,
        retain: (flags & 1) > 0,
        id: qos > 0 ? body.readUInt16BE(end) : undefined,
      };
    });
  }

  of(type: number): RawPacket[] {
    return this.packets.filter((packet) => packet.type === type);
  }

  /** Waits for so many packets of a type; fails when the connection closes before. */
  async count(type: number, count: number): Promise<void> {
    await this.#until(() => this.of(type).length >= count || this.closed);
    const found = this.of(type).length;
    if (found < count) throw new Error(`closed after ${found} of ${count} packets of type ${type}`);
  }

  /** Everything sent before has been parsed once this resolves; publishes may still wait. */
  async ping(): Promise<void> {
    const before = this.of(packetTypes.pingresp).length;
    this.send(Buffer.from([0xc0, 0]));
    await this.count(packetTypes.pingresp, before + 1);
  }

  async untilClosed(): Promise<void> {
    await this.#until(() => this.closed);
  }

  close(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      let [length, at] = [0, 1];
      for (let shift = 0; ; shift += 7, at++) {
        const byte = this.#bytes[at];
        if (byte === undefined) return this.#tell();
        length += (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      const end = at + 1 + length;
      if (this.#bytes.length < end) return this.#tell();
      const first = this.#bytes[0] ?? 0;
      this.packets.push({
        type: first >> 4,
        flags: first & 15,
        body: this.#bytes.subarray(at + 1, end),
      });
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #tell(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + answerTimeoutMs;
    while (!condition()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw new Error(`no answer after ${this.packets.length} packets`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

export interface ConnectOptions {
  readonly clientId?: string | Buffer;
  readonly keepAlive?: number;
  readonly clean?: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly will?: {
    readonly topic: string | Buffer;
    readonly payload: string;
    readonly qos: number;
  };
}

export function connectPacket(options: ConnectOptions = {}): Buffer {
  const { clientId = "device", clean = true, keepAlive = 0, user, password, will } = options;
  const flags =
    (clean ? 2 : 0) |
    (will === undefined ? 0 : 4 | (will.qos << 3)) |
    (password === undefined ? 0 : 0x40) |
    (user === undefined ? 0 : 0x80);
  const fields = [text("MQTT"), Buffer.from([4, flags]), twoBytes(keepAlive), text(clientId)];
  if (will !== undefined) fields.push(text(will.topic), text(will.payload));
  if (user !== undefined) fields.push(text(user));
  if (password !== undefined) fields.push(text(password));
  return packet(0x10, ...fields);
}

export interface PublishOptions {
  readonly topic: string | Buffer;
  readonly payload?: string | Buffer;
  readonly qos?: 0 | 1 | 2;
  readonly id?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
}

export function publishPacket(options: PublishOptions): Buffer {
  const { topic, payload = "1", qos = 1, id = 1, dup = false, retain = false } = options;
  const fields = [text(topic)];
  if (qos > 0) fields.push(twoBytes(id));
  return packet(
    0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0),
    ...fields,
    Buffer.from(payload),
  );
}

export function subscribePacket(filter: string | Buffer, qos = 0, id = 1): Buffer {
  return packet(0x82, twoBytes(id), text(filter), Buffer.from([qos]));
}

export function unsubscribePacket(filter: string | Buffer, id = 1): Buffer {
  return packet(0xa2, twoBytes(id), text(filter));
}

/** PUBACK, PUBREC or PUBCOMP of a message that came. */
export function answerPacket(type: number, id: number): Buffer {
  return packet(type << 4, twoBytes(id));
}

export function pubrelPacket(id: number): Buffer {
  return packet(0x62, twoBytes(id));
}

function packet(first: number, ...fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([twoBytes(bytes.length), bytes]);
}

function twoBytes(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

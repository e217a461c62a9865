/** An MQTT client that does no more than a bench needs, so that it takes little of the machine. */
import type { Socket } from "node:net";
import { connect } from "node:net";
import {
  connectPacket,
  publishPacket,
  subscribePacket,
} from "../edge/src/testing/mqtt-raw-client.ts";

const [connackType, publishType, pubackType, subackType] = [2, 3, 4, 9];
const packetIds = 60_000;

export interface WireMessage {
  readonly topic: string;
  readonly payload: string;
}

export class MqttWire {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #accepted = 0;
  #sent = 0;
  #waiting: (() => void) | undefined;
  #failure: Error | undefined;
  /** Publishes that were acknowledged. */
  acknowledged = 0;
  onMessage: (topic: string, payload: string) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (failure) => this.#fail(failure));
    socket.on("close", () => this.#fail(new Error("the broker closed the connection")));
  }

  static async open(port: number, clientId: string): Promise<MqttWire> {
    const wire = new MqttWire(connect({ host: "127.0.0.1", port }));
    wire.#socket.write(connectPacket({ clientId }));
    await wire.#until(() => wire.#accepted === 1);
    return wire;
  }

  async subscribe(filter: string): Promise<void> {
    this.#socket.write(subscribePacket(filter));
    await this.#until(() => this.#accepted === 2);
  }

  /** Not awaited for its PUBACK. */
  publish({ topic, payload }: WireMessage): void {
    const id = (this.#sent++ % packetIds) + 1;
    this.#socket.write(publishPacket({ topic, payload, id }));
  }

  /** Each once, at most `window` unacknowledged; resolves when all are acknowledged. */
  async publishAll(messages: Iterable<WireMessage>, window: number): Promise<void> {
    for (const message of messages) {
      if (this.#sent - this.acknowledged >= window) {
        await this.#until(() => this.#sent - this.acknowledged <= window >> 1);
      }
      this.publish(message);
    }
    await this.#until(() => this.acknowledged === this.#sent);
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#waiting?.();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let end = packetEnd(bytes, from); end !== undefined; end = packetEnd(bytes, from)) {
      this.#packet(bytes.subarray(from, end));
      from = end;
    }
    this.#rest = bytes.subarray(from);
    this.#waiting?.();
  }

  #packet(packet: Buffer): void {
    const type = (packet[0] as number) >> 4;
    if (type === pubackType) this.acknowledged++;
    if (type === connackType || type === subackType) this.#accepted++;
    if (type !== publishType) return;
    let at = 1;
    while ((packet[at++] as number) >= 0x80);
    const end = at + 2 + packet.readUInt16BE(at);
    this.onMessage(packet.toString("utf8", at + 2, end), packet.toString("utf8", end));
  }
}

/** Undefined where the packet is not whole yet. */
function packetEnd(bytes: Buffer, from: number): number | undefined {
  let length = 0;
  for (let [at, shift] = [from + 1, 0]; ; at++, shift += 7) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    return at + 1 + length <= bytes.length ? at + 1 + length : undefined;
  }
}

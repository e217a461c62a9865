/** The MQTT 3.1.1 packets that a load needs, written and read without allocating per message. */

export interface Credentials {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const keepaliveSeconds = 60;

/** §3.1; a session that is kept, so that what was not acknowledged may come again. */
export function connectPacket({ clientId, username, password }: Credentials): Buffer {
  const named = username === undefined ? 0 : 0x80;
  const secret = password === undefined ? 0 : 0x40;
  const keepalive = [keepaliveSeconds >> 8, keepaliveSeconds & 0xff];
  const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, named | secret, ...keepalive]);
  const texts = [clientId, username, password].filter((text) => text !== undefined);
  const body = Buffer.concat([head, ...texts.map(textField)]);
  return Buffer.concat([Buffer.from([0x10, ...lengthBytes(body.length)]), body]);
}

export const pingPacket: Buffer = Buffer.from([0xc0, 0]);
export const disconnectPacket: Buffer = Buffer.from([0xe0, 0]);

/** What a publish takes besides topic and payload: type, length, topic's length, message id. */
export const publishOverheadMax = 9;

export interface Outgoing {
  readonly topic: Buffer;
  readonly payload: string;
  /** 0 for QoS 0, which has none. */
  readonly messageId: number;
  readonly isAgain: boolean;
}

/** §3.3. Writes a publish of a latin1 payload at `at`; where the next byte goes. */
export function writePublish(target: Buffer, at: number, outgoing: Outgoing): number {
  const { topic, payload, messageId, isAgain } = outgoing;
  const qosBits = messageId === 0 ? 0 : 2;
  let next = at;
  target[next++] = 0x30 | qosBits | (isAgain ? 8 : 0);
  let length = 2 + topic.length + (messageId === 0 ? 0 : 2) + payload.length;
  do {
    const more = length > 127;
    target[next++] = (length & 127) | (more ? 128 : 0);
    length >>= 7;
  } while (length > 0);
  next = target.writeUInt16BE(topic.length, next);
  next += topic.copy(target, next);
  if (messageId !== 0) next = target.writeUInt16BE(messageId, next);
  return next + target.write(payload, next, "latin1");
}

function textField(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** §2.2.3. */
function lengthBytes(length: number): number[] {
  const bytes: number[] = [];
  for (let rest = length; ; rest >>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}

export interface AnswerListener {
  connack(returnCode: number): void;
  puback(messageId: number): void;
  pong(): void;
}

const connack = 2;
const puback = 4;
const pingresp = 13;
/** Remaining length of each answer that a load gets (§3.2, §3.4, §3.13). */
const answerLengths: ReadonlyMap<number, number> = new Map([
  [connack, 2],
  [puback, 2],
  [pingresp, 0],
]);

/** Reads a broker's answers, which may be cut anywhere; every one of them is short. */
export class AnswerReader {
  readonly #listener: AnswerListener;
  #rest: Buffer = Buffer.alloc(0);

  constructor(listener: AnswerListener) {
    this.#listener = listener;
  }

  /** False where the bytes are none of an answer: the connection is of no use any more. */
  read(chunk: Buffer): boolean {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + 2 <= bytes.length) {
      const [head = 0, length = 0] = [bytes[at], bytes[at + 1]];
      const type = head >> 4;
      if (answerLengths.get(type) !== length) return false;
      if (at + 2 + length > bytes.length) break;
      if (type === puback) this.#listener.puback(bytes.readUInt16BE(at + 2));
      else if (type === connack) this.#listener.connack(bytes[at + 3] as number);
      else this.#listener.pong();
      at += 2 + length;
    }
    this.#rest = bytes.subarray(at);
    return true;
  }
}

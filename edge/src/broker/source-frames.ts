/**
 * What a subscriber says and hears in MQTT 3.1.1, as bytes. A message beyond the bound is not
 * gathered: its payload is passed over, so that it can be answered and told.
 */

export type Frame =
  | { readonly kind: "connack"; readonly returnCode: number; readonly isSessionPresent: boolean }
  | ({ readonly kind: "publish"; readonly payload: Buffer } & PublishHead)
  | ({ readonly kind: "too-large"; readonly bytes: number } & PublishHead)
  | { readonly kind: "suback"; readonly codes: readonly number[] }
  | { readonly kind: "pingresp" };

export interface PublishHead {
  readonly topic: string;
  readonly qos: number;
  /** Of QoS 1 and 2. */
  readonly messageId: number | undefined;
  readonly isRepeat: boolean;
  readonly isRetained: boolean;
}

const types = { connack: 2, publish: 3, suback: 9, pingresp: 13 } as const;
/** A packet that is no PUBLISH is small, whatever it says. */
const otherBytesMax = 64 * 1_024;

export class FrameReader {
  readonly #bytesMax: number;
  #bytes: Buffer = Buffer.alloc(0);
  #skipping: { frame: Frame; left: number } | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The packets that are whole by now; throws where the bytes are no MQTT. */
  read(chunk: Buffer): readonly Frame[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const frames: Frame[] = [];
    while (this.#step(frames));
    return frames;
  }

  /** Whether it got any further. */
  #step(frames: Frame[]): boolean {
    if (this.#skipping !== undefined) return this.#skip(frames);
    const header = headerOf(this.#bytes);
    if (header === undefined) return false;
    const { at, length } = header;
    const first = this.#bytes[0] ?? 0;
    const isPublish = first >> 4 === types.publish;
    if (!isPublish && length > otherBytesMax) throw new Error("a packet that cannot be so large");
    if (isPublish && length > this.#bytesMax) return this.#beginSkip(first, at, length);
    if (this.#bytes.length < at + length) return false;
    frames.push(frameOf(first, this.#bytes.subarray(at, at + length)));
    this.#bytes = this.#bytes.subarray(at + length);
    return true;
  }

  #beginSkip(first: number, at: number, length: number): boolean {
    const known = this.#bytes.subarray(at);
    const head = publishHead(first, known, length);
    if (head === undefined) return false;
    const frame: Frame = { kind: "too-large", bytes: length, ...head.head };
    this.#bytes = known.subarray(head.end);
    this.#skipping = { frame, left: length - head.end };
    return true;
  }

  #skip(frames: Frame[]): boolean {
    const skipping = this.#skipping;
    if (skipping === undefined) return false;
    const passed = Math.min(skipping.left, this.#bytes.length);
    this.#bytes = this.#bytes.subarray(passed);
    skipping.left -= passed;
    if (skipping.left > 0) return false;
    frames.push(skipping.frame);
    this.#skipping = undefined;
    return true;
  }
}

function headerOf(bytes: Buffer): { readonly at: number; readonly length: number } | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * (at - 1));
    if (byte < 0x80) return { at: at + 1, length };
    if (at === 4) throw new Error("a length of more than four bytes");
  }
  return undefined;
}

function frameOf(first: number, body: Buffer): Frame {
  switch (first >> 4) {
    case types.connack:
      if (body.length !== 2) throw new Error("a malformed CONNACK");
      return {
        kind: "connack",
        returnCode: body[1] ?? 0,
        isSessionPresent: ((body[0] ?? 0) & 1) === 1,
      };
    case types.publish: {
      const head = publishHead(first, body, body.length);
      if (head === undefined) throw new Error("a malformed PUBLISH");
      return { kind: "publish", payload: body.subarray(head.end), ...head.head };
    }
    case types.suback:
      return { kind: "suback", codes: [...body.subarray(2)] };
    case types.pingresp:
      return { kind: "pingresp" };
    default:
      throw new Error(`an unexpected packet of type ${first >> 4}`);
  }
}

/** Undefined while there are too few bytes. */
function publishHead(first: number, body: Buffer, length: number) {
  const qos = (first >> 1) & 3;
  if (body.length < 2) return undefined;
  const topicEnd = 2 + body.readUInt16BE(0);
  const end = topicEnd + (qos > 0 ? 2 : 0);
  if (end > length || qos === 3) throw new Error("a malformed PUBLISH");
  if (body.length < end) return undefined;
  const head: PublishHead = {
    topic: body.toString("utf8", 2, topicEnd),
    qos,
    messageId: qos > 0 ? body.readUInt16BE(topicEnd) : undefined,
    isRepeat: (first & 8) > 0,
    isRetained: (first & 1) > 0,
  };
  return { head, end };
}

// What the subscriber says -------------------------------------------------------------------------

export interface Introduction {
  readonly clientId: string;
  readonly keepaliveSeconds: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** Asks for the session of before. */
export function connectBytes(introduction: Introduction): Buffer {
  const { clientId, keepaliveSeconds, user, password } = introduction;
  const flags = (user === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const given = [clientId, user, password].filter((each) => each !== undefined);
  const head = Buffer.from([4, flags, keepaliveSeconds >> 8, keepaliveSeconds & 0xff]);
  return packet(0x10, text("MQTT"), head, ...given.map(text));
}

export function subscribeBytes(filters: readonly string[]): Buffer {
  const each = filters.flatMap((filter) => [text(filter), Buffer.from([1])]);
  return packet(0x82, Buffer.from([0, 1]), ...each);
}

/** At QoS 0. */
export function publishBytes(topic: string, payload: Uint8Array): Buffer {
  return packet(0x30, text(topic), Buffer.from(payload));
}

export function pubackBytes(messageId: number): Buffer {
  return Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]);
}

export const pingBytes = Buffer.from([0xc0, 0]);
export const disconnectBytes = Buffer.from([0xe0, 0]);

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

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

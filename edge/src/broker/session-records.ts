/**
 * What the broker keeps in the outbox's store, besides the repeats (repeat-record.ts). All keys
 * begin with "q"; `client` stands behind two bytes of its length, numbers are big endian.
 *
 *   "qi" client id         a QoS 2 publish whose PUBREL has not come: JSON { hash }, framed
 *   "qo" client sequence   a message queued for a subscriber, as below
 *   "qp" client sequence   how far its delivery is: JSON { id, released }, framed
 *   "qr" topic             a retained message, as below
 *   "qs" client            a session: JSON { subscriptions: [[filter, qos], …], left: { boot, ms } | null }, framed
 *   "qw" client            a will, as below
 *
 * A sequence has 6 bytes, counts over all clients and is never given twice. A message is framed too:
 * version, CRC-32C, 4 bytes length of its head, the head as JSON { topic, qos, retain }, the payload.
 */
import { blockVersion, frameBytes } from "@causeway/shared/block-codec.ts";
import { crc32c } from "@causeway/shared/checksum.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";

export type QoS = 0 | 1 | 2;

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
}

export interface Progress {
  readonly id: number;
  /** QoS 2: the PUBREC has come. */
  readonly released: boolean;
}

export interface SessionRecord {
  readonly subscriptions: readonly (readonly [filter: string, qos: QoS])[];
  /** When the client left, within its boot; null while it is connected. */
  readonly left: { readonly boot: string; readonly ms: number } | null;
}

export type RecordKind = "i" | "o" | "p" | "r" | "s" | "w";

const sequenceBytes = 6;

export function recordRange(kind: RecordKind): { from: Buffer; until: Buffer } {
  const next = String.fromCharCode(kind.charCodeAt(0) + 1);
  return { from: Buffer.from(`q${kind}`), until: Buffer.from(`q${next}`) };
}

/** The kind of one of these records; undefined where the key is not of them. */
export function kindOf(key: Uint8Array): RecordKind | undefined {
  const kind = String.fromCharCode(key[1] ?? 0);
  return key[0] === 0x71 && /^[ioprsw]$/.test(kind) ? (kind as RecordKind) : undefined;
}

/** A session or a will of a client, or a retained topic. */
export function namedKey(kind: "r" | "s" | "w", name: string): Buffer {
  return Buffer.from(`q${kind}${name}`);
}

export function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString("utf8", 2);
}

export function numberedKey(kind: "i" | "o" | "p", client: string, number: number): Buffer {
  const name = Buffer.from(client);
  const key = Buffer.alloc(4 + name.length + sequenceBytes);
  key.write(`q${kind}`);
  key.writeUInt16BE(name.length, 2);
  name.copy(key, 4);
  key.writeUIntBE(number, 4 + name.length, sequenceBytes);
  return key;
}

export function numberOf(key: Uint8Array): { readonly client: string; readonly number: number } {
  const bytes = Buffer.from(key);
  const end = 4 + bytes.readUInt16BE(2);
  return { client: bytes.toString("utf8", 4, end), number: bytes.readUIntBE(end, sequenceBytes) };
}

export function encodeMessage({ topic, payload, qos, retain }: Message): Buffer {
  const head = Buffer.from(JSON.stringify({ topic, qos, retain }));
  const bytes = Buffer.allocUnsafe(frameBytes + 4 + head.length + payload.length);
  bytes[0] = blockVersion;
  const at = bytes.writeUInt32BE(head.length, frameBytes);
  head.copy(bytes, at);
  bytes.set(payload, at + head.length);
  bytes.writeUInt32LE(crc32c(bytes, frameBytes), 1);
  return bytes;
}

/** OUTBOX_VERSION_UNKNOWN or OUTBOX_CORRUPT where it cannot be read. */
export function decodeMessage(record: Uint8Array): Message {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (bytes[0] !== blockVersion) {
    throw new CodedError("OUTBOX_VERSION_UNKNOWN", `a message has version ${bytes[0]}`);
  }
  if (bytes.length < frameBytes + 4 || bytes.readUInt32LE(1) !== crc32c(bytes, frameBytes)) {
    throw new CodedError("OUTBOX_CORRUPT", "a message fails its checksum");
  }
  const start = frameBytes + 4;
  const end = start + bytes.readUInt32BE(frameBytes);
  const head = JSON.parse(bytes.toString("utf8", start, end)) as Omit<Message, "payload">;
  return { ...head, payload: bytes.subarray(end) };
}

export function encodeSession(record: SessionRecord): Buffer {
  return encodeRecord(record);
}

export function decodeSession(record: Uint8Array): SessionRecord {
  return decodeRecord(record, "a session") as unknown as SessionRecord;
}

export function encodeProgress(progress: Progress): Buffer {
  return encodeRecord(progress);
}

export function decodeProgress(record: Uint8Array): Progress {
  return decodeRecord(record, "a delivery") as unknown as Progress;
}

export function encodeHash(hash: number): Buffer {
  return encodeRecord({ hash });
}

export function decodeHash(record: Uint8Array): number {
  return Number(decodeRecord(record, "a QoS 2 publish")["hash"]);
}

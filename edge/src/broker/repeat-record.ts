/**
 * The record of publishes that may be repeated, one for each group of the outbox that needs it.
 *
 *   byte 0      version, 1
 *   bytes 1-4   CRC-32C of all that follows, little endian
 *   byte 5      1: holds all that is live, so that the records before it are void; else 0
 *   sections, one for each client, numbers big endian:
 *     2 bytes length of the client's id, the id in UTF-8
 *     6 bytes floor: entries up to this ordinal are void
 *     4 bytes count of entries, each: 6 bytes ordinal, 2 bytes message id, 4 bytes hash, 1 byte flags
 *     4 bytes count of folded entries, each: 6 bytes ordinal
 *   flags       1: the client used the message id for equal bytes before; 2: the client counts its ids
 */
import { crc32c } from "@causeway/shared/checksum.ts";
import { CodedError } from "@causeway/shared/errors.ts";

export const repeatRecordVersion = 1;
const headBytes = 6;
const entryBytes = 13;
const ordinalBytes = 6;

export interface RepeatEntry {
  readonly ordinal: number;
  readonly messageId: number;
  readonly hash: number;
  /** The client used the message id for equal bytes before, so a repeat cannot be told from news. */
  readonly isReused: boolean;
  /** Its message id came behind many that counted up. */
  readonly isCounted: boolean;
}

export interface RepeatSection {
  readonly client: string;
  readonly floor: number;
  readonly entries: readonly RepeatEntry[];
  readonly folded: readonly number[];
}

export interface RepeatRecord {
  readonly isWhole: boolean;
  readonly sections: readonly RepeatSection[];
}

export function encodeRepeats({ isWhole, sections }: RepeatRecord): Buffer {
  const sizes = sections.map(({ client, entries, folded }) => {
    const name = Buffer.byteLength(client);
    return 2 + name + 6 + 4 + entries.length * entryBytes + 4 + folded.length * ordinalBytes;
  });
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, headBytes));
  bytes[0] = repeatRecordVersion;
  bytes[5] = isWhole ? 1 : 0;
  let at = headBytes;
  for (const section of sections) at = writeSection(bytes, at, section);
  bytes.writeUInt32LE(crc32c(bytes, 5), 1);
  return bytes;
}

function writeSection(bytes: Buffer, start: number, section: RepeatSection): number {
  const { client, floor, entries, folded } = section;
  let at = bytes.writeUInt16BE(Buffer.byteLength(client), start);
  at += bytes.write(client, at);
  at = bytes.writeUIntBE(floor, at, ordinalBytes);
  at = bytes.writeUInt32BE(entries.length, at);
  for (const { ordinal, messageId, hash, isReused, isCounted } of entries) {
    at = bytes.writeUIntBE(ordinal, at, ordinalBytes);
    at = bytes.writeUInt16BE(messageId, at);
    at = bytes.writeUInt32BE(hash, at);
    at = bytes.writeUInt8((isReused ? 1 : 0) | (isCounted ? 2 : 0), at);
  }
  at = bytes.writeUInt32BE(folded.length, at);
  for (const ordinal of folded) at = bytes.writeUIntBE(ordinal, at, ordinalBytes);
  return at;
}

/** OUTBOX_VERSION_UNKNOWN or OUTBOX_CORRUPT where it cannot be read. */
export function decodeRepeats(record: Uint8Array): RepeatRecord {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (bytes[0] !== repeatRecordVersion) {
    const known = `known is ${repeatRecordVersion}`;
    throw new CodedError("OUTBOX_VERSION_UNKNOWN", `repeats have version ${bytes[0]}, ${known}`);
  }
  if (bytes.length < headBytes || bytes.readUInt32LE(1) !== crc32c(bytes, 5)) {
    throw new CodedError("OUTBOX_CORRUPT", "a record of repeats fails its checksum");
  }
  const sections: RepeatSection[] = [];
  let at = headBytes;
  const take = (length: number) => {
    at += length;
    return length === 1 ? bytes.readUInt8(at - 1) : bytes.readUIntBE(at - length, length);
  };
  while (at < bytes.length) {
    const nameBytes = take(2);
    at += nameBytes;
    const client = bytes.toString("utf8", at - nameBytes, at);
    const floor = take(ordinalBytes);
    const entries = Array.from({ length: take(4) }, () => {
      const head = { ordinal: take(ordinalBytes), messageId: take(2), hash: take(4) };
      const flags = take(1);
      return { ...head, isReused: (flags & 1) > 0, isCounted: (flags & 2) > 0 };
    });
    const folded = Array.from({ length: take(4) }, () => take(ordinalBytes));
    sections.push({ client, floor, entries, folded });
  }
  return { isWhole: bytes[5] === 1, sections };
}

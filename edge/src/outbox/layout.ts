/**
 * Keys and records of the outbox.
 *
 *   "b" log ordinal position   a block: 1 + 1 + 4 + 6 bytes, big endian, position of its first event
 *   "e" ordinal                an epoch: JSON { v, id, before, ends?, made? }, framed like a block
 *   "c" ordinal                how far an epoch was released, from where on it is kept, up to where it
 *                              may have been published, and what was stored, for each log:
 *                              JSON { telemetry, priority, kept: { telemetry, priority },
 *                                     published: { … }, stored: { telemetry: { position, bytes }, … },
 *                                     thinned: { telemetry: [ … ], … } }
 *   "g"                        what was given way in all: JSON { thinned, lost: { reason: events } }
 *   "i"                        identity: JSON { v, gateway }
 *   "m"                        the newest mark: JSON { commit }, written with the cursors that follow it
 *   "o" boot                   a boot's offset to real time: JSON number
 *
 * An epoch's ends are written once it is closed; from then on whatever lies beyond is ignored.
 */

import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import { blockVersion, frameBytes } from "@causeway/shared/block-codec.ts";
import { crc32c } from "@causeway/shared/checksum.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";

export const layoutVersion = 1;
const positionMax = 2 ** 48 - 1;
const ordinalMax = 2 ** 32 - 1;

export interface EpochRecord {
  readonly id: EpochId;
  readonly ordinal: number;
  readonly before: { readonly epoch: EpochId; readonly ends: Ends } | undefined;
  /** Undefined while the epoch is open. */
  readonly ends: Ends | undefined;
  /** The true id is lost, and this one was made from what is left. */
  readonly isMade?: boolean;
}

export function blockKey(log: Log, ordinal: number, position: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key[0] = 0x62;
  key[1] = logs.indexOf(log);
  key.writeUInt32BE(ordinal, 2);
  key.writeUIntBE(Math.min(position, positionMax), 6, 6);
  return key;
}

export function blockPosition(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUIntBE(6, 6);
}

/** The keys of one epoch's log. */
export function logRange(log: Log, ordinal: number): { from: Buffer; until: Buffer } {
  return {
    from: blockKey(log, ordinal, 0),
    until:
      ordinal < ordinalMax
        ? blockKey(log, ordinal + 1, 0)
        : Buffer.from([0x62, logs.indexOf(log) + 1]),
  };
}

/** The keys of a log over all epochs. */
export function logKeys(log: Log): { from: Buffer; until: Buffer } {
  const at = logs.indexOf(log);
  return { from: Buffer.from([0x62, at]), until: Buffer.from([0x62, at + 1]) };
}

export const allBlocks = { from: Buffer.from("b"), until: Buffer.from("c") };
export const allEpochs = { from: Buffer.from("e"), until: Buffer.from("f") };
export const identityKey = Buffer.from("i");
export const markKey = Buffer.from("m");
export const givenKey = Buffer.from("g");

export function epochKey(ordinal: number): Buffer {
  const key = Buffer.from("e....");
  key.writeUInt32BE(ordinal, 1);
  return key;
}

export function cursorKey(ordinal: number): Buffer {
  const key = Buffer.from("c....");
  key.writeUInt32BE(ordinal, 1);
  return key;
}

export function bootKey(bootId: string): Buffer {
  return Buffer.from(`o${bootId}`);
}

const stampPattern = /^\{"p":[0-9]+,"n":[0-9]+,"b":"([^"]*)","t":([0-9]+),/;

/** Boot and time of a block's first event, read from its head without parsing the rest. */
export function blockStamp(block: Uint8Array): { bootId: string; bootMs: number } | undefined {
  const length = Math.max(0, Math.min(160, block.length - frameBytes));
  const head = Buffer.from(block.buffer, block.byteOffset + frameBytes, length);
  const match = stampPattern.exec(head.toString("latin1"));
  return match === null ? undefined : { bootId: match[1] ?? "", bootMs: Number(match[2]) };
}

/** A small JSON record in a block's frame: version, CRC-32C, JSON. */
export function encodeRecord(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  const record = Buffer.concat([Buffer.alloc(frameBytes), json]);
  record[0] = blockVersion;
  record.writeUInt32LE(crc32c(record, frameBytes), 1);
  return record;
}

/** The record's value; OUTBOX_VERSION_UNKNOWN or OUTBOX_CORRUPT otherwise. */
export function decodeRecord(record: Uint8Array, what: string): Record<string, unknown> {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (bytes[0] !== blockVersion) {
    throw new CodedError(
      "OUTBOX_VERSION_UNKNOWN",
      `${what} has version ${bytes[0]}, known is ${blockVersion}`,
    );
  }
  if (bytes.length < frameBytes || bytes.readUInt32LE(1) !== crc32c(bytes, frameBytes)) {
    throw new CodedError("OUTBOX_CORRUPT", `${what} fails its checksum`);
  }
  return JSON.parse(bytes.subarray(frameBytes).toString("utf8"));
}

export function encodeEpoch(epoch: EpochRecord): Buffer {
  const { id, before, ends, isMade } = epoch;
  const record = { v: layoutVersion, id, before: before ?? null, ends: ends ?? null };
  return encodeRecord(isMade ? { ...record, made: true } : record);
}

export function decodeEpoch(record: Uint8Array): EpochRecord {
  const { v, id, before, ends, made } = decodeRecord(record, "an epoch record");
  const ordinal = typeof id === "string" ? epochOrdinal(id) : undefined;
  if (v !== layoutVersion) {
    throw new CodedError(
      "OUTBOX_VERSION_UNKNOWN",
      `the outbox has layout ${v}, known is ${layoutVersion}`,
    );
  }
  if (ordinal === undefined) throw new CodedError("OUTBOX_CORRUPT", `an epoch record names ${id}`);
  return {
    id: id as EpochId,
    ordinal,
    before: (before as EpochRecord["before"] | null) ?? undefined,
    ends: (ends as Ends | null) ?? undefined,
    ...(made === true ? { isMade: true } : {}),
  };
}

/** First and last position of a framed block, read from its head without parsing the rest. */
export function blockRange(block: Uint8Array): { readonly from: number; readonly to: number } {
  const head = Buffer.from(
    block.buffer,
    block.byteOffset + frameBytes,
    Math.min(64, block.length - frameBytes),
  );
  const match = /^\{"p":([0-9]+),"n":([0-9]+),/.exec(head.toString("latin1"));
  if (match === null)
    throw new CodedError("OUTBOX_CORRUPT", "a block without positions at its head");
  return { from: Number(match[1]), to: Number(match[2]) };
}

/**
 * What LevelDB's files say; it writes its logs and its manifest in one framing.
 *
 *   log        blocks of 32 KiB, filled with pieces: crc 4, length 2, type 1 (full, first, middle,
 *              last), bytes; less than 7 bytes at a block's end are a trailer
 *   batch      a record of a log: sequence 8, count 4, then puts (1, key, value) and deletes (0, key)
 *   edit       a record of the manifest: tagged varints
 *
 * LevelDB itself skips what rotted in a log without a word, with everything behind it in the block,
 * and takes a wrong length for the end of the file. Here reading goes on at the next sound piece.
 */
import { crc32c } from "@causeway/shared/checksum.ts";
import type { Change } from "./store.ts";

const blockBytes = 32_768;
const headerBytes = 7;
const batchHeadBytes = 12;
const [full, first, last] = [1, 2, 4];

export interface LogFile {
  readonly records: readonly Uint8Array[];
  /** Torn: it ends within a record, as after a crash. Damaged: something sound follows a bad place. */
  readonly state: "whole" | "torn" | "damaged";
}

export function readLogFile(bytes: Uint8Array): LogFile {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: Uint8Array[] = [];
  let parts: Uint8Array[] | undefined;
  let [isHurt, isDamaged] = [false, false];
  const drop = () => {
    isHurt = true;
    parts = undefined;
  };
  for (let at = 0; at < file.length; ) {
    const blockEnd = Math.min(file.length, at - (at % blockBytes) + blockBytes);
    if (blockEnd - at < headerBytes) {
      if (blockEnd % blockBytes !== 0) drop();
      at = blockEnd;
      continue;
    }
    const piece = pieceAt(file, at, blockEnd);
    if (piece === undefined) {
      drop();
      at = nextPiece(file, at + 1, blockEnd);
      continue;
    }
    isDamaged ||= isHurt;
    at += headerBytes + piece.bytes.length;
    const begins = piece.type === full || piece.type === first;
    if (begins === (parts !== undefined)) drop();
    if (begins) parts = [];
    parts?.push(piece.bytes);
    if (parts !== undefined && (piece.type === full || piece.type === last)) {
      records.push(parts.length === 1 ? piece.bytes : Buffer.concat(parts));
      parts = undefined;
    }
  }
  const isTorn = isHurt || parts !== undefined;
  return { records, state: isDamaged ? "damaged" : isTorn ? "torn" : "whole" };
}

function pieceAt(file: Buffer, at: number, blockEnd: number) {
  const length = file.readUInt16LE(at + 4);
  const type = file[at + 6] as number;
  const end = at + headerBytes + length;
  if (type < full || type > last || end > blockEnd) return undefined;
  if (unmasked(file.readUInt32LE(at)) !== crc32c(file, at + 6, end)) return undefined;
  return { type, bytes: file.subarray(at + headerBytes, end) };
}

function nextPiece(file: Buffer, from: number, blockEnd: number): number {
  for (let at = from; at + headerBytes <= blockEnd; at++) {
    if (pieceAt(file, at, blockEnd) !== undefined) return at;
  }
  return blockEnd;
}

/** LevelDB masks a checksum that lies beside its data. */
export function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/** The changes of a log's record; undefined where it is none. */
export function readBatch(record: Uint8Array): Change[] | undefined {
  if (record.length < batchHeadBytes) return undefined;
  const reader = new Reader(record, batchHeadBytes);
  const changes: Change[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.number();
    const key = reader.bytes();
    const value = tag === 1 ? reader.bytes() : undefined;
    if (key === undefined || (tag !== 0 && value === undefined)) return undefined;
    changes.push(value === undefined ? { kind: "delete", key } : { kind: "put", key, value });
  }
  return changes;
}

export interface Manifest {
  /** Logs from this number on hold what is in no table yet. */
  readonly logNumber: number;
  /** Bytes of each live table by its number. */
  readonly tables: ReadonlyMap<number, number>;
}

/** The sum of a manifest's edits; undefined where one of them is none. */
export function readManifest(records: readonly Uint8Array[]): Manifest | undefined {
  const tables = new Map<number, number>();
  let logNumber = 0;
  for (const record of records) {
    const reader = new Reader(record, 0);
    while (!reader.isAtEnd) {
      const tag = reader.number();
      if (tag === 1) reader.bytes();
      else if (tag === 2) logNumber = reader.number() ?? Number.NaN;
      else if (tag === 3 || tag === 4 || tag === 9) reader.number();
      else if (tag === 5) [reader.number(), reader.bytes()];
      else if (tag === 6) [reader.number(), tables.delete(reader.number() ?? -1)];
      else if (tag === 7) {
        const [, number, size] = [reader.number(), reader.number(), reader.number()];
        if (number === undefined || size === undefined) return undefined;
        tables.set(number, size);
        [reader.bytes(), reader.bytes()];
      } else return undefined;
      if (reader.isCut) return undefined;
    }
  }
  return { logNumber, tables };
}

/** Varints and bytes with their length before them; once it was cut, everything is undefined. */
export class Reader {
  readonly #from: Uint8Array;
  #at: number;
  isCut = false;

  constructor(from: Uint8Array, at: number) {
    this.#from = from;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.isCut || this.#at >= this.#from.length;
  }

  number(): number | undefined {
    let [value, factor] = [0, 1];
    while (!this.isAtEnd) {
      const byte = this.#from[this.#at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    this.isCut = true;
    return undefined;
  }

  bytes(): Uint8Array | undefined {
    const length = this.number();
    return length === undefined ? undefined : this.take(length);
  }

  /** A little-endian number of so many bytes. */
  fixed(count: number): number | undefined {
    const bytes = this.take(count);
    return bytes?.reduceRight((sum, byte) => sum * 256 + byte, 0);
  }

  take(length: number): Uint8Array | undefined {
    const end = this.#at + length;
    this.isCut = end > this.#from.length;
    if (this.isCut) return undefined;
    const bytes = this.#from.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

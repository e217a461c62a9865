/**
 * Reads a table of LevelDB and checks what LevelDB does not: it verifies no checksum of a table, and
 * ends the whole process where a key that rotted is out of order.
 *
 *   table   blocks, the block of meta blocks, the index, and 48 bytes of footer with the last two's
 *           handles (offset, size) and a magic number
 *   block   entries, restart points; behind it its compression (0 none, 1 snappy) and its checksum
 *   entry   bytes shared with the key before, further bytes of the key, bytes of the value
 *   key     the user's, then 8 bytes: type (0 delete, 1 put) and sequence
 */
import { crc32c } from "@causeway/shared/checksum.ts";
import { Reader, unmasked } from "./leveldb-files.ts";
import type { Entry } from "./store.ts";

const footerBytes = 48;
const magic = Buffer.from("57fb808b247547db", "hex");
const trailerBytes = 5;
const keyTrailerBytes = 8;
/** A block is some 4 KiB, or one value. */
const blockBytesMax = 64 * 1_024 * 1_024;

export interface Table {
  readonly isWhole: boolean;
  /** What was put, from the blocks that are sound; the same key's newest comes first. */
  readonly puts: () => Entry[];
}

const unreadable: Table = { isWhole: false, puts: () => [] };

export function readTable(bytes: Uint8Array): Table {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const footerAt = file.length - footerBytes;
  if (footerAt < 0 || !file.subarray(-magic.length).equals(magic)) return unreadable;
  const footer = new Reader(file, footerAt);
  const [meta, indexHandle] = [handleOf(footer), handleOf(footer)];
  const index = blockAt(file, indexHandle);
  const entries = index && entriesOf(index);
  if (entries === undefined) return unreadable;
  const blocks = entries.map(([, value]) => blockAt(file, handleOf(new Reader(value, 0))));
  const isWhole = blocks.every((block) => block !== undefined) && blockAt(file, meta) !== undefined;
  return { isWhole, puts: () => blocks.flatMap((block) => (block ? putsOf(block) : [])) };
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

function handleOf(reader: Reader): Handle | undefined {
  const [offset, size] = [reader.number(), reader.number()];
  return offset === undefined || size === undefined ? undefined : { offset, size };
}

/** The bytes of a block that is sound, as they are stored. */
interface Stored {
  readonly bytes: Buffer;
  readonly isCompressed: boolean;
}

function blockAt(file: Buffer, handle: Handle | undefined): Stored | undefined {
  if (handle === undefined) return undefined;
  const end = handle.offset + handle.size;
  if (end + trailerBytes > file.length) return undefined;
  const stated = unmasked(file.readUInt32LE(end + 1));
  if (stated !== crc32c(file, handle.offset, end + 1)) return undefined;
  return { bytes: file.subarray(handle.offset, end), isCompressed: file[end] === 1 };
}

function putsOf(block: Stored): Entry[] {
  return (entriesOf(block) ?? []).flatMap(([key, value]): Entry[] => {
    const typeAt = key.length - keyTrailerBytes;
    return typeAt >= 0 && key[typeAt] === 1 ? [[key.subarray(0, typeAt), value]] : [];
  });
}

function entriesOf({ bytes, isCompressed }: Stored): Entry[] | undefined {
  const block = isCompressed ? unsnap(bytes) : bytes;
  if (block === undefined || block.length < 4) return undefined;
  const end = block.length - 4 - block.readUInt32LE(block.length - 4) * 4;
  const reader = new Reader(block.subarray(0, Math.max(0, end)), 0);
  const entries: Entry[] = [];
  let key = Buffer.alloc(0);
  while (!reader.isAtEnd) {
    const [shared, own, size] = [reader.number(), reader.number(), reader.number()];
    const rest = own === undefined ? undefined : reader.take(own);
    const value = size === undefined ? undefined : reader.take(size);
    if (shared === undefined || rest === undefined || value === undefined) return undefined;
    key = Buffer.concat([key.subarray(0, shared), rest]);
    entries.push([key, value]);
  }
  return entries;
}

/** Snappy's raw format; undefined where it is none. */
export function unsnap(bytes: Uint8Array): Buffer | undefined {
  const reader = new Reader(bytes, 0);
  const length = reader.number();
  if (length === undefined || length > blockBytesMax) return undefined;
  const out = Buffer.alloc(length);
  let at = 0;
  while (!reader.isAtEnd) {
    const tag = reader.fixed(1) ?? 0;
    if ((tag & 3) === 0) {
      const short = tag >> 2;
      const size = short < 60 ? short : reader.fixed(short - 59);
      const literal = size === undefined ? undefined : reader.take(size + 1);
      if (literal === undefined || at + literal.length > length) return undefined;
      out.set(literal, at);
      at += literal.length;
      continue;
    }
    const isNear = (tag & 3) === 1;
    const size = isNear ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const low = reader.fixed(isNear ? 1 : (tag & 3) === 2 ? 2 : 4);
    const back = low === undefined ? 0 : isNear ? (tag >> 5) * 256 + low : low;
    if (back === 0 || back > at || at + size > length) return undefined;
    // One by one, for a copy may reach into itself.
    for (let copied = 0; copied < size; copied++, at++) out[at] = out[at - back] as number;
  }
  return reader.isCut || at !== length ? undefined : out;
}

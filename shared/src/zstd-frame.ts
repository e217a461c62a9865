/**
 * The head of a Zstandard frame (RFC 8878 §3.1.1), as far as it says how large its content is:
 *
 *   bytes 0-3   magic number, 28 b5 2f fd
 *   byte 4      descriptor: bits 7-6 size of the content's size, bit 5 single segment,
 *               bits 1-0 size of the dictionary's id
 *   then        window, one byte, where it is no single segment; dictionary's id; content's size
 */
const magic = 0xfd2fb528;
const dictionaryIdBytes = [0, 1, 2, 4];

/** Undefined where the frame does not state it, or is none. */
export function frameContentBytes(data: Uint8Array): number | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 6 || view.getUint32(0, true) !== magic) return undefined;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const at = 5 + (isSingleSegment ? 0 : 1) + (dictionaryIdBytes[descriptor & 3] ?? 0);
  const bytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  if (bytes === 0 || at + bytes > data.length) return undefined;
  if (bytes === 1) return view.getUint8(at);
  // Two bytes count from 256 on: smaller contents have one.
  if (bytes === 2) return view.getUint16(at, true) + 256;
  return bytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

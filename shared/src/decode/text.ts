/** Bytes to text, strictly: U+FFFD must never stand where a device sent something else. */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The text, or undefined where the bytes are no UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

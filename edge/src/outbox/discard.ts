/**
 * Gives the memory of bytes back at once, which nobody reads any more. V8 would do so when it next
 * collects, and lets some 50 MB of them gather until then.
 */
export function discard(bytes: Uint8Array): void {
  const { buffer } = bytes;
  // A part of a larger buffer shares it with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer(0);
}

/**
 * Gathers the many small writes of one turn into few: aedes' packet writer makes three of every
 * PUBACK, and each costs more than its bytes.
 */
import type { Socket } from "node:net";

/** Larger ones are not worth copying. */
const copyBytesMax = 512;
const firstBytes = 512;
const nextBytes = 8 * 1_024;

export function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (chunk: unknown, ...rest: unknown[]) => boolean;
  const cork = socket.cork.bind(socket);
  const uncork = socket.uncork.bind(socket);
  let buffer: Buffer | undefined;
  let used = 0;
  let isCorked = false;

  const pass = () => {
    if (buffer === undefined || used === 0) return;
    write(buffer.subarray(0, used));
    buffer = undefined;
    used = 0;
  };
  const finish = () => {
    isCorked = false;
    pass();
    uncork();
  };
  const begin = () => {
    if (isCorked) return;
    isCorked = true;
    cork();
    queueMicrotask(finish);
  };
  const room = (bytes: number) => {
    if (buffer !== undefined && used + bytes > buffer.length) {
      pass();
      buffer = Buffer.allocUnsafe(nextBytes);
    }
    buffer ??= Buffer.allocUnsafe(firstBytes);
    return buffer;
  };

  socket.cork = begin;
  // Bytes that were gathered go before these.
  socket.uncork = () => {};
  socket.write = ((chunk: unknown, ...rest: unknown[]) => {
    const isText = typeof chunk === "string" && rest.every((each) => each === "utf8");
    const isBytes = chunk instanceof Uint8Array && rest.length === 0;
    // UTF-8 takes at most three bytes for a unit of UTF-16.
    const bytes = isText ? chunk.length * 3 : isBytes ? chunk.length : Number.POSITIVE_INFINITY;
    if (bytes > copyBytesMax || socket.destroyed) {
      pass();
      return write(chunk, ...rest);
    }
    begin();
    const into = room(bytes);
    if (isText) used += into.write(chunk, used);
    else if (isBytes) {
      into.set(chunk, used);
      used += bytes;
    }
    return !socket.writableNeedDrain;
  }) as Socket["write"];
}

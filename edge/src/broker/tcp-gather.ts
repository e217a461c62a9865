/**
 * Gathers the many small writes of one turn into few: aedes' packet writer makes three of every
 * PUBACK, and each costs more than its bytes.
 */
import type { Duplex } from "node:stream";

/** Larger ones are not worth copying. */
const copyBytesMax = 512;
const firstBytes = 512;
const nextBytes = 8 * 1_024;
const pubackBytes = 4;

export class GatheredWrites {
  readonly #write: (chunk: unknown, ...rest: unknown[]) => boolean;
  readonly #cork: () => void;
  readonly #uncork: () => void;
  readonly #finish = () => this.#end();
  #buffer: Buffer | undefined;
  #used = 0;
  #isCorked = false;

  constructor(stream: Duplex) {
    this.#write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
    this.#cork = stream.cork.bind(stream);
    this.#uncork = stream.uncork.bind(stream);
    stream.cork = () => this.#begin();
    // Bytes that were gathered go before these.
    stream.uncork = () => {};
    stream.write = ((chunk: unknown, ...rest: unknown[]) => {
      const isText = typeof chunk === "string" && rest.every((each) => each === "utf8");
      const isBytes = chunk instanceof Uint8Array && rest.length === 0;
      // UTF-8 takes at most three bytes for a unit of UTF-16.
      const bytes = isText ? chunk.length * 3 : isBytes ? chunk.length : Number.POSITIVE_INFINITY;
      if (bytes > copyBytesMax || stream.destroyed) {
        this.#pass();
        return this.#write(chunk, ...rest);
      }
      const into = this.#room(bytes);
      if (isText) this.#used += into.write(chunk, this.#used);
      else if (isBytes) {
        into.set(chunk, this.#used);
        this.#used += bytes;
      }
      return !stream.writableNeedDrain;
    }) as Duplex["write"];
  }

  puback(messageId: number): void {
    const into = this.#room(pubackBytes);
    const at = this.#used;
    into[at] = 0x40;
    into[at + 1] = 2;
    into[at + 2] = messageId >> 8;
    into[at + 3] = messageId & 0xff;
    this.#used = at + pubackBytes;
  }

  #begin(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#cork();
    queueMicrotask(this.#finish);
  }

  #room(bytes: number): Buffer {
    this.#begin();
    if (this.#buffer !== undefined && this.#used + bytes > this.#buffer.length) {
      this.#pass();
      this.#buffer = Buffer.allocUnsafe(nextBytes);
    }
    this.#buffer ??= Buffer.allocUnsafe(firstBytes);
    return this.#buffer;
  }

  #pass(): void {
    if (this.#buffer === undefined || this.#used === 0) return;
    this.#write(this.#buffer.subarray(0, this.#used));
    this.#buffer = undefined;
    this.#used = 0;
  }

  #end(): void {
    this.#isCorked = false;
    this.#pass();
    this.#uncork();
  }
}

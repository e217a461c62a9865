/**
 * Cuts the bytes of one MQTT connection into packets, and says when one is larger than the bound,
 * before anything gathers it. It reads only fixed headers (MQTT 3.1.1 §2.2): a type byte and up to
 * four bytes of remaining length, seven bits each.
 */
export type GuardVerdict = "fine" | "too-large" | "malformed";

export interface PacketTaker {
  /** Whether it would take a packet that begins with this byte, now. */
  wants(first: number): boolean;
  /** A packet that lies whole in the chunk, its body from `from` to `until`; false passes it on. */
  take(first: number, chunk: Buffer, from: number, until: number): boolean;
  /** What was not taken, in order with what was. */
  rest(bytes: Buffer): void;
}

export class PacketGuard {
  readonly #bytesMax: number;
  /** Bytes of the current packet still to come. */
  #remaining = 0;
  #state: "type" | "length" = "type";
  #first = 0;
  #length = 0;
  #shift = 0;
  #begun = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether a whole packet has come. */
  get isPastFirst(): boolean {
    return this.#begun > 1 || (this.#begun === 1 && this.#remaining === 0);
  }

  /** Takes the next bytes; once it answers other than `fine` the connection must be closed. */
  read(chunk: Buffer, taker: PacketTaker): GuardVerdict {
    /** From here on nothing is passed on yet. */
    let passed = 0;
    /** Where the current packet begins; undefined where that was in a chunk before. */
    let start: number | undefined;
    for (let at = 0; at < chunk.length; ) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, chunk.length - at);
        this.#remaining -= skipped;
        at += skipped;
        continue;
      }
      if (this.#state === "type") start = at;
      const verdict = this.#header(chunk[at] as number);
      if (verdict !== "fine") return verdict;
      at++;
      const end = at + this.#remaining;
      const isWhole = this.#state === "type" && start !== undefined && end <= chunk.length;
      if (!isWhole || !taker.wants(this.#first)) continue;
      if (start !== undefined && start > passed) taker.rest(chunk.subarray(passed, start));
      passed = start ?? passed;
      if (taker.take(this.#first, chunk, at, end)) passed = end;
    }
    if (passed < chunk.length) taker.rest(passed === 0 ? chunk : chunk.subarray(passed));
    return "fine";
  }

  #header(byte: number): GuardVerdict {
    if (this.#state === "type") {
      this.#state = "length";
      this.#first = byte;
      this.#length = 0;
      this.#shift = 0;
      return byte >> 4 === 0 ? "malformed" : "fine";
    }
    this.#length += (byte & 0x7f) << this.#shift;
    this.#shift += 7;
    if (byte & 0x80) return this.#shift > 21 ? "malformed" : "fine";
    if (this.#length > this.#bytesMax) return "too-large";
    this.#remaining = this.#length;
    this.#state = "type";
    this.#begun++;
    return "fine";
  }
}

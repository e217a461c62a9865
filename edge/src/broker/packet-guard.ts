/**
 * Watches the bytes of one MQTT connection and says when a packet is larger than the bound, before
 * the broker's parser gathers it. It reads only fixed headers (MQTT 3.1.1 §2.2): a type byte and up
 * to four bytes of remaining length, seven bits each.
 */
export type GuardVerdict = "fine" | "too-large" | "malformed";

export class PacketGuard {
  readonly #bytesMax: number;
  /** Bytes of the current packet still to come. */
  #remaining = 0;
  #state: "type" | "length" = "type";
  #length = 0;
  #shift = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes the next bytes; once it answers other than `fine` the connection must be closed. */
  check(chunk: Uint8Array): GuardVerdict {
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, chunk.length - at);
        this.#remaining -= skipped;
        at += skipped;
        continue;
      }
      const verdict = this.#header(chunk[at] as number);
      if (verdict !== "fine") return verdict;
      at++;
    }
    return "fine";
  }

  #header(byte: number): GuardVerdict {
    if (this.#state === "type") {
      this.#state = "length";
      this.#length = 0;
      this.#shift = 0;
      return byte >> 4 === 0 ? "malformed" : "fine";
    }
    this.#length += (byte & 0x7f) * 2 ** this.#shift;
    this.#shift += 7;
    if (byte & 0x80) return this.#shift > 21 ? "malformed" : "fine";
    if (this.#length > this.#bytesMax) return "too-large";
    this.#remaining = this.#length;
    this.#state = "type";
    return "fine";
  }
}

/** Bytes per millisecond, as they came in about the last hour. */

const spanMs = 3_600_000;
/** Less than that tells nothing. */
const toldMs = 10_000;

export class Rate {
  #bytes = 0;
  #atMs = 0;
  #sinceMs: number | undefined;

  note(bytes: number, nowMs: number): void {
    this.#sinceMs ??= nowMs;
    this.#bytes = this.#bytesAt(nowMs) + bytes;
    this.#atMs = nowMs;
  }

  /** Undefined while it cannot be told. */
  perMs(nowMs: number): number | undefined {
    if (this.#sinceMs === undefined) return undefined;
    const forMs = Math.max(toldMs, nowMs - this.#sinceMs);
    return this.#bytesAt(nowMs) / (spanMs * (1 - Math.exp(-forMs / spanMs)));
  }

  #bytesAt(nowMs: number): number {
    return this.#bytes * Math.exp(-Math.max(0, nowMs - this.#atMs) / spanMs);
  }
}

/**
 * A cap on bytes per second as a bucket that may go into debt: whatever is due goes whole, and the
 * next waits until it is paid for. What two seconds allow may go at once.
 */

const burstSeconds = 2;
/** Less is not worth a batch. */
export const atOnceBytesMin = 4 * 1_024;

export class Pace {
  readonly #burstBytesMax: number;
  #burstBytes: number;
  #bytesPerSecond: number | undefined;
  #tokens: number;
  #atMs = 0;

  constructor(burstBytesMax: number) {
    this.#burstBytesMax = burstBytesMax;
    this.#burstBytes = burstBytesMax;
    this.#tokens = burstBytesMax;
  }

  /** So much may go at once. */
  get burstBytes(): number {
    return this.#burstBytes;
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** Undefined ends the cap. */
  limit(bytesPerSecond: number | undefined, nowMs: number): void {
    this.#refill(nowMs);
    const wanted = (bytesPerSecond ?? Number.POSITIVE_INFINITY) * burstSeconds;
    this.#burstBytes = Math.min(this.#burstBytesMax, Math.max(atOnceBytesMin, wanted));
    const isBegun = this.#bytesPerSecond === undefined;
    this.#tokens = isBegun ? this.#burstBytes : Math.min(this.#tokens, this.#burstBytes);
    this.#bytesPerSecond = bytesPerSecond;
  }

  spend(bytes: number, nowMs: number): void {
    if (this.#bytesPerSecond === undefined) return;
    this.#refill(nowMs);
    this.#tokens = Math.min(this.#burstBytes, this.#tokens - bytes);
  }

  /** When something may be sent, with so many bytes at hand; in the past where it may now. */
  freeAtMs(bytes = 1): number {
    const wanted = Math.min(bytes, this.#burstBytes);
    if (this.#bytesPerSecond === undefined || this.#tokens > wanted - 1) {
      return Number.NEGATIVE_INFINITY;
    }
    return this.#atMs + Math.ceil(((wanted - this.#tokens) * 1_000) / this.#bytesPerSecond);
  }

  #refill(nowMs: number): void {
    const gained = ((this.#bytesPerSecond ?? 0) * Math.max(0, nowMs - this.#atMs)) / 1_000;
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + gained);
    this.#atMs = nowMs;
  }
}

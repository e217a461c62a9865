/** When a chunk of one direction leaves the link: after delay, jitter and what goes before it. */
import type { Random } from "@causeway/shared/random.ts";
import type { Conditions } from "./conditions.ts";

export class Pacing {
  #lastMs = 0;
  /** The line is busy with earlier bytes until then. */
  #freeMs = 0;

  /** Never before what came earlier: a link reorders nothing. */
  leavesAt(
    bytes: number,
    nowMs: number,
    { delayMs, jitterMs, bytesPerSecond }: Conditions,
    random: Random,
  ): number {
    const busyMs = bytesPerSecond === undefined ? 0 : (bytes * 1_000) / bytesPerSecond;
    this.#freeMs = Math.max(nowMs, this.#freeMs) + busyMs;
    const sentMs = bytesPerSecond === undefined ? nowMs : this.#freeMs;
    this.#lastMs = Math.max(this.#lastMs, sentMs + delayMs + random.next() * jitterMs);
    return this.#lastMs;
  }
}

/**
 * Notices that this process goes on from an image: resumed, or restored beside another that goes on
 * as well. Both would append at the same positions. A process cannot see that it stood still, but
 * its clocks can: boot time, which is part of the image, falls behind the wall clock, or goes back.
 * A clock that was merely set looks the same; a new epoch costs nothing.
 */
import type { Clock } from "@causeway/shared/clock.ts";

/** Beyond any rounding; both clocks are slewed alike, so only steps part them. */
const stepMs = 1_000;

export class Moved {
  readonly #clock: Clock;
  #bootId: string;
  #bootMs: number;
  #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#bootId = clock.bootId;
    this.#bootMs = clock.bootMs();
    this.#offsetMs = clock.wallMs() - clock.bootMs();
  }

  /** Why this may be an image of what ran at the last call; told once. */
  sign(): string | undefined {
    const { bootId } = this.#clock;
    const bootMs = this.#clock.bootMs();
    const offsetMs = this.#clock.wallMs() - bootMs;
    const sign = this.#signIn(bootId, bootMs, offsetMs);
    this.#bootMs = bootMs;
    if (sign === undefined) return undefined;
    this.#bootId = bootId;
    this.#offsetMs = offsetMs;
    return sign;
  }

  #signIn(bootId: string, bootMs: number, offsetMs: number): string | undefined {
    if (bootId !== this.#bootId) return `boot ${this.#bootId} became ${bootId}`;
    if (bootMs < this.#bootMs) return `boot time went back by ${this.#bootMs - bootMs} ms`;
    const byMs = offsetMs - this.#offsetMs;
    return Math.abs(byMs) < stepMs ? undefined : `the clock stepped by ${byMs} ms`;
  }
}

/**
 * Decides when a connection that looks open is given up (U9): requests get no answer again and again,
 * or nothing is taken however often it is sent. Bounded by its own back-off.
 */
import type { PublishFault } from "./fault.ts";

const silentMs = 30_000;
const silentCountMin = 4;
const vainGoBacksMin = 3;
const redialFirstMs = 60_000;
const redialMaxMs = 16 * 60_000;

type Request = "publish" | "mark";

export class Watchdog {
  readonly #silence = new Map<Request, { sinceMs: number; count: number }>();
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #intervalMs = redialFirstMs;
  redials = 0;

  /** An error is an answer too. */
  answered(request: Request): void {
    this.#silence.delete(request);
  }

  /** Why the connection is to be given up. */
  failed(request: Request, fault: PublishFault, nowMs: number): string | undefined {
    if (fault !== "no-answer") {
      this.answered(request);
      return undefined;
    }
    const silence = this.#silence.get(request) ?? { sinceMs: nowMs, count: 0 };
    silence.count++;
    this.#silence.set(request, silence);
    const forMs = nowMs - silence.sinceMs;
    if (silence.count < silentCountMin || forMs < silentMs) return undefined;
    return this.#redial(
      `no answer to ${silence.count} requests (${request}) in ${forMs} ms`,
      nowMs,
    );
  }

  wentBackInVain(times: number, nowMs: number): string | undefined {
    if (times < vainGoBacksMin) return undefined;
    return this.#redial(`nothing taken after ${times} go-backs`, nowMs);
  }

  /** What was silent belongs to a connection that is gone. */
  connectionChanged(): void {
    this.#silence.clear();
  }

  progressed(): void {
    this.#intervalMs = redialFirstMs;
  }

  #redial(reason: string, nowMs: number): string | undefined {
    if (nowMs < this.#notBeforeMs) return undefined;
    this.#notBeforeMs = nowMs + this.#intervalMs;
    this.#intervalMs = Math.min(redialMaxMs, this.#intervalMs * 2);
    this.redials++;
    return reason;
  }
}

/** A clock whose time moves only when a test or a simulated world moves it. */
import type { Clock } from "../clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

export class VirtualClock implements Clock {
  readonly bootId: string;
  #nowMs = 0;
  #offsetMs: number;
  #order = 0;
  #timers: Timer[] = [];

  constructor(wallMs = Date.UTC(2026, 0, 1), bootId = "virtualboot1") {
    this.#offsetMs = wallMs;
    this.bootId = bootId;
  }

  bootMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#offsetMs;
  }

  /** Sets the wall clock wrong by so much more. */
  jump(byMs: number): void {
    this.#offsetMs += byMs;
  }

  after(delayMs: number, act: () => void): () => void {
    return this.#set(this.#nowMs + Math.max(0, delayMs), act);
  }

  /** Earlier than any timer can be. */
  soon(act: () => void): void {
    this.#set(Number.NEGATIVE_INFINITY, act);
  }

  #set(atMs: number, act: () => void): () => void {
    const timer = { atMs, order: this.#order++, act };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time on, timer by timer; promises settle between them. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.act();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue;
      if (first === undefined || timer.atMs < first.atMs) first = timer;
      else if (timer.atMs === first.atMs && timer.order < first.order) first = timer;
    }
    return first;
  }
}

/** Lets promise chains run dry: an immediate comes only after the last of them. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

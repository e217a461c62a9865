/**
 * Whether ticks stay away. A process that has no connection does not know: it counts from the
 * moment at which it has one.
 */
export const noTickMs = 30_000;

export class TickWatch {
  #identity: string | undefined;
  #countedFromMs: number;

  constructor(nowMs: number) {
    this.#countedFromMs = nowMs;
  }

  /** The journal's newest tick, as it was found just now. */
  found(identity: string | undefined, nowMs: number): void {
    if (identity === this.#identity) return;
    this.#identity = identity;
    this.#countedFromMs = nowMs;
  }

  disconnected(nowMs: number): void {
    this.#countedFromMs = nowMs;
  }

  /** For how long the newest tick has been the newest. */
  silentMs(nowMs: number): number {
    return nowMs - this.#countedFromMs;
  }

  isOverdue(nowMs: number): boolean {
    return this.silentMs(nowMs) >= noTickMs;
  }
}

/**
 * Decides when a backlog of more than one batch steps aside, so that what is fresh need not wait for
 * it (U13).
 */

/** Each jump is an epoch, so links that flap may not bring one about with every return. */
export const jumpEveryMs = 60_000;

export interface Backlog {
  readonly ageMs: number;
  /** It is of the epoch that is appended to. */
  readonly isOpen: boolean;
}

/**
 *   stay   goes by live
 *   move   its epoch goes by history
 *   jump   the same, and a new epoch is begun
 */
export type Step = "stay" | "move" | "jump";

export class Jumps {
  readonly #freshAfterMs: number;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  count = 0;

  constructor(freshAfterMs: number) {
    this.#freshAfterMs = freshAfterMs;
  }

  stepAside({ ageMs, isOpen }: Backlog, nowMs: number): Step {
    if (ageMs < this.#freshAfterMs || this.#freshAfterMs === Number.POSITIVE_INFINITY)
      return "stay";
    if (!isOpen) return "move";
    if (nowMs < this.#notBeforeMs) return "stay";
    this.#notBeforeMs = nowMs + jumpEveryMs;
    this.count++;
    return "jump";
  }
}

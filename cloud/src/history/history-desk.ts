/**
 * Takes queries: few at a time, each with an end, so that neither the writer nor the rest of the
 * process waits for people.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Historian } from "./historian.ts";

/** DuckDB works in threads of Node's own pool, which others need too. */
const runningMax = 2;
const waitingMax = 32;
const queryMsMax = 60_000;

export interface DeskParts {
  readonly clock: Clock;
  /** Throws where there is none just now. */
  readonly historian: () => Promise<Historian>;
  readonly queryMsMax?: number;
}

export class HistoryDesk {
  readonly #parts: DeskParts;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #served = 0;
  #refused = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  figures() {
    const waiting = this.#waiting.length;
    return { running: this.#running, waiting, served: this.#served, refused: this.#refused };
  }

  /** Throws HISTORY_BUSY; what takes too long is broken off. */
  async *ask<Piece>(
    signal: AbortSignal,
    act: (historian: Historian, signal: AbortSignal) => AsyncIterable<Piece>,
  ): AsyncGenerator<Piece> {
    await this.#enter(signal);
    const late = new AbortController();
    const { clock, historian, queryMsMax: most = queryMsMax } = this.#parts;
    const cancel = clock.after(most, () => {
      late.abort(new CodedError("HISTORY_BUSY", `the query took more than ${most / 1_000} s`));
    });
    try {
      yield* act(await historian(), AbortSignal.any([signal, late.signal]));
      this.#served++;
    } finally {
      cancel();
      this.#leave();
    }
  }

  /** The place goes to the one who waits longest. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < runningMax) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= waitingMax) {
      this.#refused++;
      throw new CodedError("HISTORY_BUSY", `${waitingMax} queries wait already: try again later`);
    }
    const isGiven = await new Promise<boolean>((resolve) => {
      const take = () => resolve(true);
      const giveUp = () => {
        const at = this.#waiting.indexOf(take);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        resolve(false);
      };
      this.#waiting.push(take);
      signal.addEventListener("abort", giveUp, { once: true });
    });
    if (!signal.aborted) return;
    if (isGiven) this.#leave();
    signal.throwIfAborted();
  }
}

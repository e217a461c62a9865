/**
 * Takes queries: few at a time, so that neither the writer nor the rest of the process waits for people.
 * One whose next piece takes too long, to be found or to be taken away, is broken off.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Historian } from "./historian.ts";

/** DuckDB works in threads of Node's own pool, of which there are 8, and others need some too. */
const runningMax = 4;
const waitingMax = 32;
const pieceMsMax = 60_000;

export interface DeskParts {
  readonly clock: Clock;
  /** Throws where there is none just now. */
  readonly historian: () => Promise<Historian>;
  readonly pieceMsMax?: number;
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

  /** Throws HISTORY_BUSY. */
  async *ask<Piece>(
    signal: AbortSignal,
    act: (historian: Historian, signal: AbortSignal) => AsyncGenerator<Piece>,
  ): AsyncGenerator<Piece> {
    await this.#enter(signal);
    const { clock, historian, pieceMsMax: most = pieceMsMax } = this.#parts;
    const late = new AbortController();
    const both = AbortSignal.any([signal, late.signal]);
    const tooLate = () =>
      late.abort(new CodedError("HISTORY_BUSY", `the query waited for ${most / 1_000} s`));
    let cancel = clock.after(most, tooLate);
    let pieces: AsyncGenerator<Piece> | undefined;
    let hasLeft = false;
    // Not by what runs here: that stands still while nobody takes a piece away.
    const end = () => {
      cancel();
      pieces?.return(undefined).catch(() => {}); // who waits for a piece is told why
      if (!hasLeft) this.#leave();
      hasLeft = true;
    };
    both.addEventListener("abort", end, { once: true });
    try {
      pieces = act(await historian(), both);
      for await (const piece of pieces) {
        cancel();
        cancel = clock.after(most, tooLate);
        yield piece;
      }
      both.throwIfAborted();
      this.#served++;
    } finally {
      both.removeEventListener("abort", end);
      end();
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

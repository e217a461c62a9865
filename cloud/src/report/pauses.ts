/**
 * When a device, or a gateway, said nothing. What comes later by `history` fills the pause that it
 * left, in whatever order it comes:
 *
 *     live      ──┴┴┴┴┴──────────────────┴┴┴┴──
 *     history          ┴┴┴┴┴┴
 *     pause                  ├───────────┤
 *
 *   Q1  A pause counts as a gap from `leastMs` on, and from five times as long as is usual: a device
 *       that speaks once an hour is not silent after ten minutes.
 *   Q2  What is usual is the longest of the last pauses that were none, and fades with every reading.
 *   Q3  Of more gaps than there is room for the shortest are given up.
 */
import type { Period } from "./period.ts";

/** Q1. */
const usualFactor = 5;
/** Q2. */
const fading = 0.95;
/** Readings of one moment say nothing of what is usual. */
const apartMs = 1_000;
/** Q3. */
const gapsMax = 24;

/** `[first, last, usual, count, [from, to, …]]` */
export type PausesRow = readonly [number, number, number, number, readonly number[]];

export class Pauses {
  #first = 0;
  #last = 0;
  #usualMs = 0;
  /** Up to 2: of one interval alone nothing is known. */
  #count = 0;
  #gaps: Period[] = [];

  static from([first, last, usual, count, gaps]: PausesRow): Pauses {
    const pauses = new Pauses();
    pauses.#first = first;
    pauses.#last = last;
    pauses.#usualMs = usual;
    pauses.#count = count;
    for (let at = 0; at + 1 < gaps.length; at += 2)
      pauses.#gaps.push({ from: gaps[at] ?? 0, to: gaps[at + 1] ?? 0 });
    return pauses;
  }

  row(): PausesRow {
    const gaps = this.#gaps.flatMap(({ from, to }) => [from, to]);
    return [this.#first, this.#last, Math.round(this.#usualMs), this.#count, gaps];
  }

  get last(): number {
    return this.#last;
  }

  hear(at: number, leastMs: number): void {
    if (this.#count === 0) {
      this.#first = at;
      this.#last = at;
      this.#count = 1;
    } else if (at >= this.#last) {
      this.#goOn(at, leastMs);
    } else if (at < this.#first) {
      if (this.#first - at >= this.#threshold(leastMs)) this.#add({ from: at, to: this.#first });
      this.#first = at;
    } else {
      this.#fill({ from: at, to: at }, leastMs);
    }
  }

  /** Of a roll-up: something was said all through it. */
  cover(span: Period, leastMs: number): void {
    this.hear(span.from, leastMs);
    this.hear(span.to, leastMs);
    this.#fill(span, leastMs);
  }

  /** The gaps of the period, cut to it, the last of which may go on; what is left of one may be none. */
  gapsIn({ from, to }: Period, leastMs: number): readonly Period[] {
    if (this.#count === 0) return [];
    const goesOn = { from: this.#last, to };
    const isSilent = to - this.#last >= this.#threshold(leastMs);
    return [...this.#gaps, ...(isSilent ? [goesOn] : [])]
      .map((gap) => ({ from: Math.max(gap.from, from), to: Math.min(gap.to, to) }))
      .filter((gap) => gap.to - gap.from >= Math.max(1, leastMs));
  }

  /** Whether something was said in the period. */
  isHeardIn(period: Period): boolean {
    const { from, to } = period;
    if (this.#count === 0 || this.#first >= to || this.#last < from) return false;
    return !this.#gaps.some((gap) => gap.from < from && gap.to >= to);
  }

  /** Gaps that ended before. */
  forget(before: number): void {
    if ((this.#gaps[0]?.to ?? before) >= before) return;
    this.#gaps = this.#gaps.filter(({ to }) => to >= before);
  }

  /** Q1. */
  isGap(lengthMs: number, leastMs: number): boolean {
    return lengthMs >= this.#threshold(leastMs);
  }

  #threshold(leastMs: number): number {
    return Math.max(leastMs, usualFactor * this.#usualMs);
  }

  #goOn(at: number, leastMs: number): void {
    const pauseMs = at - this.#last;
    if (this.#count > 1 && pauseMs >= this.#threshold(leastMs)) {
      this.#add({ from: this.#last, to: at });
    } else if (pauseMs >= apartMs) {
      this.#usualMs = Math.max(pauseMs, this.#usualMs * fading);
      this.#count = 2;
    }
    this.#last = at;
  }

  #fill(span: Period, leastMs: number): void {
    const isTouched = (gap: Period) => gap.from < span.to && span.from < gap.to;
    if (!this.#gaps.some(isTouched)) return;
    const leastLeft = this.#threshold(leastMs);
    this.#gaps = this.#gaps.flatMap((gap) => {
      if (!isTouched(gap)) return [gap];
      const left = [
        { from: gap.from, to: Math.min(gap.to, span.from) },
        { from: Math.max(gap.from, span.to), to: gap.to },
      ];
      return left.filter(({ from, to }) => to - from >= leastLeft);
    });
  }

  #add(gap: Period): void {
    this.#gaps.push(gap);
    this.#gaps.sort((a, b) => a.from - b.from);
    if (this.#gaps.length <= gapsMax) return;
    const shortest = Math.min(...this.#gaps.map(({ from, to }) => to - from));
    this.#gaps.splice(
      this.#gaps.findIndex(({ from, to }) => to - from === shortest),
      1,
    );
  }
}

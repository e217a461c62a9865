/**
 * How many readings fit the leaf within a window that slides.
 *
 *     fitting       │  │ │   │ │
 *     atLeast: 3    ______┌────────┐____     (now - within, now] holds so many
 *     fewerThan: 3            ┌────      ↑   from `within` after the key's first reading on
 *
 * The window is open on the left, as Prometheus' are, so that of readings once a minute 5 lie in
 * `within: 5m`. Kept: the newest N times, since older ones change no answer. Bound: N, at most 1,000.
 */
import type { Causes } from "./evidence.ts";
import { Evidence } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { fits, isTime, never } from "./operator.ts";
import { duration } from "./words.ts";

export interface CountSettings {
  readonly input: number;
  readonly withinMs: number;
  /** N of `atLeast` or `fewerThan`. */
  readonly times: number;
  readonly isAtLeast: boolean;
  readonly wanted: string;
}

export class CountOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = false;
  readonly #settings: CountSettings;
  /** A ring; the oldest is at `#next` once it is full. */
  readonly #times: number[] = [];
  #next = 0;
  #first: number | undefined;
  readonly #newest = new Evidence();

  constructor(settings: CountSettings) {
    this.#settings = settings;
  }

  get deadline(): number {
    const { withinMs, isAtLeast } = this.#settings;
    if (isAtLeast) return this.level ? this.#oldest + withinMs : never;
    if (this.level || this.#first === undefined) return never;
    const warm = this.#first + withinMs;
    return this.#isFull ? Math.max(warm, this.#oldest + withinMs) : warm;
  }

  step(at: number, item: Item | undefined): void {
    const { input, withinMs, isAtLeast, times } = this.#settings;
    const before = this.level;
    this.#first ??= at;
    if (item !== undefined && item.fits[input] === fits) {
      this.#times[this.#next] = at;
      this.#next = (this.#next + 1) % times;
      this.#newest.take(item);
    }
    const isReached = this.#isFull && this.#oldest > at - withinMs;
    const isWarm = at - this.#first >= withinMs;
    this.level = isAtLeast ? isReached : isWarm && !isReached;
    this.occurred = this.level && !before;
  }

  get #isFull(): boolean {
    return this.#times.length === this.#settings.times;
  }

  get #oldest(): number {
    return this.#times[this.#next] ?? 0;
  }

  say(at: number): string {
    const { withinMs, isAtLeast, times, wanted } = this.#settings;
    const span = duration(withinMs);
    if (isAtLeast) return `${wanted} ${times} times in ${span}, ${times - 1} are allowed`;
    const found = this.#times.filter((time) => time > at - withinMs).length;
    return `${wanted} ${found} times in ${span}, at least ${times} are usual`;
  }

  tell(causes: Causes): void {
    this.#newest.tell(causes);
  }

  encode(): unknown {
    const inOrder = this.#isFull
      ? [...this.#times.slice(this.#next), ...this.#times.slice(0, this.#next)]
      : this.#times.slice();
    return [
      this.#first ?? null,
      this.level ? 1 : 0,
      this.#newest.encode(),
      ...differences(inOrder),
    ];
  }

  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [first, level, newest, ...steps] = json as unknown[];
    if (first !== null && !isTime(first)) return false;
    if (!this.#newest.decode(newest)) return false;
    if (!steps.every(isTime) || steps.length > this.#settings.times) return false;
    this.#first = first ?? undefined;
    this.level = level === 1;
    let at = 0;
    for (const step of steps) {
      at += step;
      this.#times.push(at);
    }
    this.#next = steps.length % this.#settings.times;
    return true;
  }
}

/** The first, then how much later each next one is: short in JSON. */
export function differences(times: readonly number[]): readonly number[] {
  return times.map((time, index) => time - (index === 0 ? 0 : (times[index - 1] ?? 0)));
}

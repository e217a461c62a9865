/**
 * Nothing that fits the leaf.
 *
 *     fitting   │ │ │ │ │            │
 *     level     _______________┌─────┐__
 *                       ├after─┤
 *
 * Silence that is longer than `after` holds; it counts from the key's first reading on, so that what
 * never came is missed as well. Kept: the newest fitting moment. As Prometheus'
 * `absent_over_time`, and as the detector of this name.
 */
import type { Causes } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { fits, isTime, never } from "./operator.ts";
import { duration } from "./words.ts";

export interface AbsenceSettings {
  readonly input: number;
  readonly afterMs: number;
  /** What is missed, in words; undefined: anything. */
  readonly wanted: string | undefined;
}

export class AbsenceOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = false;
  readonly #settings: AbsenceSettings;
  /** Undefined before the first step. */
  #newest: number | undefined;

  constructor(settings: AbsenceSettings) {
    this.#settings = settings;
  }

  get deadline(): number {
    if (this.level || this.#newest === undefined) return never;
    return this.#newest + this.#settings.afterMs + 1;
  }

  step(at: number, item: Item | undefined): void {
    const { input, afterMs } = this.#settings;
    const before = this.level;
    if (item !== undefined && item.fits[input] === fits) this.#newest = at;
    this.#newest ??= at;
    this.level = at - this.#newest > afterMs;
    this.occurred = this.level && !before;
  }

  say(at: number): string {
    const { wanted, afterMs } = this.#settings;
    const missed = wanted === undefined ? "nothing" : `no ${wanted}`;
    return `${missed} for ${duration(at - (this.#newest ?? at))}; at most ${duration(afterMs)} are usual`;
  }

  tell(_causes: Causes): void {}

  encode(): unknown {
    return this.#newest === undefined ? null : [this.#newest, this.level ? 1 : 0];
  }

  decode(json: unknown): boolean {
    if (json === null) return true;
    if (!Array.isArray(json)) return false;
    const [newest, level] = json as unknown[];
    if (!isTime(newest)) return false;
    this.#newest = newest;
    this.level = level === 1;
    return true;
  }
}

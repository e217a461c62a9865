/**
 * So long after something came true.
 *
 *     since       ___┌──────────────────┐___┌──┐________
 *     occurred             ^                             not the second: false in between
 *                    ├after─┤               ├after─┤
 *
 * Momentary, and once for each coming true. A momentary condition is never false in between: it is
 * waited from its first occurrence on, and others meanwhile change nothing. Kept: the beginning of
 * the waiting. As `timer:interval` of Esper's patterns.
 */
import type { Causes } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { isTime, never } from "./operator.ts";
import { duration } from "./words.ts";

export class AfterOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = true;
  readonly #since: Operator;
  readonly #afterMs: number;
  #waitsFrom: number | undefined;
  #wasLevel = false;

  constructor(since: Operator, afterMs: number) {
    this.#since = since;
    this.#afterMs = afterMs;
  }

  get deadline(): number {
    return this.#waitsFrom === undefined ? never : this.#waitsFrom + this.#afterMs;
  }

  step(at: number, _item: Item | undefined): void {
    const { level, isMomentary } = this.#since;
    const cameTrue = level && (isMomentary || !this.#wasLevel);
    this.#wasLevel = level;
    if (!level && !isMomentary) this.#waitsFrom = undefined;
    if (cameTrue) this.#waitsFrom ??= at;
    const isOver = this.#waitsFrom !== undefined && at - this.#waitsFrom >= this.#afterMs;
    if (isOver) this.#waitsFrom = undefined;
    this.level = isOver;
    this.occurred = isOver;
  }

  say(at: number): string {
    return `${duration(this.#afterMs)} after ${this.#since.say(at)}`;
  }

  tell(causes: Causes): void {
    this.#since.tell(causes);
  }

  encode(): unknown {
    return [this.#waitsFrom ?? null, this.#wasLevel ? 1 : 0];
  }

  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [waitsFrom, wasLevel] = json as unknown[];
    if (waitsFrom !== null && !isTime(waitsFrom)) return false;
    this.#waitsFrom = waitsFrom ?? undefined;
    this.#wasLevel = wasLevel === 1;
    return true;
  }
}

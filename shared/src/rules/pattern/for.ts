/**
 * A condition that lasts, and one that is kept.
 *
 *     c               __┌──────────┐__┌──┐____
 *     for             _______┌─────┐__________    true so long without a break
 *     keepFiringFor   __┌────────────────────┐    until it was not true for so long
 *                       ├for─┤           ├keep┤
 *
 * Both ends belong to the stretch: at `since + for` it holds, at `end + keepFiringFor` it is over; a
 * reading of that very moment is heard first. As `for` and `keep_firing_for` of Prometheus'
 * alerting rules, in event time and without its sampling. A momentary condition is kept for 1 ms at
 * least, so that it is told before it is over. Kept: the beginning of the stretch.
 */
import type { Causes } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { isTime, never } from "./operator.ts";
import { duration } from "./words.ts";

const momentMs = 1;

export class ForOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = false;
  readonly #of: Operator;
  readonly #forMs: number;
  #since: number | undefined;

  constructor(of: Operator, forMs: number) {
    this.#of = of;
    this.#forMs = forMs;
  }

  get deadline(): number {
    return this.level || this.#since === undefined ? never : this.#since + this.#forMs;
  }

  step(at: number, _item: Item | undefined): void {
    const before = this.level;
    if (this.#of.level) this.#since ??= at;
    else this.#since = undefined;
    this.level = this.#since !== undefined && at - this.#since >= this.#forMs;
    this.occurred = this.level && !before;
  }

  say(at: number): string {
    return `${this.#of.say(at)} for ${duration(at - (this.#since ?? at))}`;
  }

  tell(causes: Causes): void {
    this.#of.tell(causes);
  }

  encode(): unknown {
    return this.#since === undefined ? null : [this.#since, this.level ? 1 : 0];
  }

  decode(json: unknown): boolean {
    if (json === null) return true;
    if (!Array.isArray(json)) return false;
    const [since, level] = json as unknown[];
    if (!isTime(since)) return false;
    this.#since = since;
    this.level = level === 1;
    return true;
  }
}

export class KeepOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = false;
  readonly #of: Operator;
  readonly #keepMs: number;
  /** When it began to hold, or ceased to. */
  changedAt: number | undefined;
  #endedAt: number | undefined;

  constructor(of: Operator, keepMs: number) {
    this.#of = of;
    this.#keepMs = of.isMomentary ? Math.max(keepMs, momentMs) : keepMs;
  }

  get deadline(): number {
    return this.#endedAt === undefined ? never : this.#endedAt + this.#keepMs;
  }

  step(at: number, _item: Item | undefined): void {
    const before = this.level;
    const { level, isMomentary } = this.#of;
    if (level) {
      this.level = true;
      this.#endedAt = undefined;
    } else if (before) {
      this.#endedAt ??= at;
      if (at - this.#endedAt >= this.#keepMs) {
        this.level = false;
        this.#endedAt = undefined;
      }
    }
    this.occurred = isMomentary ? level : this.level && !before;
    if (this.level !== before) this.changedAt = at;
  }

  say(at: number): string {
    return this.#of.say(at);
  }

  tell(causes: Causes): void {
    this.#of.tell(causes);
  }

  encode(): unknown {
    return [this.level ? 1 : 0, this.changedAt ?? null, this.#endedAt ?? null];
  }

  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [level, changedAt, endedAt] = json as unknown[];
    if (changedAt !== null && !isTime(changedAt)) return false;
    if (endedAt !== null && (!isTime(endedAt) || level !== 1)) return false;
    this.level = level === 1;
    this.changedAt = changedAt ?? undefined;
    this.#endedAt = endedAt ?? undefined;
    return true;
  }
}

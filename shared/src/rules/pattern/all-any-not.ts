/**
 * Levels together.
 *
 *     a          ____┌───────┐____
 *     b          _______┌───────┐_
 *     all        _______┌────┐____
 *     any        ____┌──────────┐_
 *     not a      ────┐_______┌────
 *
 * They come true when their level does. One that holds at the moments of a momentary condition
 * alone is momentary itself. Kept: the level, since its next coming true hangs on it.
 */
import type { Causes } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { never } from "./operator.ts";

abstract class LevelOperator implements Operator {
  level = false;
  occurred = false;
  readonly deadline = never;
  abstract readonly isMomentary: boolean;

  protected abstract holds(): boolean;
  abstract say(at: number): string;
  abstract tell(causes: Causes): void;

  step(_at: number, _item: Item | undefined): void {
    const level = this.holds();
    this.occurred = level && !this.level;
    this.level = level;
  }

  encode(): unknown {
    return this.level ? 1 : 0;
  }

  decode(json: unknown): boolean {
    this.level = json === 1;
    return json === 0 || json === 1;
  }
}

export class AllOperator extends LevelOperator {
  readonly isMomentary: boolean;
  readonly #of: readonly Operator[];

  constructor(of: readonly Operator[]) {
    super();
    this.#of = of;
    this.isMomentary = of.some(({ isMomentary }) => isMomentary);
  }

  protected holds(): boolean {
    for (const { level } of this.#of) if (!level) return false;
    return true;
  }

  say(at: number): string {
    return this.#of.map((operator) => operator.say(at)).join(" while ");
  }

  tell(causes: Causes): void {
    for (const operator of this.#of) operator.tell(causes);
  }
}

export class AnyOperator extends LevelOperator {
  readonly isMomentary: boolean;
  readonly #of: readonly Operator[];

  constructor(of: readonly Operator[]) {
    super();
    this.#of = of;
    this.isMomentary = of.every(({ isMomentary }) => isMomentary);
  }

  protected holds(): boolean {
    for (const { level } of this.#of) if (level) return true;
    return false;
  }

  say(at: number): string {
    const holding = this.#of.filter(({ level }) => level);
    return holding.map((operator) => operator.say(at)).join(", and ");
  }

  tell(causes: Causes): void {
    for (const operator of this.#of) if (operator.level) operator.tell(causes);
  }
}

export class NotOperator extends LevelOperator {
  readonly isMomentary = false;
  readonly #of: Operator;
  readonly #wanted: string;

  /** `wanted`: what does not hold, in words. */
  constructor(of: Operator, wanted: string) {
    super();
    this.#of = of;
    this.#wanted = wanted;
  }

  protected holds(): boolean {
    return !this.#of.level;
  }

  say(_at: number): string {
    return `no ${this.#wanted}`;
  }

  tell(_causes: Causes): void {}
}

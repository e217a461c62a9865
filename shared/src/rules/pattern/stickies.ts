/**
 * What each series of a key last said to an input: yes, no, or nothing yet; encoded as one digit a
 * series, by its number in the key's table.
 */
import type { Of } from "../condition.ts";
import { fits, misses, notConcerned } from "./operator.ts";

export class Stickies {
  readonly #of: Of;
  #bySeries: number[] = [];
  #told = 0;
  #yes = 0;

  constructor(of: Of) {
    this.#of = of;
  }

  get told(): number {
    return this.#told;
  }

  get yes(): number {
    return this.#yes;
  }

  get holds(): boolean {
    if (this.#of === "any") return this.#yes > 0;
    if (this.#of === "every") return this.#told > 0 && this.#yes === this.#told;
    return this.#yes >= this.#of;
  }

  has(series: number): boolean {
    return this.#bySeries[series] === fits;
  }

  set(series: number, isYes: boolean): void {
    while (this.#bySeries.length <= series) this.#bySeries.push(notConcerned);
    const before = this.#bySeries[series];
    const now = isYes ? fits : misses;
    if (before === now) return;
    if (before === notConcerned) this.#told += 1;
    this.#bySeries[series] = now;
    if (isYes) this.#yes += 1;
    else if (before === fits) this.#yes -= 1;
  }

  forget(series: number): void {
    const before = this.#bySeries[series] ?? notConcerned;
    if (before === notConcerned) return;
    this.#bySeries[series] = notConcerned;
    this.#told -= 1;
    if (before === fits) this.#yes -= 1;
  }

  encode(): string {
    return this.#bySeries.join("");
  }

  decode(json: unknown): boolean {
    if (typeof json !== "string" || !/^[012]*$/.test(json)) return false;
    for (let series = 0; series < json.length; series++) {
      const digit = Number(json[series]);
      if (digit !== notConcerned) this.set(series, digit === fits);
    }
    return true;
  }
}

/** A set of whole numbers as sorted, disjoint ranges: small wherever they come nearly in order. */
export class NumberRanges {
  /** Range i is froms[i]..tos[i], both ends inclusive, with a hole before the next. */
  readonly #froms: number[] = [];
  readonly #tos: number[] = [];

  has(number: number): boolean {
    const at = this.#atOrBefore(number);
    return at >= 0 && number <= (this.#tos[at] as number);
  }

  /** False where it was there already. */
  add(number: number): boolean {
    const at = this.#atOrBefore(number);
    if (at >= 0 && number <= (this.#tos[at] as number)) return false;
    const joinsLeft = at >= 0 && this.#tos[at] === number - 1;
    const joinsRight = this.#froms[at + 1] === number + 1;
    if (joinsLeft && joinsRight) {
      this.#tos[at] = this.#tos[at + 1] as number;
      this.#froms.splice(at + 1, 1);
      this.#tos.splice(at + 1, 1);
    } else if (joinsLeft) this.#tos[at] = number;
    else if (joinsRight) this.#froms[at + 1] = number;
    else {
      this.#froms.splice(at + 1, 0, number);
      this.#tos.splice(at + 1, 0, number);
    }
    return true;
  }

  /** All of them, rising. */
  *numbers(): Generator<number> {
    for (const [at, from] of this.#froms.entries()) {
      for (let number = from; number <= (this.#tos[at] as number); number++) yield number;
    }
  }

  /** The last range that begins at or before the number, -1 where none does. */
  #atOrBefore(number: number): number {
    let low = 0;
    let high = this.#froms.length;
    // Most numbers are greater than all before.
    if (high > 0 && number >= (this.#froms[high - 1] as number)) return high - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#froms[middle] as number) <= number) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

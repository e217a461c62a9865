/**
 * Rows by name, so many at most. At the bound a new name takes the place of one that was quiet for a
 * while; where none was, it has no row: those that are there stay, however many new names come.
 */

export interface RowBounds {
  readonly rowsMax: number;
  /** Of all names together. A name takes a hundredth of it at most: a few must not take all. */
  readonly charactersMax: number;
}

/** So long nothing came of a row before another may have its place. */
export const quietMs = 10 * 60_000;
/** A bound that nothing was beyond for so long is told again when it is reached anew. */
const recoveredMs = 3_600_000;
/** Rows looked at to make room for one: a storm of new names must not cost more. */
const looksMax = 4;

export interface Row {
  /** By the boot's clock. */
  readonly lastMs: number;
  /** Set once its place is another's. */
  isGone: boolean;
}

export class Rows<Each extends Row> {
  readonly #bounds: RowBounds;
  readonly #make: (name: string, nowMs: number) => Each;
  readonly #removed: (row: Each) => void;
  readonly #rows = new Map<string, Each>();
  #characters = 0;

  constructor(
    bounds: RowBounds,
    make: (name: string, nowMs: number) => Each,
    removed: (row: Each) => void = () => {},
  ) {
    this.#bounds = bounds;
    this.#make = make;
    this.#removed = removed;
  }

  get size(): number {
    return this.#rows.size;
  }

  all(): IterableIterator<Each> {
    return this.#rows.values();
  }

  find(name: string): Each | undefined {
    return this.#rows.get(name);
  }

  /** Made where there is room; undefined where there is none. */
  of(name: string, nowMs: number): Each | undefined {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    if (!this.#makeRoom(name, nowMs)) return undefined;
    const made = this.#make(name, nowMs);
    this.#rows.set(name, made);
    this.#characters += name.length;
    return made;
  }

  #makeRoom(name: string, nowMs: number): boolean {
    if (name.length > this.#bounds.charactersMax / 100) return false;
    for (let looks = 0; !this.#hasRoom(name); looks++) {
      const [oldest] = this.#rows;
      if (oldest === undefined || looks === looksMax) return false;
      const [other, row] = oldest;
      this.#rows.delete(other);
      if (nowMs - row.lastMs < quietMs) this.#rows.set(other, row);
      else {
        this.#characters -= other.length;
        row.isGone = true;
        this.#removed(row);
      }
    }
    return true;
  }

  #hasRoom(name: string): boolean {
    const { rowsMax, charactersMax } = this.#bounds;
    return this.#rows.size < rowsMax && this.#characters + name.length <= charactersMax;
  }
}

/** Says once that a bound is reached, and again only after nothing was beyond it for a while. */
export class Beyond {
  readonly #tell: (detail: string) => void;
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(tell: (detail: string) => void) {
    this.#tell = tell;
  }

  get count(): number {
    return this.#count;
  }

  happened(nowMs: number, detail: () => string): void {
    this.#count++;
    const isNews = nowMs - this.#lastMs >= recoveredMs;
    this.#lastMs = nowMs;
    if (isNews) this.#tell(detail());
  }
}

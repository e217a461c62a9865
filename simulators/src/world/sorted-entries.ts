/** Entries in the order of their keys. */
export class SortedEntries {
  #keys: string[] = [];
  #values = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Uint8Array): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#place(key), 0, key);
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#place(key), 1);
  }

  /** Those with `from <= key < until`, in order or against it. */
  *range(from: string, until: string, reverse: boolean): Generator<[string, Uint8Array]> {
    const keys = this.#keys.slice(this.#place(from), this.#place(until));
    if (reverse) keys.reverse();
    for (const key of keys) {
      const value = this.#values.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  copy(): SortedEntries {
    const copy = new SortedEntries();
    copy.#keys = [...this.#keys];
    copy.#values = new Map(this.#values);
    return copy;
  }

  /** Index of the first key that is not before `key`. */
  #place(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

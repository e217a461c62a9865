/**
 * Who is to be looked at when: a binary heap in which everyone stands once at most, so that it is
 * never longer than they are many, and a tick touches only those whose time has come.
 */
export interface Waiting {
  /** When to be looked at; for `Deadlines` alone to change. */
  wakeAt: number;
  /** Where it stands; -1 where it does not. */
  wakeIndex: number;
}

export class Deadlines<Sleeper extends Waiting> {
  readonly #heap: Sleeper[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** A later time than it has is taken only once that has come, which spares the heap most moves. */
  set(sleeper: Sleeper, wakeAt: number): void {
    if (sleeper.wakeIndex < 0) {
      if (wakeAt === Number.POSITIVE_INFINITY) return;
      sleeper.wakeAt = wakeAt;
      sleeper.wakeIndex = this.#heap.length;
      this.#heap.push(sleeper);
      this.#rise(sleeper.wakeIndex);
    } else if (wakeAt < sleeper.wakeAt) {
      sleeper.wakeAt = wakeAt;
      this.#rise(sleeper.wakeIndex);
    }
  }

  /** Takes one out whose time is not after `until`. */
  take(until: number): Sleeper | undefined {
    const [first] = this.#heap;
    if (first === undefined || first.wakeAt > until) return undefined;
    const last = this.#heap.pop();
    first.wakeIndex = -1;
    if (last !== undefined && last !== first) {
      this.#put(last, 0);
      this.#sink(0);
    }
    return first;
  }

  #put(sleeper: Sleeper, index: number): void {
    this.#heap[index] = sleeper;
    sleeper.wakeIndex = index;
  }

  #rise(from: number): void {
    const sleeper = this.#heap[from];
    if (sleeper === undefined) return;
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.wakeAt <= sleeper.wakeAt) break;
      this.#put(parent, index);
      index = above;
    }
    this.#put(sleeper, index);
  }

  #sink(from: number): void {
    const sleeper = this.#heap[from];
    if (sleeper === undefined) return;
    let index = from;
    for (;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      let below = left;
      if ((this.#heap[right]?.wakeAt ?? Infinity) < (this.#heap[left]?.wakeAt ?? Infinity)) {
        below = right;
      }
      const child = this.#heap[below];
      if (child === undefined || child.wakeAt >= sleeper.wakeAt) break;
      this.#put(child, index);
      index = below;
    }
    this.#put(sleeper, index);
  }
}

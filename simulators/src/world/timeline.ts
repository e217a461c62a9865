/**
 * Virtual time: what is due next happens next, whatever the machine's clock says.
 *
 *   T1  Equal times keep the order in which they were set, so that a seed replays exactly.
 *   T2  What was asked for `soon` comes before every timer.
 *   T3  Between two acts every promise that can settle has settled; `drain` sees to that.
 */
import type { Cancel } from "@causeway/shared/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  act: (() => void) | undefined;
}

/** Lets promise chains run dry. */
export type Drain = () => Promise<void>;

export class Timeline {
  readonly #drain: Drain;
  /** A binary heap, the earliest first. */
  readonly #heap: Timer[] = [];
  #soon: Timer[] = [];
  #order = 0;
  #nowMs = 0;

  constructor(drain: Drain) {
    this.#drain = drain;
  }

  /** Milliseconds since the world began, whole. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, act: () => void): Cancel {
    const atMs = this.#nowMs + Math.max(0, Math.ceil(delayMs));
    const timer: Timer = { atMs, order: this.#order++, act };
    this.#push(timer);
    return () => {
      timer.act = undefined;
    };
  }

  soon(act: () => void): Cancel {
    const timer: Timer = { atMs: this.#nowMs, order: this.#order++, act };
    this.#soon.push(timer);
    return () => {
      timer.act = undefined;
    };
  }

  /** Moves time on to `untilMs`, or until `isOver` says so. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    await this.#drain();
    while (!isOver()) {
      const timer = this.#take(untilMs);
      if (timer === undefined) break;
      this.#nowMs = timer.atMs;
      const { act } = timer;
      if (act === undefined) continue;
      timer.act = undefined;
      act();
      await this.#drain();
    }
    if (!isOver()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #take(untilMs: number): Timer | undefined {
    const soon = this.#soon.shift();
    if (soon !== undefined) return { ...soon, atMs: this.#nowMs };
    const [first] = this.#heap;
    return first !== undefined && first.atMs <= untilMs ? this.#pop() : undefined;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!isBefore(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right] as Timer, heap[child] as Timer))
        child = right;
      const below = heap[child] as Timer;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

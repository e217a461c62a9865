/** Finds clients that throw each other out because they share one id. */

export interface TakeoverBounds {
  /** So many takeovers of one id within the window are a loop. */
  readonly countMin: number;
  readonly windowMs: number;
  /** A loop is told once in so long. */
  readonly tellEveryMs: number;
  /** Ids watched at a time. */
  readonly idsMax: number;
}

export const defaultTakeoverBounds: TakeoverBounds = {
  countMin: 4,
  windowMs: 60_000,
  tellEveryMs: 600_000,
  idsMax: 1_000,
};

interface Watch {
  times: number[];
  toldAt: number | undefined;
  count: number;
}

export class Takeovers {
  readonly #bounds: TakeoverBounds;
  readonly #watches = new Map<string, Watch>();

  constructor(bounds: TakeoverBounds = defaultTakeoverBounds) {
    this.#bounds = bounds;
  }

  /** Whether this takeover makes a loop that should be told now. */
  happened(client: string, nowMs: number): boolean {
    const { countMin, windowMs, tellEveryMs } = this.#bounds;
    const watch = this.#watch(client);
    watch.times = [...watch.times.filter((time) => nowMs - time < windowMs), nowMs].slice(
      -countMin,
    );
    watch.count++;
    if (watch.times.length < countMin) return false;
    if (watch.toldAt !== undefined && nowMs - watch.toldAt < tellEveryMs) return false;
    watch.toldAt = nowMs;
    return true;
  }

  /** How often the id was taken over, and when a loop was told last; of ids that are watched. */
  of(client: string): { readonly count: number; readonly toldAt: number | undefined } {
    return this.#watches.get(client) ?? { count: 0, toldAt: undefined };
  }

  /** Ids that were told to be in a loop, of late. */
  sharedIds(nowMs: number): number {
    const isLate = ({ toldAt }: Watch) =>
      toldAt !== undefined && nowMs - toldAt < this.#bounds.tellEveryMs;
    return [...this.#watches.values()].filter(isLate).length;
  }

  /** The newest last, so that the bound takes the one that was quiet longest. */
  #watch(client: string): Watch {
    const watch = this.#watches.get(client) ?? { times: [], toldAt: undefined, count: 0 };
    this.#watches.delete(client);
    this.#watches.set(client, watch);
    const [oldest] = this.#watches.keys();
    if (this.#watches.size > this.#bounds.idsMax && oldest !== undefined) {
      this.#watches.delete(oldest);
    }
    return watch;
  }
}

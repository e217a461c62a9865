/**
 * Who is alive, by what one observer sees: a worker's beats, and its own clock. Clocks of two
 * machines are never compared.
 *
 *   S1  A worker is gone once its beat has stood still for `leaseMs` of looking on.
 *   S2  Time in which the observer could not look does not count: after a server was away everyone
 *       has the whole time to be seen again.
 */
export interface Beat {
  readonly worker: string;
  /** Another one with every beat. */
  readonly revision: number;
}

interface Seen {
  readonly revision: number;
  readonly sinceMs: number;
}

export class Sightings {
  readonly #leaseMs: number;
  readonly #gapMsMax: number;
  #seen: ReadonlyMap<string, Seen> = new Map();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(leaseMs: number, gapMsMax: number) {
    this.#leaseMs = leaseMs;
    this.#gapMsMax = gapMsMax;
  }

  /** Those that are alive, of the beats that are there now. */
  look(beats: readonly Beat[], nowMs: number): ReadonlySet<string> {
    const isGap = nowMs - this.#lookedAtMs > this.#gapMsMax;
    this.#lookedAtMs = nowMs;
    this.#seen = new Map(
      beats.map(({ worker, revision }) => {
        const known = this.#seen.get(worker);
        const isStill = known?.revision === revision && !isGap;
        return [worker, isStill ? known : { revision, sinceMs: nowMs }];
      }),
    );
    const alive = [...this.#seen].filter(([, { sinceMs }]) => nowMs - sinceMs < this.#leaseMs);
    return new Set(alive.map(([worker]) => worker));
  }
}

/**
 * Bounds of a boot's offset to real time, from when the cloud stored its marks. A mark that is read was
 * stored before that, and after the reading that found an older one; each reading narrows the bounds.
 */
export interface OffsetBounds {
  readonly lowMs: number;
  readonly highMs: number;
}

export const unbounded: OffsetBounds = {
  lowMs: Number.NEGATIVE_INFINITY,
  highMs: Number.POSITIVE_INFINITY,
};

/** A replica may answer that does not have the newest mark yet. */
const replicaBehindMsMax = 2_000;

export class CloudTime {
  #bounds = unbounded;
  #last: { readonly storedAtMs: number; readonly readBootMs: number } | undefined;

  get bounds(): OffsetBounds {
    return this.#bounds;
  }

  /** A mark that was stored at `storedAtMs` has been read. */
  read(storedAtMs: number, readBootMs: number): void {
    const last = this.#last;
    if (last !== undefined && storedAtMs <= last.storedAtMs) {
      // The next one is stored after this reading; an older one is a replica's, or a rollback's.
      if (storedAtMs === last.storedAtMs) this.#last = { ...last, readBootMs };
      return;
    }
    this.#last = { storedAtMs, readBootMs };
    const lowMs = Math.max(this.#bounds.lowMs, storedAtMs - readBootMs);
    const highMs =
      last === undefined
        ? this.#bounds.highMs
        : Math.min(this.#bounds.highMs, storedAtMs - last.readBootMs + replicaBehindMsMax);
    // The cloud's own clock was set: what it said before says nothing any more.
    this.#bounds = lowMs <= highMs ? { lowMs, highMs } : unbounded;
  }
}

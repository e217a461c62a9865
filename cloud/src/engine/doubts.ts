/**
 * What a gateway's next mark asks it about: batches that were refused, or that are not the expected
 * ones. One of each kind for a log of an epoch, and of more than `doubtsMax` the newest: one that
 * went comes again with the next batch.
 */
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Doubt } from "@causeway/shared/mark.ts";
import { doubtKinds } from "@causeway/shared/mark.ts";

const doubtsMax = 16;

interface LogOfEpoch {
  readonly epoch: string;
  readonly log: Log;
}

export class Doubts {
  readonly #byKey = new Map<string, Doubt>();

  /** Something of it was taken, so it has no doubt any more. */
  movedOn(place: LogOfEpoch): void {
    for (const kind of doubtKinds) this.#byKey.delete(keyOf(place, kind));
  }

  /** Replaces the log's last one of its kind. */
  note(doubt: Doubt): void {
    const key = keyOf(doubt, doubt.kind);
    this.#byKey.delete(key);
    this.#byKey.set(key, doubt);
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size > doubtsMax && oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** What waits behind a refused batch must not hide that it was refused. */
  all(): readonly Doubt[] {
    return [...this.#byKey.values()].sort(byEpoch);
  }
}

function keyOf({ epoch, log }: LogOfEpoch, kind: Doubt["kind"]): string {
  return `${epoch} ${log} ${kind}`;
}

function byEpoch(left: Doubt, right: Doubt): number {
  if (left.kind !== right.kind)
    return doubtKinds.indexOf(left.kind) - doubtKinds.indexOf(right.kind);
  return (epochOrdinal(left.epoch) ?? 0) - (epochOrdinal(right.epoch) ?? 0);
}

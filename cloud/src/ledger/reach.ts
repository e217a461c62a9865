/**
 * How far back from an epoch everything is taken: over each link to a predecessor that was taken to
 * the ends which the link states. Such a link stays one, so what was walked once is not walked again.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Predecessor } from "@causeway/shared/mark.ts";
import type { Lineage } from "./lineage.ts";

export class Reach {
  readonly #lineage: Lineage;
  readonly #isTaken: (before: Predecessor) => boolean;
  /** An epoch far back that is reached from this one. */
  readonly #shortcuts = new Map<EpochId, EpochId>();

  constructor(lineage: Lineage, isTaken: (before: Predecessor) => boolean) {
    this.#lineage = lineage;
    this.#isTaken = isTaken;
  }

  /** The earliest epoch that is reached. */
  from(epoch: EpochId): EpochId {
    const walked: EpochId[] = [];
    let at = epoch;
    for (let next = this.#next(at); next !== undefined; next = this.#next(at)) {
      walked.push(at);
      at = next;
    }
    for (const each of walked) this.#shortcuts.set(each, at);
    return at;
  }

  clear(): void {
    this.#shortcuts.clear();
  }

  #next(at: EpochId): EpochId | undefined {
    const shortcut = this.#shortcuts.get(at);
    if (shortcut !== undefined) return shortcut;
    const before = this.#lineage.before(at);
    if (before === undefined || before === null || !this.#isTaken(before)) return undefined;
    // A predecessor that does not come earlier would lead round in a circle.
    return this.#lineage.ordinal(before.epoch) < this.#lineage.ordinal(at)
      ? before.epoch
      : undefined;
  }
}

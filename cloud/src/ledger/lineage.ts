/**
 * Which epoch names which as its predecessor, and with what ends. In the life of one store this is
 * a chain; where a store was copied or put back to an older image it is a tree. Learned from batches
 * in any order, so links may be unknown for a while.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Predecessor } from "@causeway/shared/mark.ts";

/** How much of an epoch stands behind another: up to these ends, nothing of it, or not known. */
export type Behind = Predecessor["ends"] | "nothing" | "unknown";

export class Lineage {
  readonly #before = new Map<EpochId, Predecessor | null>();
  readonly #successors = new Map<EpochId, EpochId[]>();
  readonly #ordinals = new Map<EpochId, number>();
  readonly #byOrdinal = new Map<number, EpochId[]>();

  /** The epoch exists; more need not be known of it. */
  meet(epoch: EpochId): void {
    if (this.#ordinals.has(epoch)) return;
    const ordinal = epochOrdinal(epoch) ?? 0;
    this.#ordinals.set(epoch, ordinal);
    const others = this.#byOrdinal.get(ordinal);
    if (others === undefined) this.#byOrdinal.set(ordinal, [epoch]);
    else others.push(epoch);
  }

  /** Null where a store began with the epoch. What was told first stays; whether it is news. */
  learn(epoch: EpochId, before: Predecessor | null): boolean {
    if (this.#before.has(epoch)) return false;
    this.meet(epoch);
    this.#before.set(epoch, before);
    if (before === null) return true;
    this.meet(before.epoch);
    const others = this.#successors.get(before.epoch);
    if (others === undefined) this.#successors.set(before.epoch, [epoch]);
    else others.push(epoch);
    return true;
  }

  /** As if it had never been met; what comes after it is a beginning from now on. */
  forget(epoch: EpochId): void {
    for (const next of this.successors(epoch)) this.#before.set(next, null);
    const before = this.#before.get(epoch);
    const beside = before ? this.#successors.get(before.epoch) : undefined;
    if (before && beside !== undefined) {
      this.#successors.set(
        before.epoch,
        beside.filter((other) => other !== epoch),
      );
    }
    this.#byOrdinal.set(this.ordinal(epoch), [...this.sameOrdinal(epoch)]);
    for (const map of [this.#before, this.#successors, this.#ordinals]) map.delete(epoch);
  }

  learnAll(from: Lineage): void {
    for (const [epoch, before] of from.#before) this.learn(epoch, before);
  }

  /** Undefined while it is not known. */
  before(epoch: EpochId): Predecessor | null | undefined {
    return this.#before.get(epoch);
  }

  successors(epoch: EpochId): readonly EpochId[] {
    return this.#successors.get(epoch) ?? [];
  }

  /** The epochs with which a store began. */
  beginnings(): readonly EpochId[] {
    return [...this.#before].flatMap(([epoch, before]) => (before === null ? [epoch] : []));
  }

  ordinal(epoch: EpochId): number {
    return this.#ordinals.get(epoch) ?? epochOrdinal(epoch) ?? 0;
  }

  /** Those that were met, the epoch itself apart. */
  sameOrdinal(epoch: EpochId): readonly EpochId[] {
    const all = this.#byOrdinal.get(this.ordinal(epoch)) ?? [];
    return all.filter((other) => other !== epoch);
  }

  /** What of `epoch` the chain of predecessors of `head` names. */
  behind(head: EpochId, epoch: EpochId): Behind {
    const ordinal = this.ordinal(epoch);
    let at = head;
    while (this.ordinal(at) > ordinal) {
      const before = this.#before.get(at);
      if (before === undefined) return "unknown";
      // A predecessor that does not come earlier would lead nowhere, or round in a circle.
      if (before === null || this.ordinal(before.epoch) >= this.ordinal(at)) return "nothing";
      if (before.epoch === epoch) return before.ends;
      at = before.epoch;
    }
    return "nothing";
  }
}

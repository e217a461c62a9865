/**
 * Snapshots of one tenure, and what else is done once in a while.
 *
 *   E4  A snapshot is named by a commit only once all of it is stored, and older ones are deleted
 *       only after that commit.
 *   E8  One that commits nothing for a minute looks whether it was fenced: its successor may have
 *       died since, and while the journal is full nothing comes that it would have to commit.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { Commits } from "./commits.ts";
import type { EngineStore } from "./engine-store.ts";
import { encodeSnapshot, snapshotHash } from "./snapshot.ts";
import type { Held } from "./take-over.ts";
import type { Tenure } from "./tenure.ts";
import { isSuspected, noTrial } from "./trial.ts";

export interface HousekeepingParts {
  readonly store: EngineStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told of each snapshot that was stored. */
  readonly stored: () => void;
  /** Done in every round. */
  readonly look: () => void;
  /** Idle partitions' places move on sooner. */
  readonly isHurried: () => boolean;
}

/** A busy partition is snapshot so often, an idle one has its snapshot's place moved on. */
const snapshotEveryMs = 10_000;
const idleEveryMs = 60_000;
const hurriedEveryMs = 5_000;
const everyMs = 1_000;
const trustedAfterMs = 5_000;

export class Housekeeping {
  readonly #parts: HousekeepingParts;
  readonly #tenure: Tenure;
  readonly #commits: Commits;
  #working: Promise<void> | undefined;
  #next: Cancel | undefined;
  #hasEnded = false;
  #checkedAtMs: number;

  constructor(parts: HousekeepingParts, tenure: Tenure, commits: Commits) {
    this.#parts = parts;
    this.#tenure = tenure;
    this.#commits = commits;
    this.#checkedAtMs = parts.clock.bootMs();
  }

  schedule(): void {
    this.#next = this.#parts.clock.after(everyMs, () => {
      this.#working = this.#round()
        .catch((failure) => {
          this.#parts.log.warn({ reason: reasonOf(failure) }, "a snapshot was not stored");
        })
        .finally(() => {
          this.#working = undefined;
          if (!this.#hasEnded && !this.#tenure.ended.aborted) this.schedule();
        });
    });
  }

  /** Resolves once nothing is under way any more. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#next?.();
    await this.#working;
  }

  async #round(): Promise<void> {
    this.#parts.look();
    await this.#checkIdle();
    for (const held of this.#tenure.stale) {
      this.#tenure.stale.delete(held);
      await this.#deleteOlder(held);
    }
    for (const held of this.#tenure.held.values()) {
      if (this.#tenure.ended.aborted || this.#hasEnded) return;
      this.#trust(held);
      const isBusy = held.partition.changedAt > held.snapshotSequence;
      const ownMs = isBusy ? snapshotEveryMs : idleEveryMs;
      const dueMs = held.snapshotAtMs + (this.#parts.isHurried() ? hurriedEveryMs : ownMs);
      if (this.#parts.clock.bootMs() < dueMs) continue;
      await this.#snapshot(held, isBusy);
      this.#commits.schedule(false);
    }
  }

  /** C1. Whoever lived so long was not ended by what came first. */
  #trust(held: Held): void {
    const { starts } = held.trial;
    const ageMs = this.#parts.clock.bootMs() - held.takenAtMs;
    if (starts === 0 || isSuspected(held.trial) || ageMs < trustedAfterMs) return;
    held.trial = { ...held.trial, starts: 0 };
    this.#tenure.dirty.add(held);
    this.#commits.schedule(false);
  }

  /** E8. */
  async #checkIdle(): Promise<void> {
    const nowMs = this.#parts.clock.bootMs();
    const { begunAtMs, isCommitting } = this.#commits;
    if (isCommitting || nowMs - Math.max(begunAtMs, this.#checkedAtMs) < idleEveryMs) return;
    this.#checkedAtMs = nowMs;
    await this.#commits.checkIdle();
  }

  /** Of an idle partition only the place in the journal moves on. */
  async #snapshot(held: Held, isBusy: boolean): Promise<void> {
    const { last: place, session } = this.#tenure;
    // In a replay a partition may be ahead of what is read just now.
    if (place === undefined || place.sequence < held.partition.sequence) return;
    const { store, random, clock } = this.#parts;
    const { checkpoint, partition } = held;
    held.snapshotAtMs = clock.bootMs();
    const newest = held.snapshot ?? checkpoint.snapshot;
    if (!isBusy && newest !== undefined) {
      held.snapshot = { ...newest, place, tick: partition.ticked };
    } else {
      const generation = `${checkpoint.fence}-${random.hex(8)}`;
      const shards = encodeSnapshot(partition.number, generation, partition.snapshot());
      const named = { shards: shards.length, hash: snapshotHash(shards) };
      const { sequence, rules, ticked: tick } = partition;
      const reference = { generation, place, ...named, rules, tick };
      await store.saveShards(shards); // only what is stored counts as a snapshot
      if (store.session() !== session) return; // by another store, perhaps
      held.snapshotSequence = sequence;
      held.snapshot = reference;
      this.#parts.stored();
    }
    // It may have been dropped meanwhile.
    if (this.#tenure.held.get(partition.number) === held) this.#tenure.dirty.add(held);
  }

  /** What is left behind costs space and nothing else; the next snapshot tries again. */
  async #deleteOlder({ partition, checkpoint }: Held): Promise<void> {
    try {
      await this.#commits.checkStore();
      const kept = checkpoint.snapshot?.generation ?? "";
      await this.#parts.store.purgeShards(partition.number, kept);
    } catch (failure) {
      this.#parts.log.warn({ reason: reasonOf(failure) }, "older snapshots were not deleted");
    }
  }

  /** Spares the next engine the replay; without it nothing is wrong. */
  async release(given: readonly Held[]): Promise<void> {
    try {
      await this.#commits.drain();
      for (const held of given) {
        const isBusy = held.partition.changedAt > held.snapshotSequence;
        await this.#snapshot(held, isBusy);
        if (held.trial.starts === 0) continue;
        held.trial = { ...noTrial, dead: held.trial.dead };
        this.#tenure.dirty.add(held);
      }
      await this.#commits.drain();
    } catch (failure) {
      this.#parts.log.warn({ reason: reasonOf(failure) }, "no snapshot at the end");
    }
  }
}

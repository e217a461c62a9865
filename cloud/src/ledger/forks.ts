/**
 * Tells where a gateway's life forks: its store was put back to an older image, began anew, or runs
 * twice. Fed with every position that takes effect, in the order of taking; no time is looked at.
 *
 *   K1  An epoch that does not continue what was taken begins a branch: its predecessor was taken
 *       beyond the ends it states, or has another successor, or another epoch of the same branch has
 *       its ordinal. At its first position it is told as restored, for its rivals are silent so far.
 *   K2  An epoch that goes on beyond the end which its successor states shows that both go on: the
 *       successor begins a branch, told as a conflict at once.
 *   K3  A position of another branch than the last one's is a conflict of the two.
 *   K4  Positions that two branches share, or may share, say nothing about either.
 *   K5  An epoch of which only the name is known belongs to no branch yet.
 *   K6  So many branches are told apart and no more: beyond it the oldest becomes one with that which
 *       it comes from, and may be told of again.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Fork, ForkBook } from "@causeway/shared/mark.ts";
import type { Lineage } from "./lineage.ts";

/** What the ledger has taken of an epoch's log; 0 where it does not know the epoch. */
export type Through = (epoch: EpochId, log: Log) => number;

export interface ForkFinding {
  readonly kind: Fork["state"];
  /** The epoch whose position told it. */
  readonly epoch: EpochId;
  /** An epoch of the other branch, or the one from which both come. */
  readonly other: EpochId | undefined;
}

/** K6. A device that forgets its disk at each start makes a branch each time. */
export const forksMax = 64;

/** The branch that no fork began. */
export const trunk = -1;

export class Forks {
  readonly #lineage: Lineage;
  readonly #through: Through;
  #forks: Fork[] = [];
  #current = trunk;
  #isTrunkAlive = true;
  /** By epoch; emptied when a fork or the lineage grows. */
  readonly #branches = new Map<EpochId, number | undefined>();

  constructor(lineage: Lineage, through: Through) {
    this.#lineage = lineage;
    this.#through = through;
  }

  /** Undefined where the gateway's life is one chain. */
  get book(): ForkBook | undefined {
    if (this.#forks.length === 0) return undefined;
    return { forks: [...this.#forks], current: this.#current, isTrunkAlive: this.#isTrunkAlive };
  }

  restore(book: ForkBook): void {
    this.#forks = [...book.forks];
    this.#current = book.current;
    this.#isTrunkAlive = book.isTrunkAlive;
    this.#branches.clear();
  }

  /** To be called when it became known what comes before the epoch. */
  lineageGrew(epoch: EpochId): void {
    const isLeaf = this.#lineage.successors(epoch).length === 0;
    if (isLeaf) this.#branches.delete(epoch);
    else this.#branches.clear();
  }

  lineageChanged(): void {
    this.#branches.clear();
  }

  /** Position `to` is about to take effect; `isFirst` where nothing was taken of its epoch yet. */
  note(epoch: EpochId, log: Log, to: number, isFirst: boolean): ForkFinding | undefined {
    const rival = isFirst ? this.#rivalOf(epoch) : undefined;
    if (rival !== undefined) return this.#restored(epoch, rival);
    const successor = this.#overrun(epoch, log, to);
    if (successor !== undefined) return this.#overran(epoch, successor);
    return this.#forks.length === 0 ? undefined : this.#alternated(epoch, log, to);
  }

  /** The fork that the epoch's branch began with, `trunk`, or undefined (K5). */
  branchOf(epoch: EpochId): number | undefined {
    if (this.#forks.length === 0) return trunk;
    if (this.#branches.has(epoch)) return this.#branches.get(epoch);
    const walked: EpochId[] = [];
    let branch: number | undefined = trunk;
    for (let at = epoch; ; ) {
      if (this.#branches.has(at)) {
        branch = this.#branches.get(at);
        break;
      }
      walked.push(at);
      const index = this.#forks.findIndex((fork) => fork.epoch === at);
      const before = this.#lineage.before(at);
      if (index >= 0) branch = index;
      else if (before === undefined) branch = this.#isTaken(at) ? trunk : undefined;
      if (index >= 0 || before === undefined || before === null) break;
      if (this.#lineage.ordinal(before.epoch) >= this.#lineage.ordinal(at)) break;
      at = before.epoch;
    }
    for (const each of walked) this.#branches.set(each, branch);
    return branch;
  }

  /** K6. */
  #bound(): void {
    if (this.#forks.length <= forksMax) return;
    const given = this.#current === 0 ? 1 : 0;
    this.#forks.splice(given, 1);
    if (this.#current > given) this.#current--;
    this.#branches.clear();
  }

  #isTaken(epoch: EpochId): boolean {
    return logs.some((log) => this.#through(epoch, log) > 0);
  }

  #isFork(epoch: EpochId): boolean {
    return this.#forks.some((fork) => fork.epoch === epoch);
  }

  /** K1: what the epoch contradicts by beginning. */
  #rivalOf(epoch: EpochId): EpochId | undefined {
    const before = this.#lineage.before(epoch);
    if (before === undefined || this.#isFork(epoch)) return undefined;
    if (before !== null) {
      const isOvertaken = logs.some((log) => this.#through(before.epoch, log) > before.ends[log]);
      if (isOvertaken) return before.epoch;
    }
    const siblings =
      before === null ? this.#lineage.beginnings() : this.#lineage.successors(before.epoch);
    const sibling = siblings.find((other) => other !== epoch && !this.#isFork(other));
    return sibling ?? this.#namesake(epoch, before?.epoch);
  }

  /** Another epoch with the same ordinal: one store never gives an ordinal twice. */
  #namesake(epoch: EpochId, before: EpochId | undefined): EpochId | undefined {
    const branch = before === undefined ? trunk : this.branchOf(before);
    return this.#lineage.sameOrdinal(epoch).find((other) => {
      const own = this.branchOf(other);
      return !this.#isFork(other) && (own === undefined || own === branch);
    });
  }

  /** K2. */
  #overrun(epoch: EpochId, log: Log, to: number): EpochId | undefined {
    return this.#lineage.successors(epoch).find((successor) => {
      const end = this.#lineage.before(successor)?.ends[log] ?? to;
      return to > end && !this.#isFork(successor) && this.#isTaken(successor);
    });
  }

  #restored(epoch: EpochId, other: EpochId): ForkFinding {
    this.#isTrunkAlive = false;
    this.#forks = this.#forks.map((fork) => ({ ...fork, isAlive: false }));
    this.#forks.push({ epoch, state: "restored", isAlive: true });
    this.#branches.clear();
    this.#current = this.#forks.length - 1;
    this.#bound();
    return { kind: "restored", epoch, other };
  }

  #overran(epoch: EpochId, successor: EpochId): ForkFinding {
    this.#forks.push({ epoch: successor, state: "conflict", isAlive: true });
    this.#branches.clear();
    this.#revive(this.branchOf(epoch) ?? trunk);
    this.#bound();
    return { kind: "conflict", epoch, other: successor };
  }

  /** K3, K4. */
  #alternated(epoch: EpochId, log: Log, to: number): ForkFinding | undefined {
    const branch = this.branchOf(epoch);
    const current = this.#current;
    if (branch === undefined || branch === current) return undefined;
    const head = this.#forks[current];
    if (head !== undefined && this.#isShared(head.epoch, epoch, log, to)) return undefined;
    const blamed = Math.max(branch, current);
    const fork = this.#forks[blamed] as Fork;
    this.#forks[blamed] = { ...fork, state: "conflict" };
    this.#revive(branch);
    const other = blamed === branch ? this.#lineage.before(fork.epoch)?.epoch : fork.epoch;
    return { kind: "conflict", epoch, other: head?.epoch ?? other };
  }

  #revive(branch: number): void {
    this.#current = branch;
    const fork = this.#forks[branch];
    if (fork === undefined) this.#isTrunkAlive = true;
    else this.#forks[branch] = { ...fork, isAlive: true };
  }

  #isShared(head: EpochId, epoch: EpochId, log: Log, to: number): boolean {
    const behind = this.#lineage.behind(head, epoch);
    if (behind === "unknown") return true;
    return behind !== "nothing" && to <= behind[log];
  }
}

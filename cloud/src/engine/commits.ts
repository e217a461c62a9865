/**
 * Commits of one tenure: when they begin, what is in them, and what becomes of one that was refused.
 *
 *   E1  Nothing is committed by an engine that was fenced: every commit expects the checkpoints that
 *       this engine itself wrote last.
 *   E3  While one commit is under way the next one gathers; alerts do not wait, the rest at most
 *       `gatherMs`.
 *   E9  Where a commit is refused since other engines took some of its partitions over, those are
 *       dropped, and what the others have to say goes again.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { CommitMessage, EngineStore } from "./engine-store.ts";
import type { Place } from "./place.ts";
import type { Held } from "./take-over.ts";
import { checkpointMessage, committedAt } from "./take-over.ts";
import type { Tenure } from "./tenure.ts";
import { trialAfter } from "./trial.ts";

export interface CommitsParts {
  readonly store: EngineStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Others may have some of the partitions. */
  readonly isShared: boolean;
  /** Told of each commit that was taken. */
  readonly committed: () => void;
  /** Told of partitions that another engine took over. */
  readonly fenced: (partitions: readonly number[]) => void;
}

const gatherMs = 100;
const commitMessagesMax = 400;
/** With the output of one gateway more a commit stays below 4 MB. */
const commitCharactersMax = 1_024 * 1_024;

/** What a partition has in a commit. */
interface Written {
  readonly held: Held;
  readonly messages: readonly CommitMessage[];
  readonly checkpoint: Checkpoint;
}

export class Commits {
  readonly #parts: CommitsParts;
  readonly #tenure: Tenure;
  #committing: Promise<void> | undefined;
  #scheduled: Cancel | undefined;
  #begunAtMs: number;

  constructor(parts: CommitsParts, tenure: Tenure) {
    this.#parts = parts;
    this.#tenure = tenure;
    this.#begunAtMs = parts.clock.bootMs() - gatherMs;
  }

  get isCommitting(): boolean {
    return this.#committing !== undefined;
  }

  /** When the last one began. */
  get begunAtMs(): number {
    return this.#begunAtMs;
  }

  /** E3. */
  schedule(urgent: boolean): void {
    if (this.#committing !== undefined) return;
    const { clock } = this.#parts;
    const waitMs = urgent ? 0 : Math.max(0, this.#begunAtMs + gatherMs - clock.bootMs());
    if (this.#scheduled !== undefined && waitMs > 0) return;
    this.#scheduled?.();
    const begin = () => {
      this.#scheduled = undefined;
      if (this.#committing === undefined && !this.#tenure.ended.aborted) this.#begin();
    };
    if (waitMs > 0) this.#scheduled = clock.after(waitMs, begin);
    else clock.soon(begin);
  }

  /** Holds reading back at the bound, also while a commit is only scheduled. */
  async now(): Promise<void> {
    if (this.#committing === undefined) this.#begin();
    await this.#committing;
  }

  /** Until nothing is left. */
  async drain(): Promise<void> {
    this.#scheduled?.();
    this.#scheduled = undefined;
    await this.#committing;
    while (this.#tenure.dirty.size > 0 && !this.#tenure.ended.aborted) await this.now();
  }

  #begin(): void {
    const { dirty } = this.#tenure;
    if (dirty.size === 0) return;
    this.#begunAtMs = this.#parts.clock.bootMs();
    this.#tenure.uncommitted = 0;
    this.#committing = this.#commit()
      .catch((failure) => this.#tenure.end(failure))
      .finally(() => {
        this.#committing = undefined;
        const urgent = [...dirty].some(({ partition }) => partition.isUrgent);
        if (dirty.size > 0 && !this.#tenure.ended.aborted) this.schedule(urgent);
      });
  }

  async #commit(): Promise<void> {
    await this.checkStore();
    this.#tenure.keepPlace();
    let written = this.#collect();
    while (written.length > 0) {
      const last = await this.#send(written);
      if (last !== undefined) return this.#settle(written, last);
      const { held } = this.#tenure;
      written = written.filter((own) => held.get(own.held.partition.number) === own.held);
    }
  }

  #collect(): readonly Written[] {
    const written: Written[] = [];
    let [messagesLeft, charactersLeft] = [commitMessagesMax, commitCharactersMax];
    for (const held of this.#tenure.dirty) {
      if (messagesLeft <= 0 || charactersLeft <= 0) break;
      const commit = held.checkpoint.commit + 1;
      const collected = held.partition.collect(commit, messagesLeft, charactersLeft);
      const { messages, characters, complete } = collected;
      messagesLeft -= messages.length + 1;
      charactersLeft -= characters;
      if (complete) this.#tenure.dirty.delete(held);
      written.push({ held, messages, checkpoint: this.#checkpointAfter(held, commit, complete) });
    }
    return written;
  }

  /** The last message's sequence; undefined where it was refused for partitions that are dropped. */
  async #send(written: readonly Written[]): Promise<number | undefined> {
    const { store } = this.#parts;
    const messages = written.flatMap((own) => own.messages);
    for (const { held, checkpoint } of written)
      messages.push(checkpointMessage(held.partition.number, checkpoint, held.lastSequence));
    const outcome = await store.commit(messages);
    if (outcome.kind !== "refused") return committedAt(outcome, "a commit was not taken");
    if (store.session() === this.#tenure.session && (await this.#dropFenced())) return undefined;
    return committedAt(outcome, "a commit was not taken");
  }

  #settle(written: readonly Written[], last: number): void {
    for (const [index, { held, checkpoint }] of written.entries()) {
      const replaced = held.checkpoint.snapshot?.generation;
      held.checkpoint = checkpoint;
      held.lastSequence = last - written.length + 1 + index;
      if (checkpoint.snapshot === held.snapshot) held.snapshot = undefined;
      if (replaced !== checkpoint.snapshot?.generation) this.#tenure.stale.add(held);
    }
    this.#parts.committed();
  }

  /** E5. What was stored for the next commit to name may be gone with the store that had it. */
  async checkStore(): Promise<void> {
    const session = this.#parts.store.session();
    if (session === this.#tenure.session) return;
    await this.#dropFenced();
    for (const held of this.#tenure.held.values()) forgetUnnamed(held);
    this.#tenure.session = session;
  }

  /** E9. Whether there are any; throws where all are, or where it is a rollback. */
  async #dropFenced(): Promise<boolean> {
    const fenced = await this.#tenure.fenced(this.#parts.store, this.#parts.isShared);
    if (fenced.length === 0) return false;
    for (const held of fenced) this.#tenure.drop(held);
    const partitions = fenced.map(({ partition }) => partition.number);
    this.#parts.log.info({ partitions }, "another engine took partitions over");
    this.#parts.fenced(partitions);
    return true;
  }

  /** E8. Of one that commits nothing; a commit meanwhile finds out by itself. */
  async checkIdle(): Promise<void> {
    const begunAtMs = this.#begunAtMs;
    try {
      await this.#dropFenced();
    } catch (failure) {
      const isSure = failure instanceof CodedError && this.#begunAtMs === begunAtMs;
      if (isSure) this.#tenure.end(failure);
      else this.#parts.log.debug({ reason: reasonOf(failure) }, "the fence is looked at later");
    }
  }

  /** T7. The newest message of which this commit, or an earlier one, has some and not all. */
  #aheadOf({ ahead, sequence }: Checkpoint, complete: boolean): Place | undefined {
    const { last, partial } = this.#tenure;
    const done = complete ? Math.max(sequence, last?.sequence ?? 0) : sequence;
    return [ahead, complete ? undefined : last, partial]
      .filter((place) => place !== undefined)
      .filter((place) => place.sequence > done)
      .reduce<Place | undefined>(newer, undefined);
  }

  /** Only a whole commit may say how far the partition is, or name a snapshot (E4). */
  #checkpointAfter(held: Held, commit: number, complete: boolean): Checkpoint {
    const { checkpoint, partition } = held;
    const nonce = this.#parts.random.hex(16);
    const ahead = this.#aheadOf(checkpoint, complete);
    if (!complete) return { ...checkpoint, commit, nonce, ahead };
    const snapshot = held.snapshot ?? checkpoint.snapshot;
    const { last, places } = this.#tenure;
    const isProgress = (last?.sequence ?? 0) > checkpoint.sequence;
    held.trial = trialAfter(held.trial, isProgress, snapshot?.place.sequence ?? 0);
    const whole = { ...checkpoint, commit, nonce, ahead, snapshot, trial: held.trial };
    if (last === undefined || last.sequence < checkpoint.sequence) return whole; // a replay is no news
    const { seenTick: tick, alertRules: rules } = partition;
    return { ...whole, sequence: last.sequence, places, tick, rules };
  }
}

function newer(one: Place | undefined, other: Place): Place {
  return one !== undefined && one.sequence > other.sequence ? one : other;
}

function forgetUnnamed(held: Held): void {
  const named = held.checkpoint.snapshot;
  if (held.snapshot === undefined || held.snapshot.generation === named?.generation) return;
  held.snapshot = undefined;
  held.snapshotSequence = named?.place.sequence ?? 0;
}

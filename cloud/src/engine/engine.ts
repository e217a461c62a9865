/**
 * The engine reads the journal and commits what follows from it: marks, alerts, dead letters.
 *
 *   E1  Nothing is committed by an engine that was fenced: every commit expects the checkpoints that
 *       this engine itself wrote last.
 *   E2  After any refusal or doubt the tenure ends: everything in memory is dropped, the partitions
 *       are taken over anew, and the journal is read again under what was committed.
 *   E3  While one commit is under way the next one gathers; alerts do not wait, the rest at most
 *       `gatherMs`.
 *   E4  A snapshot is named by a commit only once all of it is stored, and older ones are deleted
 *       only after that commit.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { parseStoredTelemetry } from "@causeway/shared/subjects.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Checkpoint, MessageIdentity } from "./checkpoint.ts";
import type { CommitMessage } from "./engine-store.ts";
import type { PartitionCounters } from "./partition.ts";
import { encodeSnapshot, snapshotHash } from "./snapshot.ts";
import type { Held, TakeOverParts } from "./take-over.ts";
import { checkpointMessage, committedAt, takeOver } from "./take-over.ts";

export interface EngineParts extends TakeOverParts {
  /** Reads the journal from a sequence on; throws when it is interrupted. */
  readonly journal: (from: number, signal: AbortSignal) => AsyncIterable<JournalMessage>;
  readonly clock: Clock;
  /** Done before every take-over: a server that lost its disk comes back without streams. */
  readonly prepare?: () => Promise<void>;
}

const gatherMs = 100;
const commitMessagesMax = 400;
/** Journal messages taken since the last commit began; at the bound reading waits for the commit. */
const uncommittedMessagesMax = 1_000;
const retakeSchedule = { firstMs: 250, maxMs: 15_000, factor: 2 };
/** After another engine's commit was found, so that two engines do not fence each other in turn. */
const fencedWaitMs = 10_000;
const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** A busy partition is snapshot so often, an idle one has its snapshot's place moved on. */
const snapshotEveryMs = 10_000;
const idleEveryMs = 60_000;
const housekeepEveryMs = 1_000;

export type EnginePhase = "starting" | "running" | "interrupted" | "stopped";

export interface EngineStatus extends Readonly<PartitionCounters> {
  readonly phase: EnginePhase;
  readonly sequence: number;
  readonly commits: number;
  readonly snapshots: number;
  readonly takeOvers: number;
  readonly lastFault: string | undefined;
}

/** One span between two take-overs. */
interface Tenure {
  readonly held: ReadonlyMap<number, Held>;
  readonly ended: AbortController;
  fault: unknown;
  /** The journal message worked off last. */
  last: { readonly sequence: number; readonly identity: MessageIdentity } | undefined;
  committing: Promise<void> | undefined;
  committedAtMs: number;
  scheduled: Cancel | undefined;
  readonly dirty: Set<Held>;
  /** With shards of older generations to delete. */
  readonly stale: Set<Held>;
  uncommitted: number;
  housekeeping: Promise<void> | undefined;
  nextHousekeeping: Cancel | undefined;
}

export class Engine {
  readonly #parts: EngineParts;
  readonly #stopping = new AbortController();
  #phase: EnginePhase = "starting";
  #running: Promise<void> | undefined;
  #commits = 0;
  #snapshots = 0;
  #takeOvers = 0;
  #sequence = 0;
  #lastFault: string | undefined;
  readonly #counters: PartitionCounters = {
    messages: 0,
    events: 0,
    readings: 0,
    replayed: 0,
    repeats: 0,
    doubts: 0,
    dead: 0,
    transitions: 0,
    passed: 0,
  };

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Commits what was taken and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#phase = "stopped";
  }

  status(): EngineStatus {
    return {
      phase: this.#phase,
      sequence: this.#sequence,
      commits: this.#commits,
      snapshots: this.#snapshots,
      takeOvers: this.#takeOvers,
      lastFault: this.#lastFault,
      ...this.#counters,
    };
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#parts;
    for (let attempt = 1; !this.#stopping.signal.aborted; attempt++) {
      let waitMs = 0;
      try {
        this.#phase = "starting";
        const tenure = await this.#begin();
        attempt = 0;
        await this.#serve(tenure);
      } catch (failure) {
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        if (failure instanceof CodedError && failure.code === "ENGINE_FENCED")
          waitMs = fencedWaitMs;
        log.warn({ reason: this.#lastFault }, "the engine takes its partitions over again");
      }
      waitMs += retryDelayMs(retakeSchedule, Math.max(1, attempt), random);
      await sleep(clock, waitMs, this.#stopping.signal);
    }
  }

  async #begin(): Promise<Tenure> {
    const { clock, log, prepare } = this.#parts;
    await prepare?.();
    const held = await takeOver(this.#parts, this.#counters, clock.bootMs());
    this.#takeOvers++;
    log.info({ fence: held.get(0)?.checkpoint.fence }, "partitions taken over");
    return {
      held,
      ended: new AbortController(),
      fault: undefined,
      last: undefined,
      committing: undefined,
      committedAtMs: clock.bootMs() - gatherMs,
      scheduled: undefined,
      dirty: new Set(),
      stale: new Set(),
      uncommitted: 0,
      housekeeping: undefined,
      nextHousekeeping: undefined,
    };
  }

  /** Reads until the tenure ends; interruptions of the reading alone do not end it. */
  async #serve(tenure: Tenure): Promise<void> {
    const { clock, random } = this.#parts;
    const signal = AbortSignal.any([this.#stopping.signal, tenure.ended.signal]);
    this.#scheduleHousekeeping(tenure);
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#checkIdentity(tenure);
        this.#phase = "running";
        for await (const message of this.#parts.journal(firstWanted(tenure), signal)) {
          attempt = 1;
          this.#takeOrEnd(tenure, message);
          if (tenure.uncommitted >= uncommittedMessagesMax) await this.#commitNow(tenure);
          if (tenure.ended.signal.aborted) break;
        }
      } catch (failure) {
        if (failure instanceof CodedError) end(tenure, failure);
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
      }
    }
    tenure.nextHousekeeping?.();
    await tenure.housekeeping;
    await this.#drain(tenure);
    if (tenure.fault !== undefined) throw tenure.fault;
    await this.#release(tenure);
  }

  /** A message that was half worked off must not be passed over: the tenure ends. */
  #takeOrEnd(tenure: Tenure, message: JournalMessage): void {
    try {
      this.#take(tenure, message);
    } catch (failure) {
      end(tenure, failure);
    }
  }

  #take(tenure: Tenure, message: JournalMessage): void {
    const source = parseStoredTelemetry(message.subject);
    const held = source === undefined ? undefined : tenure.held.get(source.partition);
    if (held !== undefined) held.partition.take(message);
    tenure.last = {
      sequence: message.sequence,
      identity: { subject: message.subject, nonce: message.header("Cw-Nonce") },
    };
    this.#sequence = message.sequence;
    if (held === undefined || !held.partition.isDirty) return;
    tenure.dirty.add(held);
    tenure.uncommitted++;
    this.#schedule(tenure, held.partition.isUrgent);
  }

  /** A journal that was rolled back holds another message, or none, where this one stood. */
  async #checkIdentity(tenure: Tenure): Promise<void> {
    const { last } = tenure;
    if (last === undefined) return;
    const { sequence, identity } = last;
    const found = await this.#parts.messageAt(sequence);
    if (found?.subject === identity.subject && found.nonce === identity.nonce) return;
    const what = `the journal no longer has the message read at ${sequence}`;
    throw new CodedError("JOURNAL_ROLLED_BACK", what);
  }

  /** E3. */
  #schedule(tenure: Tenure, urgent: boolean): void {
    if (tenure.committing !== undefined) return;
    const { clock } = this.#parts;
    const waitMs = urgent ? 0 : Math.max(0, tenure.committedAtMs + gatherMs - clock.bootMs());
    if (tenure.scheduled !== undefined && waitMs > 0) return;
    tenure.scheduled?.();
    const begin = () => {
      tenure.scheduled = undefined;
      if (tenure.committing === undefined && !tenure.ended.signal.aborted)
        this.#beginCommit(tenure);
    };
    if (waitMs > 0) tenure.scheduled = clock.after(waitMs, begin);
    else clock.soon(begin);
  }

  /** Holds reading back at the bound, also while a commit is only scheduled. */
  async #commitNow(tenure: Tenure): Promise<void> {
    if (tenure.committing === undefined) this.#beginCommit(tenure);
    await tenure.committing;
  }

  #beginCommit(tenure: Tenure): void {
    if (tenure.dirty.size === 0) return;
    tenure.committedAtMs = this.#parts.clock.bootMs();
    tenure.uncommitted = 0;
    tenure.committing = this.#commit(tenure)
      .catch((failure) => end(tenure, failure))
      .finally(() => {
        tenure.committing = undefined;
        const urgent = [...tenure.dirty].some(({ partition }) => partition.isUrgent);
        if (tenure.dirty.size > 0 && !tenure.ended.signal.aborted) this.#schedule(tenure, urgent);
      });
  }

  async #commit(tenure: Tenure): Promise<void> {
    const messages: CommitMessage[] = [];
    const written: { held: Held; checkpoint: Checkpoint }[] = [];
    for (const held of tenure.dirty) {
      const room = commitMessagesMax - messages.length - written.length;
      if (room <= 0) break;
      const commit = held.checkpoint.commit + 1;
      const collected = held.partition.collect(commit, room);
      messages.push(...collected.messages);
      if (collected.complete) tenure.dirty.delete(held);
      written.push({ held, checkpoint: this.#checkpointAfter(held, commit, collected.complete) });
    }
    for (const { held, checkpoint } of written) {
      messages.push(checkpointMessage(held.partition.number, checkpoint, held.lastSequence));
    }
    const last = committedAt(await this.#parts.store.commit(messages), "a commit was not taken");
    this.#commits++;
    for (const [index, { held, checkpoint }] of written.entries()) {
      const replaced = held.checkpoint.snapshot?.generation;
      held.checkpoint = checkpoint;
      held.lastSequence = last - written.length + 1 + index;
      if (checkpoint.snapshot === held.snapshot) held.snapshot = undefined;
      if (replaced !== checkpoint.snapshot?.generation) tenure.stale.add(held);
    }
  }

  /** Only a whole commit may say how far the partition is, or name a snapshot (E4). */
  #checkpointAfter(held: Held, commit: number, complete: boolean): Checkpoint {
    const { checkpoint, partition } = held;
    const nonce = this.#parts.random.hex(16);
    if (!complete) return { ...checkpoint, commit, nonce };
    const snapshot = held.snapshot ?? checkpoint.snapshot;
    const sequence = Math.max(checkpoint.sequence, partition.sequence);
    return { ...checkpoint, commit, sequence, nonce, snapshot };
  }

  /** What is left behind costs space and nothing else; the next snapshot tries again. */
  async #deleteOlder({ partition, checkpoint }: Held): Promise<void> {
    try {
      await this.#parts.store.purgeShards(partition.number, checkpoint.snapshot?.generation ?? "");
    } catch (failure) {
      this.#parts.log.warn({ reason: reasonOf(failure) }, "older snapshots were not deleted");
    }
  }

  #scheduleHousekeeping(tenure: Tenure): void {
    tenure.nextHousekeeping = this.#parts.clock.after(housekeepEveryMs, () => {
      tenure.housekeeping = this.#housekeep(tenure)
        .catch((failure) => {
          this.#parts.log.warn({ reason: reasonOf(failure) }, "a snapshot was not stored");
        })
        .finally(() => {
          tenure.housekeeping = undefined;
          if (!tenure.ended.signal.aborted && !this.#stopping.signal.aborted) {
            this.#scheduleHousekeeping(tenure);
          }
        });
    });
  }

  async #housekeep(tenure: Tenure): Promise<void> {
    for (const held of tenure.stale) {
      tenure.stale.delete(held);
      await this.#deleteOlder(held);
    }
    for (const held of tenure.held.values()) {
      if (tenure.ended.signal.aborted || this.#stopping.signal.aborted) return;
      const isBusy = held.partition.sequence > held.snapshotSequence;
      const dueMs = held.snapshotAtMs + (isBusy ? snapshotEveryMs : idleEveryMs);
      if (this.#parts.clock.bootMs() < dueMs) continue;
      await this.#snapshot(tenure, held, isBusy);
      this.#schedule(tenure, false);
    }
  }

  /** Of an idle partition only the place in the journal moves on. */
  async #snapshot(tenure: Tenure, held: Held, isBusy: boolean): Promise<void> {
    const { last } = tenure;
    if (last === undefined) return;
    const { store, random, clock } = this.#parts;
    const { checkpoint, partition } = held;
    const place = { sequence: last.sequence, identity: last.identity };
    held.snapshotAtMs = clock.bootMs();
    const newest = held.snapshot ?? checkpoint.snapshot;
    if (!isBusy && newest !== undefined) {
      held.snapshot = { ...newest, ...place };
    } else {
      const generation = `${checkpoint.fence}-${random.hex(8)}`;
      const shards = encodeSnapshot(partition.number, generation, partition.snapshot());
      const reference = { generation, ...place, shards: shards.length, hash: snapshotHash(shards) };
      const { sequence } = partition;
      await store.saveShards(shards); // only what is stored counts as a snapshot
      held.snapshotSequence = sequence;
      held.snapshot = reference;
      this.#snapshots++;
    }
    tenure.dirty.add(held);
  }

  async #drain(tenure: Tenure): Promise<void> {
    tenure.scheduled?.();
    await tenure.committing;
    while (tenure.dirty.size > 0 && !tenure.ended.signal.aborted) {
      this.#beginCommit(tenure);
      await tenure.committing;
    }
  }

  /** Spares the next engine the replay; without it nothing is wrong. */
  async #release(tenure: Tenure): Promise<void> {
    try {
      for (const held of tenure.held.values()) {
        const isBusy = held.partition.sequence > held.snapshotSequence;
        await this.#snapshot(tenure, held, isBusy);
      }
      await this.#drain(tenure);
    } catch (failure) {
      this.#parts.log.warn({ reason: reasonOf(failure) }, "no snapshot at the end");
    }
  }
}

/** E2. */
function end(tenure: Tenure, fault: unknown): void {
  tenure.fault ??= fault;
  tenure.ended.abort();
}

/** Behind the last message, or behind the oldest snapshot. */
function firstWanted({ last, held }: Tenure): number {
  if (last !== undefined) return last.sequence + 1;
  return Math.min(...[...held.values()].map(({ snapshotSequence }) => snapshotSequence)) + 1;
}

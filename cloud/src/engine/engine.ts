/**
 * The engine reads the journal and commits what follows from it: marks, alerts, dead letters.
 *
 *   E1  Nothing is committed by an engine that was fenced: every commit expects the checkpoints that
 *       this engine itself wrote last.
 *   E2  After any refusal or doubt the tenure ends: everything in memory is dropped, the partitions
 *       are taken over anew, and the journal is read again under what was committed.
 *   E3  While one commit is under way the next one gathers; alerts do not wait, the rest at most
 *       `gatherMs`.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import {
  parseGatewaySubject,
  parseStoredTelemetry,
  partitionCount,
  subjects,
} from "@causeway/shared/subjects.ts";
import type { Alerting } from "../alert/alerting.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import type { CommitMessage, CommitOutcome, EngineStore } from "./engine-store.ts";
import type { PartitionCounters } from "./partition.ts";
import { Partition } from "./partition.ts";

export interface EngineParts {
  readonly store: EngineStore;
  /** Reads the journal from a sequence on; throws when it is interrupted. */
  readonly journal: (from: number, signal: AbortSignal) => AsyncIterable<JournalMessage>;
  /** The message at a sequence, from the leader; undefined where there is none. */
  readonly messageAt: (sequence: number) => Promise<MessageIdentity | undefined>;
  readonly alerting: Alerting;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What tells one message from another at the same sequence after a rollback. */
export interface MessageIdentity {
  readonly subject: string;
  readonly nonce: string | undefined;
}

const gatherMs = 100;
const commitMessagesMax = 400;
/** Journal messages taken since the last commit began; at the bound reading waits for the commit. */
const uncommittedMessagesMax = 1_000;
const retakeSchedule = { firstMs: 250, maxMs: 15_000, factor: 2 };
/** After another engine's commit was found, so that two engines do not fence each other in turn. */
const fencedWaitMs = 10_000;
const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };

export type EnginePhase = "starting" | "running" | "interrupted" | "stopped";

export interface EngineStatus extends Readonly<PartitionCounters> {
  readonly phase: EnginePhase;
  readonly sequence: number;
  readonly commits: number;
  readonly takeOvers: number;
  readonly lastFault: string | undefined;
}

interface Held {
  readonly partition: Partition;
  checkpoint: Checkpoint;
  lastSequence: number;
}

/** One span between two take-overs. */
interface Tenure {
  readonly held: ReadonlyMap<number, Held>;
  readonly ended: AbortController;
  fault: unknown;
  last: { readonly sequence: number; readonly identity: MessageIdentity } | undefined;
  committing: Promise<void> | undefined;
  committedAtMs: number;
  scheduled: Cancel | undefined;
  readonly dirty: Set<Held>;
  uncommitted: number;
}

export class Engine {
  readonly #parts: EngineParts;
  readonly #stopping = new AbortController();
  #phase: EnginePhase = "starting";
  #running: Promise<void> | undefined;
  #commits = 0;
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
        const tenure = await this.#takeOver();
        attempt = 0;
        await this.#serve(tenure);
      } catch (failure) {
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        if (failure instanceof CodedError && failure.code === "ENGINE_FENCED") waitMs = fencedWaitMs;
        log.warn({ reason: this.#lastFault }, "the engine takes its partitions over again");
      }
      await sleep(
        clock,
        retryDelayMs(retakeSchedule, Math.max(1, attempt), random),
        this.#stopping.signal,
      );
    }
  }

  /** E1: the fence is raised before anything is read, so nobody else can commit in between. */
  async #takeOver(): Promise<Tenure> {
    const { store, alerting, clock, log } = this.#parts;
    const numbers = Array.from({ length: partitionCount }, (_, partition) => partition);
    const found = await store.loadCheckpoints(numbers);
    const held = new Map<number, Held>();
    const messages: CommitMessage[] = [];
    for (const [number, { checkpoint, lastSequence }] of found) {
      const fenced = { ...checkpoint, fence: checkpoint.fence + 1, nonce: this.#nonce() };
      const partition = new Partition(number, alerting, checkpoint.sequence, this.#counters);
      const own: Held = { partition, checkpoint: fenced, lastSequence };
      held.set(number, own);
      messages.push(checkpointMessage(own, fenced));
    }
    const outcome = await store.commit(messages);
    const last = committedAt(outcome, "the fence was not raised");
    for (const [index, own] of [...held.values()].entries()) {
      own.lastSequence = last - messages.length + 1 + index;
    }
    await this.#restore(held);
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
      uncommitted: 0,
    };
  }

  async #restore(held: ReadonlyMap<number, Held>): Promise<void> {
    const { store } = this.#parts;
    for (const { subject, text } of await store.loadLast("mark.*.*")) {
      const place = parseGatewaySubject(subject);
      if (place !== undefined) held.get(place.partition)?.partition.restoreMark(decodeMark(text));
    }
    for (const { subject, text } of await store.loadLast("open.*.*")) {
      const place = parseGatewaySubject(subject);
      if (place !== undefined)
        held.get(place.partition)?.partition.restoreAlerts(place.gateway, text);
    }
  }

  /** Reads until the tenure ends; interruptions of the reading alone do not end it. */
  async #serve(tenure: Tenure): Promise<void> {
    const { clock, random } = this.#parts;
    const signal = AbortSignal.any([this.#stopping.signal, tenure.ended.signal]);
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#checkIdentity(tenure);
        this.#phase = "running";
        const from = (tenure.last?.sequence ?? 0) + 1;
        for await (const message of this.#parts.journal(from, signal)) {
          attempt = 1;
          this.#take(tenure, message);
          if (tenure.uncommitted >= uncommittedMessagesMax) await tenure.committing;
        }
      } catch (failure) {
        if (failure instanceof CodedError) throw failure;
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
      }
    }
    await this.#drain(tenure);
    if (tenure.fault !== undefined) throw tenure.fault;
  }

  #take(tenure: Tenure, message: JournalMessage): void {
    const source = parseStoredTelemetry(message.subject);
    const held = source === undefined ? undefined : tenure.held.get(source.partition);
    tenure.last = {
      sequence: message.sequence,
      identity: { subject: message.subject, nonce: message.header("Cw-Nonce") },
    };
    this.#sequence = message.sequence;
    if (held === undefined) return;
    held.partition.take(message);
    if (!held.partition.isDirty) return;
    tenure.dirty.add(held);
    tenure.uncommitted++;
    this.#schedule(tenure, held.partition.isUrgent);
  }

  /** A journal that was rolled back holds another message, or none, where this one stood. */
  async #checkIdentity(tenure: Tenure): Promise<void> {
    const { last } = tenure;
    if (last === undefined) return;
    const found = await this.#parts.messageAt(last.sequence);
    if (found?.subject === last.identity.subject && found.nonce === last.identity.nonce) return;
    throw new CodedError(
      "JOURNAL_ROLLED_BACK",
      `the journal no longer has the message read at ${last.sequence}`,
    );
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

  #beginCommit(tenure: Tenure): void {
    if (tenure.dirty.size === 0) return;
    tenure.committedAtMs = this.#parts.clock.bootMs();
    tenure.uncommitted = 0;
    tenure.committing = this.#commit(tenure)
      .catch((failure) => {
        tenure.fault = failure;
        tenure.ended.abort();
      })
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
      const sequence = collected.complete ? held.partition.sequence : held.checkpoint.sequence;
      written.push({
        held,
        checkpoint: { ...held.checkpoint, commit, sequence, nonce: this.#nonce() },
      });
    }
    for (const { held, checkpoint } of written) messages.push(checkpointMessage(held, checkpoint));
    const last = committedAt(await this.#parts.store.commit(messages), "a commit was not taken");
    for (const [index, { held, checkpoint }] of written.entries()) {
      held.checkpoint = checkpoint;
      held.lastSequence = last - written.length + 1 + index;
    }
    this.#commits++;
  }

  async #drain(tenure: Tenure): Promise<void> {
    tenure.scheduled?.();
    await tenure.committing;
    while (tenure.dirty.size > 0 && !tenure.ended.signal.aborted) {
      this.#beginCommit(tenure);
      await tenure.committing;
    }
  }

  #nonce(): string {
    return this.#parts.random.hex(16);
  }
}

function checkpointMessage(held: Held, checkpoint: Checkpoint): CommitMessage {
  return {
    subject: subjects.checkpoint(held.partition.number),
    data: encodeCheckpoint(checkpoint),
    rollup: true,
    expectedLast: held.lastSequence,
  };
}

/** E2: anything but a clear yes ends the tenure. */
function committedAt(outcome: CommitOutcome, what: string): number {
  if (outcome.kind === "committed") return outcome.last;
  if (outcome.kind === "refused") throw new CodedError("ENGINE_FENCED", `${what}: ${outcome.reason}`);
  throw new Error(`${what}: ${outcome.reason}`);
}

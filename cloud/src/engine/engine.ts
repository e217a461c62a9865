/**
 * The engine reads the journal and commits what follows from it: marks, alerts, derived events, dead
 * letters.
 *
 *   E1  Nothing is committed by an engine that was fenced: every commit expects the checkpoints that
 *       this engine itself wrote last.
 *   E2  After any refusal or doubt the tenure ends: everything in memory is dropped, the partitions
 *       are taken over anew, and the journal is read again under what was committed.
 *   E3  While one commit is under way the next one gathers; alerts do not wait, the rest at most
 *       `gatherMs`.
 *   E4  A snapshot is named by a commit only once all of it is stored, and older ones are deleted
 *       only after that commit.
 *   E5  Whenever the store may be another one, as after every loss of the connection, nothing is
 *       committed before each checkpoint is found to be the one that this engine wrote last.
 *   E6  The journal's last message is compared each time that the reading begins anew: before, since
 *       a reading behind the end of a shorter journal waits for ever, and again when the first
 *       message comes, since the journal may change in between.
 *   E7  Rules are those that the last tick names. Where they cannot be loaded, it goes on by those
 *       it has and says so.
 *   E8  One that commits nothing for a minute looks whether it was fenced: its successor may have
 *       died since, and while the journal is full nothing comes that it would have to commit.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { clockSubject, parseStoredTelemetry } from "@causeway/shared/subjects.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import type { Tick } from "../ticks/tick.ts";
import { decodeTick } from "../ticks/tick.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { CommitMessage } from "./engine-store.ts";
import type { PartitionCounters } from "./partition-counters.ts";
import { noCounts } from "./partition-counters.ts";
import type { Place } from "./place.ts";
import { isSame, withPlace } from "./place.ts";
import type { RuleCounts } from "./rule-counts.ts";
import { RuleCountsBook } from "./rule-counts.ts";
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
/** With the output of one gateway more a commit stays below 4 MB. */
const commitCharactersMax = 1_024 * 1_024;
/** Journal messages taken since the last commit began; at the bound reading waits for the commit. */
const uncommittedMessagesMax = 1_000;
const retakeSchedule = { firstMs: 250, maxMs: 15_000, factor: 2 };
/** After another engine's commit was found, so that two engines do not fence each other in turn. */
const fencedWaitMs = 10_000;
const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** In a row; then all is prepared anew, as for a server that came back without its streams. */
const reopenAttemptsMax = 10;
/** A busy partition is snapshot so often, an idle one has its snapshot's place moved on. */
const snapshotEveryMs = 10_000;
const idleEveryMs = 60_000;
const hurriedEveryMs = 5_000;
const housekeepEveryMs = 1_000;

export type EnginePhase = "starting" | "running" | "interrupted" | "stopped";

export interface EngineStatus extends Readonly<PartitionCounters> {
  readonly phase: EnginePhase;
  readonly sequence: number;
  readonly commits: number;
  readonly snapshots: number;
  readonly takeOvers: number;
  /** Number of the last tick that was worked off. */
  readonly tick: number;
  /** Name of the rules in force. */
  readonly rules: string | undefined;
  /** Rules that a tick names and that cannot be loaded. */
  readonly missingRules: string | undefined;
  readonly lastFault: string | undefined;
}

/** One span between two take-overs. */
interface Tenure {
  readonly held: ReadonlyMap<number, Held>;
  readonly ended: AbortController;
  fault: unknown;
  /** The store's session in which the checkpoints were found to be this engine's own (E5). */
  session: number;
  /** The journal message worked off last. */
  last: Place | undefined;
  /** Behind it, older ones by which the journal is known again. */
  places: readonly Place[];
  committing: Promise<void> | undefined;
  committedAtMs: number;
  checkedAtMs: number;
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
  #tenure: Tenure | undefined;
  /** Undefined until somebody has decided; until then the marks keep theirs. */
  #cap: { readonly bytesPerSecond: number | undefined } | undefined;
  #isHurried = false;
  #phase: EnginePhase = "starting";
  #running: Promise<void> | undefined;
  #commits = 0;
  #snapshots = 0;
  #takeOvers = 0;
  #sequence = 0;
  #tick = 0;
  #rules: string | undefined;
  #missingRules: string | undefined;
  #lastFault: string | undefined;
  readonly #counters = noCounts();

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
      tick: this.#tick,
      rules: this.#rules,
      missingRules: this.#missingRules,
      lastFault: this.#lastFault,
      ...this.#counters,
    };
  }

  /** By rule; empty between two tenures. */
  ruleCounts(): ReadonlyMap<string, Readonly<RuleCounts>> {
    const book = new RuleCountsBook();
    for (const { partition } of this.#tenure?.held.values() ?? []) partition.countRules(book);
    return book.all();
  }

  /** The fence of each partition; undefined between two tenures. */
  holding(): ReadonlyMap<number, number> | undefined {
    const tenure = this.#tenure;
    if (tenure === undefined || tenure.ended.signal.aborted) return undefined;
    return new Map([...tenure.held].map(([number, { checkpoint }]) => [number, checkpoint.fence]));
  }

  /** What every mark allows its gateway from now on; undefined is no bound. */
  setCap(bytesPerSecond: number | undefined): void {
    if (this.#cap !== undefined && this.#cap.bytesPerSecond === bytesPerSecond) return;
    this.#cap = { bytesPerSecond };
    if (this.#tenure !== undefined) this.#capMarks(this.#tenure);
  }

  #capMarks(tenure: Tenure): void {
    if (this.#cap === undefined) return;
    for (const held of tenure.held.values()) {
      held.partition.setCap(this.#cap.bytesPerSecond);
      if (held.partition.isDirty) tenure.dirty.add(held);
    }
    if (tenure.dirty.size > 0) this.#schedule(tenure, false);
  }

  /** The places of snapshots hold a journal back that is nearly full: they move on sooner. */
  hurry(isHurried: boolean): void {
    this.#isHurried = isHurried;
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#parts;
    for (let attempt = 1; !this.#stopping.signal.aborted; attempt++) {
      let waitMs = 0;
      try {
        this.#phase = "starting";
        const tenure = await this.#begin();
        attempt = 0;
        this.#tenure = tenure;
        this.#capMarks(tenure);
        await this.#serve(tenure);
      } catch (failure) {
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        if (failure instanceof CodedError && failure.code === "ENGINE_FENCED")
          waitMs = fencedWaitMs;
        log.warn({ reason: this.#lastFault }, "the engine takes its partitions over again");
      }
      this.#tenure = undefined;
      waitMs += retryDelayMs(retakeSchedule, Math.max(1, attempt), random);
      await sleep(clock, waitMs, this.#stopping.signal);
    }
  }

  async #begin(): Promise<Tenure> {
    const { clock, log, prepare } = this.#parts;
    await prepare?.();
    const { held, places, session } = await takeOver(this.#parts, this.#counters, clock.bootMs());
    this.#takeOvers++;
    log.info({ fence: held.get(0)?.checkpoint.fence }, "partitions taken over");
    return {
      held,
      ended: new AbortController(),
      fault: undefined,
      session,
      last: undefined,
      places,
      committing: undefined,
      committedAtMs: clock.bootMs() - gatherMs,
      checkedAtMs: clock.bootMs(),
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
        await this.#checkStore(tenure);
        await this.#checkJournal(tenure);
        this.#phase = "running";
        let isChecked = false;
        for await (const message of this.#parts.journal(firstWanted(tenure), signal)) {
          attempt = 1;
          if (!isChecked) await this.#checkJournal(tenure);
          isChecked = true;
          if (message.subject === clockSubject) await this.#takeTick(tenure, message);
          else this.#takeOrEnd(tenure, message);
          if (isFull(tenure)) await this.#commitNow(tenure);
          if (tenure.ended.signal.aborted) break;
        }
      } catch (failure) {
        if (failure instanceof CodedError || attempt >= reopenAttemptsMax) end(tenure, failure);
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
    this.#pass(tenure, message);
    if (held === undefined || !held.partition.isDirty) return;
    tenure.dirty.add(held);
    tenure.uncommitted++;
    this.#schedule(tenure, held.partition.isUrgent);
  }

  #pass(tenure: Tenure, { sequence, subject, header }: JournalMessage): void {
    tenure.last = { sequence, identity: { subject, nonce: header("Cw-Nonce") } };
    this.#sequence = sequence;
  }

  /** E7. Throws where the rules may be there and cannot be asked for: the tick comes again. */
  async #takeTick(tenure: Tenure, message: JournalMessage): Promise<void> {
    const tick = this.#tickIn(message);
    const rules = tick === undefined ? undefined : await this.#rulesNamed(tick.rules);
    try {
      if (tick !== undefined) this.#tickAll(tenure, message.sequence, tick, rules);
      this.#pass(tenure, message);
    } catch (failure) {
      end(tenure, failure);
    }
  }

  #tickAll(tenure: Tenure, sequence: number, tick: Tick, rules: NamedRules | undefined): void {
    this.#tick = tick.n;
    for (const held of tenure.held.values()) {
      const { partition } = held;
      partition.tick(sequence, tick, rules);
      this.#rules = partition.rules;
      if (!partition.isDirty) continue;
      tenure.dirty.add(held);
      this.#schedule(tenure, partition.isUrgent);
    }
  }

  #tickIn({ sequence, data }: JournalMessage): Tick | undefined {
    try {
      return decodeTick(data);
    } catch (failure) {
      this.#parts.log.error({ sequence, reason: reasonOf(failure) }, "a tick is passed over");
      return undefined;
    }
  }

  async #rulesNamed(name: string): Promise<NamedRules | undefined> {
    const alerting = await this.#parts.ruleSets.alertingOf(name);
    const missing = alerting === undefined ? name : undefined;
    if (missing !== undefined && missing !== this.#missingRules) {
      this.#parts.log.error(
        { rules: name },
        "rules that a tick names are missing; the last ones stay",
      );
    }
    this.#missingRules = missing;
    return alerting === undefined ? undefined : { name, alerting };
  }

  /** E5. */
  async #checkStore(tenure: Tenure): Promise<void> {
    const { store } = this.#parts;
    const session = store.session();
    if (session === tenure.session) return;
    await this.#checkOwn(tenure);
    tenure.session = session;
  }

  async #checkOwn(tenure: Tenure): Promise<void> {
    const found = await this.#parts.store.loadCheckpoints([...tenure.held.keys()]);
    for (const [number, { checkpoint, lastSequence }] of tenure.held) {
      const own = found.get(number);
      if (own?.lastSequence === lastSequence && own.checkpoint.nonce === checkpoint.nonce) continue;
      const what = `checkpoint ${number} is not the one that was written last`;
      // Only a higher fence is another engine's, for which this one has to wait.
      const isFenced = (own?.checkpoint.fence ?? 0) > checkpoint.fence;
      throw new CodedError(isFenced ? "ENGINE_FENCED" : "ENGINE_ROLLED_BACK", what);
    }
  }

  /** E8. A commit meanwhile finds out by itself. */
  async #checkIdle(tenure: Tenure): Promise<void> {
    const { committedAtMs } = tenure;
    const nowMs = this.#parts.clock.bootMs();
    const isIdle = nowMs - Math.max(committedAtMs, tenure.checkedAtMs) >= idleEveryMs;
    if (!isIdle || tenure.committing !== undefined) return;
    tenure.checkedAtMs = nowMs;
    try {
      await this.#checkOwn(tenure);
    } catch (failure) {
      const isSure = failure instanceof CodedError && tenure.committedAtMs === committedAtMs;
      if (isSure) end(tenure, failure);
    }
  }

  /** E6. A journal that was rolled back holds another message, or none, where this one stood. */
  async #checkJournal(tenure: Tenure): Promise<void> {
    const last = tenure.last ?? tenure.places[0];
    if (last === undefined) return;
    if (isSame(await this.#parts.messageAt(last.sequence), last.identity)) return;
    const what = `the journal no longer has the message read at ${last.sequence}`;
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
    await this.#checkStore(tenure);
    if (tenure.last !== undefined) tenure.places = withPlace(tenure.places, tenure.last);
    const messages: CommitMessage[] = [];
    const written: { held: Held; checkpoint: Checkpoint }[] = [];
    let charactersLeft = commitCharactersMax;
    for (const held of tenure.dirty) {
      const room = commitMessagesMax - messages.length - written.length;
      if (room <= 0 || charactersLeft <= 0) break;
      const commit = held.checkpoint.commit + 1;
      const collected = held.partition.collect(commit, room, charactersLeft);
      messages.push(...collected.messages);
      charactersLeft -= collected.characters;
      if (collected.complete) tenure.dirty.delete(held);
      const checkpoint = this.#checkpointAfter(tenure, held, commit, collected.complete);
      written.push({ held, checkpoint });
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
  #checkpointAfter(tenure: Tenure, held: Held, commit: number, complete: boolean): Checkpoint {
    const { checkpoint, partition } = held;
    const nonce = this.#parts.random.hex(16);
    if (!complete) return { ...checkpoint, commit, nonce };
    const snapshot = held.snapshot ?? checkpoint.snapshot;
    const whole = { ...checkpoint, commit, nonce, snapshot };
    const sequence = tenure.last?.sequence ?? 0;
    if (sequence < checkpoint.sequence) return whole; // a replay is no news
    const { seenTick: tick, alertRules: rules } = partition;
    return { ...whole, sequence, places: tenure.places, tick, rules };
  }

  /** What is left behind costs space and nothing else; the next snapshot tries again. */
  async #deleteOlder(tenure: Tenure, { partition, checkpoint }: Held): Promise<void> {
    try {
      await this.#checkStore(tenure);
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
    await this.#checkIdle(tenure);
    for (const held of tenure.stale) {
      tenure.stale.delete(held);
      await this.#deleteOlder(tenure, held);
    }
    for (const held of tenure.held.values()) {
      if (tenure.ended.signal.aborted || this.#stopping.signal.aborted) return;
      const isBusy = held.partition.changedAt > held.snapshotSequence;
      const everyMs = isBusy ? snapshotEveryMs : idleEveryMs;
      const dueMs = held.snapshotAtMs + (this.#isHurried ? hurriedEveryMs : everyMs);
      if (this.#parts.clock.bootMs() < dueMs) continue;
      await this.#snapshot(tenure, held, isBusy);
      this.#schedule(tenure, false);
    }
  }

  /** Of an idle partition only the place in the journal moves on. */
  async #snapshot(tenure: Tenure, held: Held, isBusy: boolean): Promise<void> {
    const { last: place } = tenure;
    // In a replay a partition may be ahead of what is read just now.
    if (place === undefined || place.sequence < held.partition.sequence) return;
    const { store, random, clock } = this.#parts;
    const { checkpoint, partition } = held;
    held.snapshotAtMs = clock.bootMs();
    const newest = held.snapshot ?? checkpoint.snapshot;
    if (!isBusy && newest !== undefined) {
      held.snapshot = { ...newest, place };
    } else {
      const generation = `${checkpoint.fence}-${random.hex(8)}`;
      const shards = encodeSnapshot(partition.number, generation, partition.snapshot());
      const named = { shards: shards.length, hash: snapshotHash(shards) };
      const reference = { generation, place, ...named, rules: partition.rules };
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
        const isBusy = held.partition.changedAt > held.snapshotSequence;
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

/** So much is not committed that reading waits for the commit. */
function isFull({ uncommitted, dirty }: Tenure): boolean {
  if (uncommitted >= uncommittedMessagesMax) return true;
  for (const { partition } of dirty) if (partition.isFull) return true;
  return false;
}

/** Behind the last message, or behind the oldest snapshot. */
function firstWanted({ last, held }: Tenure): number {
  if (last !== undefined) return last.sequence + 1;
  return Math.min(...[...held.values()].map(({ snapshotSequence }) => snapshotSequence)) + 1;
}

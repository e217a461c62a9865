/**
 * The engine reads the journal and commits what follows from it: marks, alerts, derived events, dead
 * letters.
 *
 *   E1  Nothing is committed by an engine that was fenced (commits.ts).
 *   E2  After any doubt, and a refusal that is not E9's, the tenure ends: everything in memory is
 *       dropped, the partitions are taken over anew, and the journal is read again under what was
 *       committed.
 *   E3  Alerts do not wait for a commit, the rest a moment (commits.ts).
 *   E4  A snapshot counts once a commit has named it (housekeeping.ts).
 *   E5  Whenever the store may be another one, as after every loss of the connection, nothing is
 *       committed before each checkpoint is found to be the one that this engine wrote last.
 *   E6  The journal's last message is compared each time that the reading begins anew: before, since
 *       a reading behind the end of a shorter journal waits for ever, and again when the first
 *       message comes, since the journal may change in between.
 *   E7  Rules are those that the last tick names. Where they cannot be loaded, it goes on by those
 *       it has and says so.
 *   E8  One that commits nothing for a minute looks whether it was fenced (housekeeping.ts).
 *   E9  Where several engines run, leases say which partitions are whose, and each can lose some and
 *       get others while the rest go on. What is given up is committed, and has a snapshot, before
 *       the lease is. What another engine took is not taken back within `retakeMs`, unless the lease
 *       was lost and given again, so that two never fence each other in turn.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { clockSubject, parseStoredTelemetry, partitionCount } from "@causeway/shared/subjects.ts";
import { Suspects } from "../dead/suspects.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { GroupLeases } from "../leases/leases.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import type { Tick } from "../ticks/tick.ts";
import { decodeTick } from "../ticks/tick.ts";
import { takeAlone } from "./alone.ts";
import { Commits } from "./commits.ts";
import { Housekeeping } from "./housekeeping.ts";
import type { PartitionCounters } from "./partition-counters.ts";
import { noCounts } from "./partition-counters.ts";
import { isSame } from "./place.ts";
import type { RuleCounts } from "./rule-counts.ts";
import { RuleCountsBook } from "./rule-counts.ts";
import type { Held, TakenOver, TakeOverParts } from "./take-over.ts";
import { takeOver } from "./take-over.ts";
import { placeOf, Tenure } from "./tenure.ts";
import { isSuspected } from "./trial.ts";

export interface EngineParts extends TakeOverParts {
  /**
   * Reads what the journal has of some partitions, of all where none are named, and its ticks, from a
   * sequence on; throws when it is interrupted.
   */
  readonly journal: (
    from: number,
    signal: AbortSignal,
    partitions?: readonly number[],
  ) => AsyncIterable<JournalMessage>;
  /** E9. Without them every partition is this engine's. */
  readonly leases?: GroupLeases | undefined;
  readonly clock: Clock;
  /** Done before every take-over: a server that lost its disk comes back without streams. */
  readonly prepare?: () => Promise<void>;
}

const retakeSchedule = { firstMs: 250, maxMs: 15_000, factor: 2 };
/** After another engine's commit was found, where there are no leases. */
const fencedWaitMs = 10_000;
/** E9. Longer than a lease lasts, so that it is known by then whose it is. */
const retakeMs = 6_000;
const leaseLookMs = 1_000;
const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** In a row; then all is prepared anew, as for a server that came back without its streams. */
const reopenAttemptsMax = 10;
const allPartitions = Array.from({ length: partitionCount }, (_, partition) => partition);

export type EnginePhase = "starting" | "standby" | "running" | "interrupted" | "stopped";

export interface EngineStatus extends Readonly<PartitionCounters> {
  /** In standby there is no partition for it. */
  readonly phase: EnginePhase;
  /** Of the 64, how many it has. */
  readonly partitions: number;
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

/** A tenure and what works on it. */
interface Serving {
  readonly tenure: Tenure;
  readonly commits: Commits;
  readonly housekeeping: Housekeeping;
  /** Ends the reading, so that partitions can go and join. */
  pause: AbortController;
  /** E9. Taken over, and to join at the next pause. */
  gained: TakenOver | undefined;
  gaining: Promise<void> | undefined;
}

/** For those that are being taken over. */
const none: ReadonlySet<number> = new Set();

export class Engine {
  readonly #parts: EngineParts;
  readonly #stopping = new AbortController();
  #serving: Serving | undefined;
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
  /** Being taken over. */
  #taking = none;
  /** E9. When a partition that was lost may be taken again, in ms of the boot. */
  readonly #fencedUntil = new Map<number, number>();

  constructor(parts: EngineParts) {
    this.#parts = { suspects: new Suspects(), ...parts };
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
      partitions: this.#serving?.tenure.held.size ?? 0,
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
    for (const { partition } of this.#serving?.tenure.held.values() ?? [])
      partition.countRules(book);
    return book.all();
  }

  /** The fence of each partition that it holds; undefined between two tenures. */
  holding(): ReadonlyMap<number, number> | undefined {
    const { tenure } = this.#serving ?? {};
    if (tenure === undefined || tenure.ended.aborted) return undefined;
    return new Map([...tenure.held].map(([number, { checkpoint }]) => [number, checkpoint.fence]));
  }

  /** What every mark allows its gateway from now on; undefined is no bound. */
  setCap(bytesPerSecond: number | undefined): void {
    if (this.#cap !== undefined && this.#cap.bytesPerSecond === bytesPerSecond) return;
    this.#cap = { bytesPerSecond };
    if (this.#serving !== undefined) this.#capMarks(this.#serving);
  }

  #capMarks({ tenure, commits }: Serving): void {
    if (this.#cap === undefined) return;
    for (const held of tenure.held.values()) {
      held.partition.setCap(this.#cap.bytesPerSecond);
      if (held.partition.isDirty) tenure.dirty.add(held);
    }
    if (tenure.dirty.size > 0) commits.schedule(false);
  }

  /** The places of snapshots hold a journal back that is nearly full: they move on sooner. */
  hurry(isHurried: boolean): void {
    this.#isHurried = isHurried;
  }

  async #run(): Promise<void> {
    const { clock, random, log, leases } = this.#parts;
    const unwatch = leases?.onChange(() => this.#look());
    leases?.inUse(() => this.#inUse());
    for (let attempt = 1; !this.#stopping.signal.aborted; attempt++) {
      let waitMs = 0;
      try {
        const serving = await this.#begin();
        if (serving === undefined) break;
        attempt = 0;
        this.#serving = serving;
        this.#capMarks(serving);
        await this.#serve(serving);
      } catch (failure) {
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        if (failure instanceof CodedError && failure.code === "ENGINE_FENCED")
          waitMs = this.#fencedWaitMs();
        log.warn({ reason: this.#lastFault }, "the engine takes its partitions over again");
      }
      this.#serving = undefined;
      waitMs += retryDelayMs(retakeSchedule, Math.max(1, attempt), random);
      await sleep(clock, waitMs, this.#stopping.signal);
    }
    unwatch?.();
  }

  /** E9. Leases say better than a long wait who is to go on. */
  #fencedWaitMs(): number {
    const lost = [...(this.#serving?.tenure.held.keys() ?? [])];
    this.#noteFenced(lost);
    return this.#parts.leases === undefined ? fencedWaitMs : 0;
  }

  #noteFenced(partitions: readonly number[]): void {
    const until = this.#parts.clock.bootMs() + retakeMs;
    for (const partition of partitions) this.#fencedUntil.set(partition, until);
  }

  #inUse(): ReadonlySet<number> {
    const { tenure, gained } = this.#serving ?? {};
    return new Set([
      ...(tenure?.held.keys() ?? []),
      ...(gained?.held.keys() ?? []),
      ...this.#taking,
    ]);
  }

  async #takeOver(numbers: readonly number[]): Promise<TakenOver> {
    this.#taking = new Set(numbers);
    try {
      const taken = await takeOver(
        this.#parts,
        numbers,
        this.#counters,
        this.#parts.clock.bootMs(),
      );
      this.#takeOvers++;
      return taken;
    } finally {
      this.#taking = none;
    }
  }

  /** E9. What should be this engine's and may be taken now; nothing on the word of old leases. */
  #takeable(): readonly number[] {
    const { leases, clock } = this.#parts;
    if (leases === undefined) return allPartitions;
    if (!leases.isFresh()) return [];
    const [wanted, nowMs] = [leases.wanted(), clock.bootMs()];
    for (const [number, until] of this.#fencedUntil)
      if (until <= nowMs || !wanted.has(number)) this.#fencedUntil.delete(number);
    return [...wanted].filter((number) => !this.#fencedUntil.has(number));
  }

  /** Undefined where it is stopped before there is anything to do. */
  async #begin(): Promise<Serving | undefined> {
    const { log, prepare } = this.#parts;
    this.#phase = "starting";
    const numbers = await this.#awaitPartitions();
    if (numbers.length === 0) return undefined;
    await prepare?.();
    const taken = await this.#takeOver(numbers);
    log.info({ partitions: numbers.length, fence: fenceOf(taken) }, "partitions taken over");
    return this.#serviceOf(new Tenure(taken));
  }

  async #awaitPartitions(): Promise<readonly number[]> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const numbers = this.#takeable();
      if (numbers.length > 0) return numbers;
      this.#phase = "standby";
      await sleep(clock, leaseLookMs / 10, signal);
    }
    return [];
  }

  #serviceOf(tenure: Tenure): Serving {
    const { store, clock, random, log, leases } = this.#parts;
    const parts = { store, clock, random, log };
    const commits = new Commits(
      {
        ...parts,
        isShared: leases !== undefined,
        committed: () => void this.#commits++,
        fenced: (partitions) => this.#noteFenced(partitions),
      },
      tenure,
    );
    const housekeeping = new Housekeeping(
      {
        ...parts,
        stored: () => void this.#snapshots++,
        look: () => this.#look(),
        isHurried: () => this.#isHurried,
      },
      tenure,
      commits,
    );
    const pause = new AbortController();
    return { tenure, commits, housekeeping, pause, gained: undefined, gaining: undefined };
  }

  /** E9. Asks for a pause where partitions are to go, and takes over those that are to come. */
  #look(): void {
    const { leases } = this.#parts;
    const serving = this.#serving;
    if (leases === undefined || serving === undefined) return;
    const { held } = serving.tenure;
    const wanted = leases.wanted();
    if ([...held.keys()].some((number) => !wanted.has(number))) serving.pause.abort();
    const missing = this.#takeable().filter((number) => !held.has(number));
    if (missing.length === 0 || serving.gaining !== undefined || serving.gained !== undefined)
      return;
    serving.gaining = this.#gain(serving, missing).finally(() => {
      serving.gaining = undefined;
    });
  }

  async #gain(serving: Serving, numbers: readonly number[]): Promise<void> {
    const { log } = this.#parts;
    try {
      serving.gained = await this.#takeOver(numbers);
      log.info({ partitions: numbers.length }, "more partitions taken over");
      serving.pause.abort();
    } catch (failure) {
      log.warn({ reason: reasonOf(failure) }, "more partitions cannot be taken over yet");
    }
  }

  /** E9. While nothing is read. */
  async #rearrange(serving: Serving): Promise<void> {
    const { tenure, commits } = serving;
    const { leases, store } = this.#parts;
    if (leases === undefined) return;
    serving.pause = new AbortController();
    const wanted = leases.wanted();
    const beyond = [...tenure.held.values()].filter((held) => !wanted.has(held.partition.number));
    if (beyond.length > 0) await this.#giveUp(serving, beyond);
    const { gained } = serving;
    if (gained === undefined) return;
    await commits.drain();
    serving.gained = undefined;
    // What was read of the store before it became another one is taken over anew.
    if (gained.session !== tenure.session || gained.session !== store.session()) return;
    tenure.join(gained);
    this.#capMarks(serving);
  }

  async #giveUp({ tenure, housekeeping }: Serving, beyond: readonly Held[]): Promise<void> {
    const { leases, log } = this.#parts;
    await housekeeping.release(beyond);
    if (tenure.ended.aborted) return;
    for (const held of beyond) tenure.drop(held);
    const numbers = beyond.map(({ partition }) => partition.number);
    leases?.done();
    log.info({ partitions: numbers.length, left: tenure.held.size }, "partitions given up");
  }

  /** Reads until the tenure ends; interruptions of the reading alone do not end it. */
  async #serve(serving: Serving): Promise<void> {
    const { tenure, commits, housekeeping } = serving;
    const { clock, random } = this.#parts;
    const signal = AbortSignal.any([this.#stopping.signal, tenure.ended]);
    housekeeping.schedule();
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#rearrange(serving);
        if (tenure.held.size === 0) break;
        await commits.checkStore();
        await this.#checkJournal(tenure);
        this.#phase = "running";
        await this.#read(serving, signal, () => {
          attempt = 1;
        });
        if (serving.pause.signal.aborted) attempt = 0;
      } catch (failure) {
        if (failure instanceof CodedError || attempt >= reopenAttemptsMax) tenure.end(failure);
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
      }
    }
    await housekeeping.end();
    await serving.gaining;
    await commits.drain();
    if (tenure.fault !== undefined) throw tenure.fault;
    await this.#giveUp(serving, [...tenure.held.values()]);
  }

  async #read(serving: Serving, signal: AbortSignal, progress: () => void): Promise<void> {
    const { tenure, commits } = serving;
    const until = AbortSignal.any([signal, serving.pause.signal]);
    const partitions = [...tenure.held.keys()];
    let isChecked = false;
    for await (const message of this.#parts.journal(tenure.next, until, partitions)) {
      progress();
      if (!isChecked) await this.#checkJournal(tenure);
      isChecked = true;
      if (message.subject === clockSubject) await this.#takeTick(serving, message);
      else await this.#takeOrEnd(serving, message);
      if (tenure.isFull) await commits.now();
      if (until.aborted) break;
    }
  }

  /** A message that was half worked off must not be passed over: the tenure ends. */
  async #takeOrEnd(serving: Serving, message: JournalMessage): Promise<void> {
    try {
      if (await this.#tookAlone(serving, message)) return;
      while (!this.#take(serving, message)) await serving.commits.drain();
    } catch (failure) {
      serving.tenure.end(failure);
    }
  }

  /** C1. */
  async #tookAlone(serving: Serving, message: JournalMessage): Promise<boolean> {
    const { tenure, commits } = serving;
    const source = parseStoredTelemetry(message.subject);
    const held = source === undefined ? undefined : tenure.held.get(source.partition);
    const { suspects } = this.#parts;
    if (held === undefined || suspects === undefined || !isSuspected(held.trial)) return false;
    if (message.sequence > held.partition.sequence)
      await takeAlone({ tenure, commits, suspects }, held, message);
    if (!tenure.ended.aborted) this.#pass(tenure, message);
    return true;
  }

  /** False where a commit has to be between this and the rest of the message (P7). */
  #take({ tenure, commits }: Serving, message: JournalMessage): boolean {
    if (tenure.ended.aborted) return true;
    const source = parseStoredTelemetry(message.subject);
    const held = source === undefined ? undefined : tenure.held.get(source.partition);
    const isWhole = held === undefined || held.partition.take(message);
    if (isWhole) this.#pass(tenure, message);
    else tenure.partial = placeOf(message);
    if (held === undefined || !held.partition.isDirty) return isWhole;
    tenure.dirty.add(held);
    tenure.uncommitted++;
    commits.schedule(held.partition.isUrgent);
    return isWhole;
  }

  #pass(tenure: Tenure, message: JournalMessage): void {
    tenure.pass(message);
    this.#sequence = message.sequence;
  }

  /** E7. Throws where the rules may be there and cannot be asked for: the tick comes again. */
  async #takeTick(serving: Serving, message: JournalMessage): Promise<void> {
    const tick = this.#tickIn(message);
    const rules = tick === undefined ? undefined : await this.#rulesNamed(tick.rules);
    try {
      if (tick !== undefined) this.#tickAll(serving, message.sequence, tick, rules);
      this.#pass(serving.tenure, message);
    } catch (failure) {
      serving.tenure.end(failure);
    }
  }

  #tickAll(
    { tenure, commits }: Serving,
    sequence: number,
    tick: Tick,
    rules: NamedRules | undefined,
  ): void {
    this.#tick = tick.n;
    for (const held of tenure.held.values()) {
      const { partition } = held;
      partition.tick(sequence, tick, rules);
      this.#rules = partition.rules;
      if (!partition.isDirty) continue;
      tenure.dirty.add(held);
      commits.schedule(partition.isUrgent);
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

  /** E6. A journal that was rolled back holds another message, or none, where this one stood. */
  async #checkJournal(tenure: Tenure): Promise<void> {
    const last = tenure.last ?? tenure.places[0];
    if (last === undefined) return;
    if (isSame(await this.#parts.messageAt(last.sequence), last.identity)) return;
    const what = `the journal no longer has the message read at ${last.sequence}`;
    throw new CodedError("JOURNAL_ROLLED_BACK", what);
  }
}

function fenceOf({ held }: TakenOver): number | undefined {
  const [first] = held.values();
  return first?.checkpoint.fence;
}

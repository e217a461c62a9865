/**
 * The second stage of rules: it reads what gateways tell their sites, on stream ENGINE, and commits
 * there what follows from it: alerts, derived events and the state of each site.
 *
 *     partitions ──commit──> ENGINE site.*.*, site.clk ──> sites ──commit──> ENGINE alert.>, site.state.>
 *
 *   H1  Nothing is committed by a stage that was fenced: every commit expects the checkpoint that it
 *       itself wrote last.
 *   H2  After any refusal, doubt or interruption everything in memory is dropped, and the stage is
 *       taken over anew; after every loss of the connection too, since the stream may be another one.
 *   H3  What a site tells goes in one commit with its state, which says up to which message it is: a
 *       message has its effect once, however often it is read. Source and state are one stream, so
 *       they are put back together.
 *   H4  It is read from behind the last message that all states hold. What has to be told is
 *       committed at once, the rest after `lazyMs` at most.
 *   H5  What all states hold is deleted, each minute, and not before: where somebody deletes more,
 *       sites find the hole and tell it.
 *
 * Of several processes the one that has the lease judges; one that loses it commits what it has and
 * waits. The fence holds without that.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { siteCheckpoint, siteClockSubject, subjects } from "@causeway/shared/subjects.ts";
import type { Told } from "../alert/gateway-step.ts";
import type { Checkpoint } from "../engine/checkpoint.ts";
import { noCheckpoint } from "../engine/checkpoint.ts";
import type { CommitMessage, EngineStore } from "../engine/engine-store.ts";
import { GatewayOutput } from "../engine/gateway-output.ts";
import { checkpointMessage, committedAt } from "../engine/take-over.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { GroupLeases } from "../leases/leases.ts";
import type { NamedRules, RuleSets } from "../ticks/rule-sets.ts";
import type { SeenTick, Tick } from "../ticks/tick.ts";
import { decodeTick } from "../ticks/tick.ts";
import { headOf, Site } from "./site.ts";
import type { SiteMessage } from "./site-message.ts";
import { decodeSiteMessage, placeOfSite } from "./site-message.ts";
import { stateMessages, statesIn } from "./site-state.ts";

export interface SiteStageParts {
  readonly store: EngineStore;
  /** Reads what sites are told from a sequence of ENGINE on; throws when it is interrupted. */
  readonly journal: (from: number, signal: AbortSignal) => AsyncIterable<JournalMessage>;
  /** Deletes what sites were told before a sequence of ENGINE. */
  readonly purge?: (before: number) => Promise<void>;
  readonly ruleSets: RuleSets;
  /** One lease; without them this process judges. */
  readonly leases?: GroupLeases | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** H4. */
const lazyMs = 10_000;
const commitMessagesMax = 400;
const commitCharactersMax = 1_024 * 1_024;
/** Characters that wait to be told; from there on reading waits for a commit. */
const waitingCharactersMax = 1_024 * 1_024;
/** H5. */
const purgeEveryMs = 60_000;
const retakeSchedule = { firstMs: 250, maxMs: 15_000, factor: 2 };
/** After another stage's commit was found, so that two do not fence each other in turn. */
const fencedWaitMs = 10_000;
const leaseLookMs = 100;

export interface SiteStageStatus {
  readonly phase: "starting" | "standby" | "running" | "interrupted" | "stopped";
  /** Sites with a state. */
  readonly sites: number;
  /** Of ENGINE, worked off last. */
  readonly sequence: number;
  readonly commits: number;
  readonly messages: number;
  readonly transitions: number;
  readonly derived: number;
  /** That one message had no room for. */
  readonly derivedRefused: number;
  readonly takeOvers: number;
  /** The time of the newest tick worked off, in ms; undefined while no rule looks at sites. */
  readonly tickAt: number | undefined;
  readonly lastFault: string | undefined;
}

interface Held {
  readonly site: Site;
  readonly output: GatewayOutput;
  /** Messages up to here are in its stored state. */
  readonly storedAt: number;
  /** The first message that is in no stored state; undefined where there is none. */
  changedAt: number | undefined;
  isUrgent: boolean;
}

/** One span between two take-overs. */
interface Tenure {
  readonly sites: Map<string, Held>;
  readonly ended: AbortController;
  readonly lost: AbortController;
  readonly session: number;
  readonly waiting: { characters: number };
  fault: unknown;
  checkpoint: Checkpoint;
  lastSequence: number;
  /** Worked off last. */
  sequence: number;
  committing: Promise<void> | undefined;
  scheduled: Cancel | undefined;
  isSoon: boolean;
  purgedAtMs: number;
  purging: Promise<void> | undefined;
}

export class SiteStage {
  readonly #parts: SiteStageParts;
  readonly #stopping = new AbortController();
  #tenure: Tenure | undefined;
  #running: Promise<void> | undefined;
  #phase: SiteStageStatus["phase"] = "starting";
  #tickAt: number | undefined;
  #missingRules: string | undefined;
  #lastFault: string | undefined;
  #sequence = 0;
  readonly #counts = {
    ...{ commits: 0, messages: 0, takeOvers: 0 },
    ...{ transitions: 0, derived: 0, derivedRefused: 0 },
  };

  constructor(parts: SiteStageParts) {
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

  status(): SiteStageStatus {
    return {
      ...{ phase: this.#phase, sites: this.#tenure?.sites.size ?? 0, sequence: this.#sequence },
      ...this.#counts,
      ...{ tickAt: this.#tickAt, lastFault: this.#lastFault },
    };
  }

  /** Readings and events that were not judged for want of room, by rule. */
  refused(): ReadonlyMap<string, number> {
    const refused = new Map<string, number>();
    for (const { site } of this.#tenure?.sites.values() ?? []) {
      for (const [rule, count] of site.counts.refused) {
        refused.set(rule, (refused.get(rule) ?? 0) + count);
      }
    }
    return refused;
  }

  async #awaitLease(): Promise<void> {
    const { leases, clock } = this.#parts;
    const { signal } = this.#stopping;
    while (leases !== undefined && !signal.aborted) {
      if (leases.isFresh() && leases.wanted().size > 0) return;
      this.#phase = "standby";
      await sleep(clock, leaseLookMs, signal);
    }
  }

  async #run(): Promise<void> {
    const { clock, random, log, leases } = this.#parts;
    leases?.inUse(() => new Set(this.#tenure === undefined ? [] : [0]));
    const unwatch = leases?.onChange(() => {
      if (leases.wanted().size === 0) this.#tenure?.lost.abort();
    });
    await this.#serveForEver(clock, random, log);
    unwatch?.();
  }

  async #serveForEver(clock: Clock, random: Random, log: Logger): Promise<void> {
    for (let attempt = 1; !this.#stopping.signal.aborted; attempt++) {
      let waitMs = 0;
      await this.#awaitLease();
      if (this.#stopping.signal.aborted) return;
      try {
        const tenure = await this.#begin();
        this.#tenure = tenure;
        await this.#serve(tenure, () => {
          attempt = 0;
        });
      } catch (failure) {
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        const isFenced = failure instanceof CodedError && failure.code === "ENGINE_FENCED";
        if (isFenced && this.#parts.leases === undefined) waitMs = fencedWaitMs;
        log.warn({ reason: this.#lastFault }, "the stage of sites is taken over again");
      }
      this.#tenure = undefined;
      this.#parts.leases?.done();
      if (this.#stopping.signal.aborted) return;
      waitMs += retryDelayMs(retakeSchedule, Math.max(1, attempt), random);
      await sleep(clock, waitMs, this.#stopping.signal);
    }
  }

  /** H1: the fence is raised before anything is read. */
  async #begin(): Promise<Tenure> {
    const { store, random, log, clock } = this.#parts;
    const session = store.session();
    const stored = (await store.loadCheckpoints([siteCheckpoint])).get(siteCheckpoint);
    const { checkpoint: before, lastSequence } = stored ?? {
      checkpoint: noCheckpoint,
      lastSequence: 0,
    };
    const checkpoint = { ...before, fence: before.fence + 1, nonce: random.hex(16) };
    if (store.session() !== session) throw new Error("the connection broke at the take-over");
    const fence = checkpointMessage(siteCheckpoint, checkpoint, lastSequence);
    const last = committedAt(await store.commit([fence]), "the fence was not raised");
    const tenure: Tenure = {
      ...{
        sites: new Map(),
        ended: new AbortController(),
        lost: new AbortController(),
        session,
        waiting: { characters: 0 },
      },
      ...{ fault: undefined, checkpoint, lastSequence: last, sequence: checkpoint.sequence },
      ...{ committing: undefined, scheduled: undefined, isSoon: false },
      ...{ purgedAtMs: clock.bootMs(), purging: undefined },
    };
    for (const text of statesIn(await store.loadLast(subjects.siteStates))) {
      const { sequence, rules } = headOf(text);
      const site = Site.decode(text, await this.#rulesToBeginBy(rules));
      tenure.sites.set(site.site, this.#hold(tenure, site, sequence));
    }
    this.#counts.takeOvers++;
    log.info(
      { fence: checkpoint.fence, sites: tenure.sites.size },
      "the stage of sites is taken over",
    );
    return tenure;
  }

  #hold(tenure: Tenure, site: Site, storedAt: number): Held {
    const { partition, token } = placeOfSite(site.site);
    const output = new GatewayOutput(partition, token, tenure.waiting);
    return { site, output, storedAt, changedAt: undefined, isUrgent: false };
  }

  /** Undefined where they are missing, which is told; they are asked for again at the next tick. */
  async #rulesNamed(name: string): Promise<NamedRules | undefined> {
    const { ruleSets, log } = this.#parts;
    const alerting = await ruleSets.alertingOf(name);
    if (alerting !== undefined) return { name, alerting };
    if (this.#missingRules !== name) {
      log.error({ rules: name }, "a rule set is missing; sites are judged by the last ones");
    }
    this.#missingRules = name;
    return undefined;
  }

  /** This process' own where they are missing. */
  async #rulesToBeginBy(name: string): Promise<NamedRules> {
    const { own } = this.#parts.ruleSets;
    const rules = (await this.#rulesNamed(name)) ?? (await this.#rulesNamed(own));
    if (rules === undefined) throw new Error("a process does not know its own rules");
    return rules;
  }

  async #serve(tenure: Tenure, isGood: () => void): Promise<void> {
    const signal = AbortSignal.any([
      ...[this.#stopping.signal, tenure.ended.signal, tenure.lost.signal],
    ]);
    try {
      this.#phase = "running";
      for await (const message of this.#parts.journal(tenure.sequence + 1, signal)) {
        if (this.#parts.store.session() !== tenure.session) throw new Error("another session");
        isGood();
        await this.#take(tenure, message);
        if (tenure.waiting.characters >= waitingCharactersMax) await this.#commitNow(tenure);
        if (tenure.ended.signal.aborted) break;
      }
    } catch (failure) {
      end(tenure, failure);
    }
    await this.#drain(tenure);
    if (tenure.fault !== undefined) throw tenure.fault;
  }

  async #take(tenure: Tenure, message: JournalMessage): Promise<void> {
    const { sequence } = message;
    if (message.subject === siteClockSubject) {
      const tick = this.#readable(sequence, () => decodeTick(message.data));
      if (tick !== undefined) await this.#tickAll(tenure, sequence, tick);
    } else {
      const told = this.#readable(sequence, () => decodeSiteMessage(message.data));
      if (told !== undefined) await this.#takeInputs(tenure, sequence, told);
    }
    tenure.sequence = sequence;
    this.#sequence = sequence;
    this.#counts.messages++;
  }

  #readable<Read>(sequence: number, read: () => Read): Read | undefined {
    try {
      return read();
    } catch (failure) {
      this.#parts.log.error({ sequence, reason: reasonOf(failure) }, "a message is passed over");
      return undefined;
    }
  }

  async #tickAll(tenure: Tenure, sequence: number, tick: Tick): Promise<void> {
    const rules = await this.#rulesNamed(tick.rules);
    this.#tickAt = rules?.alerting.judgesSites === false ? undefined : tick.at;
    tenure.sequence = sequence; // nothing is awaited until all of it has its effect
    for (const held of tenure.sites.values()) {
      const { site } = held;
      // A tick that has rules change is one of the rules that it names.
      const isChange = rules !== undefined && site.wants(tick.rules, tick);
      if (isChange) site.useRules(rules, beforeTick(tick));
      const { revision } = site;
      held.output.begin();
      this.#tell(tenure, held, sequence, site.tick(tick), isChange || site.revision !== revision);
    }
  }

  async #takeInputs(tenure: Tenure, sequence: number, message: SiteMessage): Promise<void> {
    const { site: name, inputs, tick, rules } = message;
    let held = tenure.sites.get(name);
    if (held === undefined) {
      const site = new Site(name, await this.#rulesToBeginBy(rules));
      held = this.#hold(tenure, site, 0);
      tenure.sites.set(name, held);
    }
    if (held.storedAt >= sequence) return;
    const { site } = held;
    const others = site.wants(rules, tick) ? await this.#rulesNamed(rules) : undefined;
    tenure.sequence = sequence; // nothing is awaited until all of it has its effect
    if (others !== undefined) site.useRules(others, tick);
    held.output.begin();
    for (const input of inputs) this.#tell(tenure, held, sequence, site.take(input), true);
  }

  #tell(tenure: Tenure, held: Held, sequence: number, told: Told, isChanged: boolean): void {
    const { transitions, derived } = told;
    for (const transition of transitions) held.output.addTransition(transition);
    for (const event of derived) {
      if (held.output.addDerived(event)) this.#counts.derived++;
      else this.#counts.derivedRefused++;
    }
    this.#counts.transitions += transitions.length;
    const isNews = transitions.length > 0 || derived.length > 0;
    if (!isNews && !isChanged) return;
    held.changedAt ??= sequence;
    held.isUrgent ||= isNews;
    this.#schedule(tenure, held.isUrgent);
  }

  /** H4. */
  #schedule(tenure: Tenure, isSoon: boolean): void {
    if (tenure.committing !== undefined) return;
    if (tenure.scheduled !== undefined && (!isSoon || tenure.isSoon)) return;
    tenure.scheduled?.();
    tenure.isSoon = isSoon;
    tenure.scheduled = this.#parts.clock.after(isSoon ? 0 : lazyMs, () => {
      tenure.scheduled = undefined;
      if (tenure.committing === undefined) this.#beginCommit(tenure);
    });
  }

  async #commitNow(tenure: Tenure): Promise<void> {
    if (tenure.committing === undefined) this.#beginCommit(tenure);
    await tenure.committing;
  }

  #beginCommit(tenure: Tenure): void {
    tenure.scheduled?.();
    tenure.scheduled = undefined;
    if (tenure.ended.signal.aborted) return;
    const changed = changedIn(tenure);
    if (changed.length === 0) return;
    tenure.committing = this.#commit(tenure, changed)
      .catch((failure) => end(tenure, failure))
      .finally(() => {
        tenure.committing = undefined;
        const left = changedIn(tenure);
        if (left.length > 0) this.#schedule(tenure, left[0]?.isUrgent ?? false);
      });
  }

  /** H3. What was handed out and is not stored ends the tenure, so nobody has to put it back. */
  async #commit(tenure: Tenure, changed: readonly Held[]): Promise<void> {
    const { store, random } = this.#parts;
    const messages: CommitMessage[] = [];
    let characters = 0;
    for (const held of changed) {
      if (messages.length > 0 && characters >= commitCharactersMax) break;
      const state = stateMessages(held.site.site, held.site.encode(tenure.sequence));
      const own = [...held.output.messages(), ...state];
      if (messages.length > 0 && messages.length + own.length > commitMessagesMax) break;
      messages.push(...own);
      for (const { data } of own) characters += data.length;
      held.output.clear();
      held.changedAt = undefined;
      held.isUrgent = false;
    }
    const firsts = changedIn(tenure).map(({ changedAt = 0 }) => changedAt - 1);
    const sequence = Math.min(tenure.sequence, ...firsts);
    const commit = tenure.checkpoint.commit + 1;
    const checkpoint = { ...tenure.checkpoint, commit, sequence, nonce: random.hex(16) };
    messages.push(checkpointMessage(siteCheckpoint, checkpoint, tenure.lastSequence));
    if (store.session() !== tenure.session) throw new Error("another session");
    const last = committedAt(await store.commit(messages), "a commit of sites was not taken");
    tenure.lastSequence = last;
    tenure.checkpoint = checkpoint;
    this.#counts.commits++;
    this.#purge(tenure);
  }

  /** H5. What is left costs room until it ends by its TTL, and nothing else. */
  #purge(tenure: Tenure): void {
    const { purge, clock, log } = this.#parts;
    const isDue = clock.bootMs() - tenure.purgedAtMs >= purgeEveryMs;
    if (purge === undefined || !isDue || tenure.purging !== undefined) return;
    tenure.purgedAtMs = clock.bootMs();
    tenure.purging = purge(tenure.checkpoint.sequence + 1)
      .catch((failure) => {
        log.warn({ reason: reasonOf(failure) }, "what sites were told is not deleted yet");
      })
      .finally(() => {
        tenure.purging = undefined;
      });
  }

  async #drain(tenure: Tenure): Promise<void> {
    tenure.scheduled?.();
    await tenure.committing;
    while (changedIn(tenure).length > 0 && !tenure.ended.signal.aborted) {
      await this.#commitNow(tenure);
    }
    tenure.scheduled?.();
    tenure.ended.abort();
    await tenure.purging;
  }
}

/** H2. */
function end(tenure: Tenure, fault: unknown): void {
  tenure.fault ??= fault;
  tenure.ended.abort();
}

/** Those that have something to tell first. */
function changedIn({ sites }: Tenure): readonly Held[] {
  const changed = [...sites.values()].filter(({ changedAt }) => changedAt !== undefined);
  return changed.toSorted((left, right) => Number(right.isUrgent) - Number(left.isUrgent));
}

/** So that the tick itself still counts. */
function beforeTick({ n, at }: Tick): SeenTick {
  return { n: n - 1, at: at - 1 };
}

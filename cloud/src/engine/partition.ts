/**
 * One partition's state: ledgers, detectors and alerts of its gateways. Pure: `take` works a journal
 * message off, `collect` hands out what is to be committed.
 *
 *   P1  What a gateway's commit holds is whole: its mark, its alerts, its derived events and its dead
 *       letters go in one.
 *   P2  An event that a committed mark covers, and a tick that a commit has seen, change detector
 *       state and nothing else. A mark says which tick its gateway has seen, for a commit that had
 *       no room for all gateways.
 *   P3  Rules change at a tick, and nowhere else.
 *   P4  A hole that a replay passes is told once: it is remembered until a snapshot is behind it.
 *   P5  A mark's size is bounded, whatever a gateway does: of doubts and holes the newest are kept.
 *   P6  What rules by site are told of a gateway goes in its commit, and once: what was sent before is
 *       a part of detector state. Ticks for them come from the last partition alone, in a
 *       commit behind what the others tell of the same moment.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import { encodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Doubt, Hole, Mark } from "@causeway/shared/mark.ts";
import { encodeMark } from "@causeway/shared/mark.ts";
import type { SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import { partitionCount, siteClockSubject, subjects } from "@causeway/shared/subjects.ts";
import { GatewayConditions } from "../alert/gateway-conditions.ts";
import type { RulesState, Told } from "../alert/gateway-step.ts";
import { takeEvent, takeTick } from "../alert/gateway-step.ts";
import type { DeadItem, Folded, TakenEvent } from "../ingest/fold.ts";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { LedgerBounds } from "../ledger/bounds.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import type { SeenTick, Tick } from "../ticks/tick.ts";
import { encodeTick, isAfter, seenAfter } from "../ticks/tick.ts";
import { noTickMs } from "../ticks/tick-watch.ts";
import { Doubts } from "./doubts.ts";
import type { CommitMessage } from "./engine-store.ts";
import type { Waiting } from "./gateway-output.ts";
import { GatewayOutput } from "./gateway-output.ts";
import type { PartitionCounters } from "./partition-counters.ts";
import type { RuleCountsBook } from "./rule-counts.ts";
import type { GatewaySnapshot } from "./snapshot.ts";

/** Characters of output that wait in a partition; from there on reading waits for a commit. */
const outputCharactersMax = 1_024 * 1_024;
/** P5. A hole may be told again after a crash. */
const holesMax = 64;
/** P6. Who reads none for so long finds newer ones. */
const siteClockTtlSeconds = 3_600;
const noTick: SeenTick = { n: 0, at: 0 };

/** The pages of a gateway's ledger, in ascending order. */
export type PagesOf = (gateway: string) => readonly EpochPage[];

const noPages: PagesOf = () => [];

interface GatewayState extends RulesState {
  conditions: GatewayConditions;
  /** What the journal lost since the snapshot, and was told (P4). */
  holes: readonly Hole[];
  readonly output: GatewayOutput;
  /** The newest tick that had its effect on it (P2). */
  seenTick: SeenTick | undefined;
  readonly doubts: Doubts;
  /** Bytes per second that its mark allows; undefined is no bound. */
  cap: number | undefined;
}

export interface Collected {
  readonly messages: readonly CommitMessage[];
  readonly characters: number;
  /** Nothing is left. */
  readonly complete: boolean;
}

export interface PartitionSettings {
  /** The usual ones where they are not given. */
  readonly ledgerBounds?: LedgerBounds | undefined;
  /** A gateway of which nothing live came for so long is told as silent; undefined: never. */
  readonly silentAfterMs?: number | undefined;
}

export class Partition {
  readonly number: number;
  #rules: NamedRules;
  /** By these alerts were judged when they were committed. */
  #alertRules: NamedRules;
  #seenTick: SeenTick | undefined;
  readonly #ledgers: Ledgers;
  readonly #settings: PartitionSettings;
  readonly #states = new Map<string, GatewayState>();
  readonly #dirty = new Set<string>();
  readonly #counters: PartitionCounters;
  /** Up to here a committed engine has read; before it nothing is told back. */
  #replayUntil: number;
  #hasPassedReplay = false;
  #sequence = 0;
  /** The time of the message that was worked off last. */
  #at = 0;
  /** Of the tick that was worked off last. */
  #tickAt: number | undefined;
  #changedAt = 0;
  #urgent = false;
  readonly #waiting: Waiting = { characters: 0 };
  /** Worked off last, in a replay too: by this one the rules are in force. */
  #ticked: SeenTick = noTick;
  /** P6. The newest tick that waits. */
  #siteClock: CommitMessage | undefined;
  #cap: number | undefined;

  constructor(
    number: number,
    rules: NamedRules,
    replayUntil: number,
    counters: PartitionCounters,
    settings: PartitionSettings = {},
  ) {
    this.number = number;
    this.#settings = settings;
    this.#ledgers = new Ledgers(settings.ledgerBounds);
    this.#rules = rules;
    this.#alertRules = rules;
    this.#replayUntil = replayUntil;
    this.#counters = counters;
  }

  /** The state of a snapshot; messages up to `sequence` are behind it. */
  restoreSnapshot(
    gateways: readonly GatewaySnapshot[],
    sequence: number,
    pages: PagesOf = noPages,
  ): void {
    for (const { gateway, mark, detection } of gateways) {
      const { ledgerBounds } = this.#settings;
      this.#ledgers.set(GatewayLedger.fromMark(mark, pages(gateway), ledgerBounds));
      this.#state(gateway).detection = this.#rules.alerting.decodeDetection(detection, gateway);
    }
    this.#sequence = sequence;
    this.#changedAt = sequence;
  }

  /** What the newest commit had seen; before alerts are restored. */
  restoreCommitted(alertRules: NamedRules, seenTick: SeenTick | undefined): void {
    this.#alertRules = alertRules;
    this.#seenTick = seenTick;
    this.#tickAt = seenTick?.at;
  }

  /** Lays a committed mark under what is read from now on; after the snapshot. */
  restoreMark(mark: Mark, pages: PagesOf = noPages): void {
    this.#ledgers.of(mark.gateway).layFloor(mark, pages(mark.gateway));
    const state = this.#state(mark.gateway);
    state.conditions = new GatewayConditions(mark.gateway, mark.open);
    state.holes = mark.holes ?? [];
    state.seenTick = mark.tick;
    state.cap = mark.cap;
  }

  /** Every gateway whose mark says otherwise gets a new one. */
  setCap(cap: number | undefined): void {
    this.#cap = cap;
    for (const [gateway, state] of this.#states) {
      if (state.cap === cap) continue;
      state.cap = cap;
      this.#dirty.add(gateway);
    }
  }

  restoreAlerts(gateway: string, text: string): void {
    this.#state(gateway).alerts = this.#alertRules.alerting.decodeAlerts(text, gateway);
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0 || this.#siteClock !== undefined;
  }

  /** Alerts wait: the commit should not. */
  get isUrgent(): boolean {
    return this.#urgent;
  }

  /** So much waits that reading should, too. */
  get isFull(): boolean {
    return this.#waiting.characters >= outputCharactersMax;
  }

  /** The last journal message that was worked off. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The last journal message that changed what a snapshot holds. */
  get changedAt(): number {
    return this.#changedAt;
  }

  /** Name of the rule set by which readings are judged. */
  get rules(): string {
    return this.#rules.name;
  }

  /** Name of the rule set by which alerts are judged: it lags behind in a replay. */
  get alertRules(): string {
    return this.#alertRules.name;
  }

  get seenTick(): SeenTick | undefined {
    return this.#seenTick;
  }

  countRules(book: RuleCountsBook): void {
    for (const { detection } of this.#states.values()) {
      const { evaluationErrors, refused } = detection.patterns.counts;
      book.add("evaluationErrors", evaluationErrors);
      const inFilter = detection.site?.counts.evaluationErrors;
      if (inFilter !== undefined) book.add("evaluationErrors", inFilter);
      book.add("refused", refused);
    }
  }

  /** Of this instant; whole, since nothing is awaited meanwhile. */
  snapshot(): readonly GatewaySnapshot[] {
    return this.#ledgers.all().map((ledger) => {
      const { gateway } = ledger;
      const detection = this.#rules.alerting.encodeDetection(this.#state(gateway).detection);
      return { gateway, mark: ledger.replayMark(this.#hasPassedReplay), detection };
    });
  }

  /** Messages up to the snapshot's are passed over. */
  take(message: JournalMessage): void {
    if (message.sequence <= this.#sequence) return;
    const replaying = message.sequence <= this.#replayUntil;
    if (!replaying) this.#passReplay(message.storedAt);
    this.#sequence = message.sequence;
    this.#at = message.storedAt;
    this.#changedAt = message.sequence;
    this.#counters.messages++;
    const folded = foldMessage(this.#ledgers, message);
    if (folded === undefined) return;
    const { gateway } = folded.source;
    const state = this.#state(gateway);
    state.output.begin();
    for (const taken of folded.taken) this.#takeEvent(state, taken);
    this.#tellConditions(folded, message.storedAt);
    const isNews = this.#ledgers.of(gateway).takeNews();
    if (replaying) return;
    const isHeard = folded.epoch !== undefined && this.#ledgers.of(gateway).hear(folded.epoch);
    const nothing = folded.taken.length === 0 && folded.dead.length === 0;
    if (nothing && folded.doubt === undefined) this.#counters.repeats++;
    if (!nothing || folded.doubt !== undefined || isNews || isHeard) this.#dirty.add(gateway);
    this.#addDead(gateway, folded.dead);
    const [first] = folded.taken;
    if (first !== undefined) state.doubts.movedOn(first);
    if (folded.doubt !== undefined) this.#noteDoubt(state, folded.doubt);
  }

  /** P3. Where the rules that the tick names are not there, those of before stay. */
  tick(sequence: number, tick: Tick, named: NamedRules | undefined): void {
    if (sequence <= this.#sequence) return;
    if (sequence > this.#replayUntil) this.#passReplay(tick.at);
    this.#sequence = sequence;
    this.#at = tick.at;
    this.#tickAt = tick.at;
    this.#ticked = tick;
    const rules = named ?? this.#rules;
    if (rules.name !== this.#rules.name) this.#useRules(rules, sequence);
    const isNew = isAfter(tick, this.#seenTick);
    const isOther = isNew && rules.name !== this.#alertRules.name;
    if (isNew) {
      this.#tellSites(tick, rules);
      this.#seenTick = seenAfter(this.#seenTick, tick, noTickMs);
      this.#alertRules = rules;
    }
    for (const [gateway, state] of this.#states) {
      if (isOther) rules.alerting.rejudge(state.alerts, gateway);
      this.#tickGateway(gateway, state, tick, isNew && isAfter(tick, state.seenTick));
    }
  }

  /** P6. Also where the rules that do so go, so that their alerts end. */
  #tellSites(tick: Tick, { name, alerting }: NamedRules): void {
    if (this.number !== partitionCount - 1) return;
    if (!alerting.judgesSites && !this.#alertRules.alerting.judgesSites) return;
    const data = encodeTick({ ...tick, rules: name });
    const ttlSeconds = siteClockTtlSeconds;
    this.#siteClock = { subject: siteClockSubject, data, rollup: false, ttlSeconds };
  }

  #tickGateway(gateway: string, state: GatewayState, tick: Tick, hasEffect: boolean): void {
    const { alerting } = this.#rules;
    const moment = { id: `clk/${tick.n}`, gateway, at: tick.at };
    state.output.begin();
    const { patterns } = state.detection;
    const { revision } = patterns;
    const next = state.detection.site?.next;
    const { refused } = state.alerts;
    const told = takeTick(alerting, state, moment, hasEffect);
    this.#counters.alertsRefused += state.alerts.refused - refused;
    const isChanged = patterns.revision !== revision || state.detection.site?.next !== next;
    if (isChanged) this.#changedAt = this.#sequence;
    if (!hasEffect) return;
    state.seenTick = tick;
    this.#tell(gateway, state, told);
    this.#tellTransitions(
      gateway,
      state,
      state.conditions.settle({ at: tick.at, cause: moment.id }),
    );
    this.#tellSilence(gateway, state, { at: tick.at, cause: moment.id });
    // What was only pending ends untold, and must not be pending again after a take-over.
    if (alerting.changed(state.alerts)) this.#dirty.add(gateway);
  }

  /** While ticks stayed away nobody could be heard: the time is counted from when they came again. */
  #tellSilence(gateway: string, state: GatewayState, moment: { at: number; cause: string }): void {
    const { silentAfterMs } = this.#settings;
    const { heardAt, rules } = state.detection;
    if (rules.isOut) {
      this.#tellTransitions(gateway, state, state.conditions.retire(moment));
      return;
    }
    if (silentAfterMs === undefined || heardAt === undefined) return;
    const since = Math.max(heardAt, this.#seenTick?.steadySince ?? moment.at);
    if (moment.at - since < silentAfterMs) return;
    this.#tellTransitions(gateway, state, state.conditions.silence(heardAt, moment));
  }

  /** Detectors that are the same in both sets go on. */
  #useRules(rules: NamedRules, sequence: number): void {
    for (const [gateway, state] of this.#states) {
      const encoded = this.#rules.alerting.encodeDetection(state.detection);
      state.detection = rules.alerting.decodeDetection(encoded, gateway);
    }
    this.#rules = rules;
    this.#changedAt = sequence;
  }

  #tell(gateway: string, state: GatewayState, { transitions, derived, site }: Told): void {
    this.#tellTransitions(gateway, state, transitions);
    if (site.length > 0) this.#tellSite(gateway, state, site);
    if (derived.length === 0) return;
    for (const event of derived) {
      if (!state.output.addDerived(event)) this.#counters.derivedRefused++;
      else if (!event.shadow) this.#counters.derived++;
    }
    this.#dirty.add(gateway);
  }

  /** P6. */
  #tellSite(gateway: string, state: GatewayState, inputs: readonly SiteInput[]): void {
    const { site } = state.detection;
    if (site === undefined) return;
    const moment = { tick: this.#ticked, rules: this.#rules.name };
    const refused = state.output.addInputs(site.site, inputs, moment);
    this.#counters.siteInputs += inputs.length - refused;
    this.#counters.siteInputsRefused += refused;
    this.#dirty.add(gateway);
  }

  #tellTransitions(
    gateway: string,
    state: GatewayState,
    transitions: readonly AlertTransition[],
  ): void {
    if (transitions.length === 0) return;
    for (const transition of transitions) {
      state.output.addTransition(transition);
      if (transition.shadow) this.#counters.shadowed++;
      else {
        this.#counters.transitions++;
        this.#urgent = true;
      }
    }
    this.#dirty.add(gateway);
  }

  /**
   * At most `messagesMax` messages with some `charactersMax` characters, whole gateways; `complete`
   * says that nothing is left. The first gateway is there in any case.
   */
  collect(
    commit: number,
    messagesMax: number,
    charactersMax = Number.POSITIVE_INFINITY,
  ): Collected {
    const messages: CommitMessage[] = this.#siteClock === undefined ? [] : [this.#siteClock];
    this.#siteClock = undefined;
    const before = messages.length;
    let characters = 0;
    for (const gateway of this.#dirty) {
      const { output } = this.#state(gateway);
      const isFirst = messages.length === before;
      const room = isFirst ? Number.POSITIVE_INFINITY : messagesMax - messages.length;
      if (!isFirst && characters + output.characters > charactersMax) break;
      const own = this.#messagesOf(gateway, commit, room);
      if (own === undefined) break;
      messages.push(...own);
      for (const { data } of own) characters += data.length;
      this.#dirty.delete(gateway);
      output.clear();
    }
    const complete = this.#dirty.size === 0;
    if (complete) this.#urgent = false;
    return { messages, characters, complete };
  }

  /** L5, P4: what the replay did not meet by now, the journal no longer has. */
  #passReplay(at: number): void {
    if (this.#hasPassedReplay) return;
    this.#hasPassedReplay = true;
    this.#replayUntil = 0;
    for (const ledger of this.#ledgers.all()) {
      const state = this.#state(ledger.gateway);
      const holes = ledger.passFloor();
      const news = holes.filter((hole) => !state.holes.some((told) => beginsIn(hole, told)));
      state.holes = holes.slice(-holesMax);
      this.#tellTransitions(ledger.gateway, state, state.conditions.incomplete(news, at));
      for (const { from, to } of holes) this.#counters.passed += to - from + 1;
    }
  }

  /** Forks and losses that took effect, and those that are over; and that it is heard again. */
  #tellConditions({ source: { gateway }, taken, dead, findings }: Folded, at: number): void {
    const last = taken.at(-1);
    if (last?.effect !== true && dead.length === 0 && findings.length === 0) return;
    const state = this.#state(gateway);
    const { conditions } = state;
    if (last?.effect === true) {
      const live = taken.findLast(({ effect, late }) => effect && !late);
      const heard = live === undefined ? [] : conditions.hear({ at, cause: live.id });
      this.#tellTransitions(gateway, state, heard);
      this.#tellTransitions(gateway, state, conditions.settle({ at, cause: last.id }));
    }
    for (const finding of findings) {
      this.#tellTransitions(gateway, state, conditions.find(finding, at));
    }
  }

  #state(gateway: string): GatewayState {
    const known = this.#states.get(gateway);
    if (known !== undefined) return known;
    const state: GatewayState = {
      detection: this.#rules.alerting.detection(gateway),
      alerts: this.#rules.alerting.alerts(),
      conditions: new GatewayConditions(gateway),
      holes: [],
      output: new GatewayOutput(this.number, gateway, this.#waiting),
      seenTick: undefined,
      doubts: new Doubts(),
      cap: this.#cap,
    };
    this.#states.set(gateway, state);
    return state;
  }

  /** P2. */
  #takeEvent(state: GatewayState, taken: TakenEvent): void {
    if (!taken.late) state.detection.heardAt = this.#tickAt;
    const { refused } = state.alerts;
    const { readingsBeyond } = state.detection;
    const told = takeEvent(this.#rules.alerting, state, taken);
    this.#counters.alertsRefused += state.alerts.refused - refused;
    if (!taken.effect) {
      this.#counters.replayed++;
      return;
    }
    this.#counters.events++;
    const { event } = taken;
    if (event.kind === "reading" && event.device !== null) {
      this.#counters.readings += event.readings.length;
    }
    this.#tell(taken.gateway, state, told);
    const { detection, conditions } = state;
    const beyond = detection.readingsBeyond - readingsBeyond;
    if (beyond <= 0) return;
    const moment = { at: this.#at, cause: taken.id };
    const full = conditions.seriesFull(detection.series.size, beyond, moment);
    this.#tellTransitions(taken.gateway, state, full);
  }

  #addDead(gateway: string, dead: readonly DeadItem[]): void {
    if (dead.length === 0) return;
    const { output } = this.#state(gateway);
    for (const letter of dead) output.addDead(letter);
    this.#counters.dead += dead.length;
  }

  #noteDoubt({ doubts }: GatewayState, doubt: Doubt): void {
    doubts.note(doubt);
    this.#counters.doubts++;
  }

  /** P1. Undefined where they are more than `room`: alerts that were encoded count as committed. */
  #messagesOf(gateway: string, commit: number, room: number): CommitMessage[] | undefined {
    const state = this.#state(gateway);
    const isOpenChanged = this.#rules.alerting.changed(state.alerts);
    const ledger = this.#ledgers.of(gateway);
    const restarts = state.conditions.restarts(ledger.settle(), this.#at);
    this.#tellTransitions(gateway, state, restarts);
    const messages = state.output.messages();
    const others = (isOpenChanged ? 2 : 1) + ledger.changedPages;
    if (messages.length + others > room) return undefined;
    messages.push(...ledger.takePages().map((page) => this.#pageMessage(page)));
    const head = ledger.mark(commit, state.doubts.all(), state.cap);
    const mark = encodeMark({
      ...head,
      open: state.conditions.open,
      holes: state.holes,
      tick: state.seenTick,
    });
    if (isOpenChanged) {
      const subject = subjects.openAlerts(this.number, gateway);
      messages.push({
        subject,
        data: this.#rules.alerting.encodeAlerts(state.alerts),
        rollup: true,
      });
    }
    messages.push({ subject: subjects.mark(this.number, gateway), data: mark, rollup: true });
    return messages;
  }

  #pageMessage(page: EpochPage): CommitMessage {
    const subject = subjects.epochPage(this.number, page.gateway, page.number);
    return { subject, data: encodeEpochPage(page), rollup: true };
  }
}

/** A replay takes nothing behind a hole, so the same one is wider the later the replay ends. */
function beginsIn(hole: Hole, other: Hole): boolean {
  const isSameLog = hole.epoch === other.epoch && hole.log === other.log;
  return isSameLog && hole.from >= other.from && hole.from <= other.to;
}

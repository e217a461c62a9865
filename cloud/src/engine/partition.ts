/**
 * One partition's state: ledgers, detectors and alerts of its gateways. Pure: `take` works a journal
 * message off, `collect` hands out what is to be committed.
 *
 *   P1  What a gateway's commit holds is whole: its mark, its alerts, its derived events and its dead
 *       letters go in one.
 *   P2  An event that a committed mark covers, and a tick that a commit has seen, change detector
 *       state and nothing else. A mark says which tick its gateway has seen, for a commit that had
 *       no room for all gateways. A tick that the snapshot has seen changes nothing at all.
 *   P3  Rules change at a tick, and nowhere else.
 *   P4  A hole that a replay passes is told once: it is remembered until a snapshot is behind it.
 *   P5  A mark's size is bounded, whatever a gateway does: of doubts and holes the newest are kept.
 *   P6  What rules by site are told of a gateway goes in its commit, and once: what was sent before is
 *       a part of detector state. Ticks for them come from the last partition alone, in a
 *       commit behind what the others tell of the same moment.
 *   P7  A message may span commits: what it has beyond `readingsMax` readings is taken after the next.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { BatchHead } from "@causeway/shared/batch-codec.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import type { Doubt, Hole, Mark } from "@causeway/shared/mark.ts";
import type { SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import { partitionCount, siteClockSubject } from "@causeway/shared/subjects.ts";
import { GatewayConditions } from "../alert/gateway-conditions.ts";
import type { Told } from "../alert/gateway-step.ts";
import { takeEvent, takeTick } from "../alert/gateway-step.ts";
import type { CarefulState } from "../dead/careful.ts";
import { isAlertsChanged, judgeCarefully } from "../dead/careful.ts";
import type { DeadLetter } from "../dead/dead-letter.ts";
import {
  failedLetter,
  failedTick,
  quarantinedLetter,
  unreadableLetter,
} from "../dead/dead-letter.ts";
import type { Redriven } from "../dead/fold-redrive.ts";
import { PartitionLetters } from "../dead/partition-letters.ts";
import { Suspects } from "../dead/suspects.ts";
import type { Folded, TakenEvent } from "../ingest/fold.ts";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Judgement } from "../ledger/ledger.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import { GatewayUse } from "../quota/gateway-use.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import type { SeenTick, Tick } from "../ticks/tick.ts";
import { encodeTick, isAfter, seenAfter } from "../ticks/tick.ts";
import { noTickMs } from "../ticks/tick-watch.ts";
import { Doubts } from "./doubts.ts";
import type { CommitMessage } from "./engine-store.ts";
import type { Waiting } from "./gateway-output.ts";
import { GatewayOutput } from "./gateway-output.ts";
import type { PartitionCounters } from "./partition-counters.ts";
import type { Collected, PartitionSettings } from "./partition-settings.ts";
import type { RuleCountsBook } from "./rule-counts.ts";
import type { GatewaySnapshot } from "./snapshot.ts";
import { stateMessages } from "./state-messages.ts";

/** Characters of output that wait in a partition; from there on reading waits for a commit. */
const outputCharactersMax = 1_024 * 1_024;
/** P5. A hole may be told again after a crash. */
const holesMax = 64;
/** Of one message, before a commit: each of them may be told by every rule. */
const readingsMax = 10_000;
/** P6. Who reads none for so long finds newer ones. */
const siteClockTtlSeconds = 3_600;
const noTick: SeenTick = { n: 0, at: 0 };

/** The pages of a gateway's ledger, in ascending order. */
export type PagesOf = (gateway: string) => readonly EpochPage[];

const noPages: PagesOf = () => [];

interface GatewayState extends CarefulState {
  conditions: GatewayConditions;
  /** What the journal lost since the snapshot, and was told (P4). */
  holes: readonly Hole[];
  readonly output: GatewayOutput;
  /** The newest tick that had its effect on it (P2). */
  seenTick: SeenTick | undefined;
  readonly doubts: Doubts;
  readonly use: GatewayUse;
}

export class Partition {
  readonly number: number;
  #rules: NamedRules;
  /** By these alerts were judged when they were committed. */
  #alertRules: NamedRules;
  #seenTick: SeenTick | undefined;
  readonly #ledgers: Ledgers;
  readonly #settings: PartitionSettings;
  readonly letters: PartitionLetters;
  readonly #suspects: Suspects;
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
    this.letters = new PartitionLetters(number, settings.letterBounds);
    this.#suspects = settings.suspects ?? new Suspects();
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
    tick?: SeenTick,
  ): void {
    for (const { gateway, mark, detection } of gateways) {
      const { ledgerBounds } = this.#settings;
      this.#ledgers.set(GatewayLedger.fromMark(mark, pages(gateway), ledgerBounds));
      this.#state(gateway).detection = this.#rules.alerting.decodeDetection(detection, gateway);
    }
    this.#sequence = sequence;
    this.#changedAt = sequence;
    if (tick === undefined) return;
    this.#ticked = tick;
    this.#tickAt = tick.at;
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
    state.use.restore(mark.use, mark.cap);
  }

  /** Every gateway whose mark says otherwise gets a new one. */
  setCap(cap: number | undefined): void {
    this.#cap = cap;
    for (const [gateway, state] of this.#states) {
      if (state.use.capStream(cap)) this.#dirty.add(gateway);
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

  /** The newest tick that is in what a snapshot holds. */
  get ticked(): SeenTick | undefined {
    return this.#ticked === noTick ? undefined : this.#ticked;
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

  /**
   * Messages up to the snapshot's are passed over. False where there was more in it than a commit has
   * room for: then it is to be called again, after a commit.
   */
  take(message: JournalMessage, most = readingsMax): boolean {
    if (message.sequence <= this.#sequence) return true;
    const replaying = message.sequence <= this.#replayUntil;
    if (!replaying) this.#passReplay(message.storedAt);
    this.#at = message.storedAt;
    this.#changedAt = message.sequence;
    const folded = foldMessage(this.#ledgers, message, most);
    const isWhole = folded?.isCut !== true;
    if (isWhole) {
      this.#sequence = message.sequence;
      this.#counters.messages++;
    }
    if (folded !== undefined) this.#takeFolded(message, folded, replaying);
    return isWhole;
  }

  /** What its ledger says of a batch. */
  judge(gateway: string, { epoch, log, from, to }: BatchHead): Judgement {
    return this.#ledgers.of(gateway).judge(epoch, log, from, to);
  }

  #takeFolded(message: JournalMessage, folded: Folded, replaying: boolean): void {
    const { gateway } = folded.source;
    const state = this.#state(gateway);
    state.output.begin();
    for (const taken of folded.taken) this.#takeEvent(state, taken);
    if (folded.redriven !== undefined) this.#redrive(state, folded.redriven, gateway);
    else state.use.count(message, folded, this.#settings.quotaZone ?? "UTC");
    this.#tellConditions(folded, message.storedAt);
    const isNews = this.#ledgers.of(gateway).takeNews();
    // Of a commit that had no room for all the rest has its effect now.
    const hasEffect = folded.dead.length > 0 || folded.taken.some(({ effect }) => effect);
    if (replaying && !hasEffect) return;
    const isHeard = folded.epoch !== undefined && this.#ledgers.of(gateway).hear(folded.epoch);
    const { taken, dead, redriven } = folded;
    const nothing = taken.length === 0 && dead.length === 0 && redriven === undefined;
    if (nothing && folded.doubt === undefined) this.#counters.repeats++;
    if (!nothing || folded.doubt !== undefined || isNews || isHeard) this.#dirty.add(gateway);
    for (const item of dead) this.#addLetter(gateway, unreadableLetter(item, message));
    const [first] = taken;
    if (first !== undefined && redriven === undefined) state.doubts.movedOn(first);
    if (folded.doubt !== undefined) this.#noteDoubt(state, folded.doubt);
  }

  /** P3. Where the rules that the tick names are not there, those of before stay. */
  tick(sequence: number, tick: Tick, named: NamedRules | undefined): void {
    if (sequence <= this.#sequence) return;
    if (sequence > this.#replayUntil) this.#passReplay(tick.at);
    this.#sequence = sequence;
    this.#at = tick.at;
    if (!isAfter(tick, this.#ticked)) return;
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
    const what = { gateway, id: `${gateway} ${moment.id}` };
    const told = judgeCarefully(this.#suspects, alerting, state, what, () =>
      takeTick(alerting, state, moment, hasEffect),
    );
    this.#counters.alertsRefused += state.alerts.refused - refused;
    const isChanged = patterns.revision !== revision || state.detection.site?.next !== next;
    if (isChanged) this.#changedAt = this.#sequence;
    if (!hasEffect) return;
    state.seenTick = tick;
    if ("tries" in told) this.#addLetter(gateway, failedTick(gateway, tick, this.#sequence, told));
    else this.#tell(gateway, state, told);
    this.#tellTransitions(
      gateway,
      state,
      state.conditions.settle({ at: tick.at, cause: moment.id }),
    );
    this.#tellSilence(gateway, state, { at: tick.at, cause: moment.id });
    this.#judgeUse(gateway, state, { at: tick.at, cause: moment.id });
    // What was only pending ends untold, and must not be pending again after a take-over.
    if (isAlertsChanged(this.#rules.alerting, state)) this.#dirty.add(gateway);
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

  /** What a gateway sends beyond its quota is slowed down, and told. */
  #judgeUse(gateway: string, state: GatewayState, moment: { at: number; cause: string }): void {
    const { quotaOf, quotaZone = "UTC" } = this.#settings;
    const { conditions, use } = state;
    const { isChanged, events, bytes } = use.judge(quotaOf?.(gateway), moment.at, quotaZone);
    if (isChanged) this.#dirty.add(gateway);
    if (isChanged && use.isOver) this.#counters.slowdowns++;
    this.#tellTransitions(gateway, state, conditions.quota("events", events, moment));
    this.#tellTransitions(gateway, state, conditions.quota("bytes", bytes, moment));
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
      this.letters.committed(gateway);
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
      use: new GatewayUse(this.#cap),
      isAlertsChanged: false,
    };
    this.#states.set(gateway, state);
    return state;
  }

  /** P2. */
  #takeEvent(state: GatewayState, taken: TakenEvent): void {
    if (!taken.late) state.detection.heardAt = this.#tickAt;
    const { refused } = state.alerts;
    const { readingsBeyond } = state.detection;
    const { alerting } = this.#rules;
    const told = judgeCarefully(this.#suspects, alerting, state, taken, () =>
      takeEvent(alerting, state, taken),
    );
    this.#counters.alertsRefused += state.alerts.refused - refused;
    if (!taken.effect) {
      this.#counters.replayed++;
      return;
    }
    this.#counters.events++;
    const { event, gateway } = taken;
    if (event.kind === "reading" && event.device !== null) {
      this.#counters.readings += event.readings.length;
    }
    const place = { sequence: this.#changedAt, storedAt: this.#at };
    const quarantined = quarantinedLetter(taken, place);
    if (quarantined !== undefined) this.#addLetter(gateway, quarantined);
    if ("tries" in told) this.#addLetter(gateway, failedLetter(taken, place, told));
    else this.#tell(gateway, state, told);
    const { detection, conditions } = state;
    const beyond = detection.readingsBeyond - readingsBeyond;
    if (beyond <= 0) return;
    const moment = { at: this.#at, cause: taken.id };
    const full = conditions.seriesFull(detection.series.size, beyond, moment);
    this.#tellTransitions(taken.gateway, state, full);
  }

  #addLetter(gateway: string, letter: DeadLetter): void {
    this.#state(gateway).output.weigh(this.letters.add(gateway, letter));
    this.#counters.dead++;
    this.#dirty.add(gateway);
  }

  /** Letters are closed in the commit that has what was made of them. */
  #redrive(state: GatewayState, redriven: Redriven, gateway: string): void {
    const { effect, judged, message } = redriven;
    if (effect) this.letters.settle(gateway, redriven, this.#at);
    const tries = new Map(message.items.map((item) => [item.id, item.tries]));
    for (const taken of judged) {
      this.#suspects.forget(taken.id, tries.get(taken.id));
      this.#takeEvent(state, taken);
    }
  }

  /** The bounds of letters are kept, and somebody told before one is reached. */
  #boundLetters(gateway: string, state: GatewayState): void {
    for (const other of this.letters.bound()) this.#dirty.add(other);
    const fill = this.letters.fill(gateway);
    this.#tellTransitions(gateway, state, state.conditions.deadLetters(fill, this.#at));
  }

  #noteDoubt({ doubts }: GatewayState, doubt: Doubt): void {
    doubts.note(doubt);
    this.#counters.doubts++;
  }

  /** P1. Undefined where they are more than `room`: alerts that were encoded count as committed. */
  #messagesOf(gateway: string, commit: number, room: number): CommitMessage[] | undefined {
    const state = this.#state(gateway);
    const isOpenChanged = isAlertsChanged(this.#rules.alerting, state);
    this.#boundLetters(gateway, state);
    const ledger = this.#ledgers.of(gateway);
    const restarts = state.conditions.restarts(ledger.settle(), this.#at);
    this.#tellTransitions(gateway, state, restarts);
    const messages = [...state.output.messages(), ...this.letters.messages(gateway)];
    const others = (isOpenChanged ? 2 : 1) + ledger.changedPages;
    if (messages.length + others > room) return undefined;
    const { conditions, holes, seenTick: tick, use } = state;
    const head = ledger.mark(commit, state.doubts.all(), use.cap);
    const isUseTold = use.isOver || this.#settings.quotaOf?.(gateway) !== undefined;
    const told = isUseTold ? { use: use.told() } : {};
    const mark = { ...head, open: conditions.open, holes, tick, ...told };
    const openAlerts = isOpenChanged ? this.#rules.alerting.encodeAlerts(state.alerts) : undefined;
    if (isOpenChanged) state.isAlertsChanged = false;
    const facts = { pages: ledger.takePages(), openAlerts, mark };
    return [...messages, ...stateMessages(this.number, gateway, facts)];
  }
}

/** A replay takes nothing behind a hole, so the same one is wider the later the replay ends. */
function beginsIn(hole: Hole, other: Hole): boolean {
  const isSameLog = hole.epoch === other.epoch && hole.log === other.log;
  return isSameLog && hole.from >= other.from && hole.from <= other.to;
}

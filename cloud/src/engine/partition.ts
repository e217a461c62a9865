/**
 * One partition's state: ledgers, detectors and alerts of its gateways. Pure: `take` works a journal
 * message off, `collect` hands out what is to be committed.
 *
 *   P1  What a gateway's commit holds is whole: its mark, its alerts and its dead letters go in one.
 *   P2  An event that a committed mark covers, and a tick that a commit has seen, change detector
 *       state and nothing else.
 *   P3  Rules change at a tick, and nowhere else.
 *   P4  A hole that a replay passes is told once: it is remembered until a snapshot is behind it.
 *   P5  A mark's size is bounded, whatever a gateway does: of doubts and holes the newest are kept.
 */

import { assert } from "@causeway/shared/assert.ts";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import { encodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Reading, ReadingEvent } from "@causeway/shared/event.ts";
import type { Doubt, Hole, Mark } from "@causeway/shared/mark.ts";
import { encodeMark } from "@causeway/shared/mark.ts";
import { isRuleName } from "@causeway/shared/names.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { AlertMessage, AlertTransition } from "../alert/alert.ts";
import type { GatewayAlerts, GatewayDetection } from "../alert/alerting.ts";
import { GatewayConditions } from "../alert/gateway-conditions.ts";
import type { DeadItem, Folded, TakenEvent } from "../ingest/fold.ts";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { LedgerBounds } from "../ledger/bounds.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import type { SeenTick, Tick } from "../ticks/tick.ts";
import { isAfter } from "../ticks/tick.ts";
import type { CommitMessage } from "./engine-store.ts";
import type { GatewaySnapshot } from "./snapshot.ts";

/** Closed alerts and dead letters stay for 30 days. */
const historyTtlSeconds = 30 * 24 * 3_600;
/** A packed message is cut here, well below the server's max_payload. */
const messageCharactersMax = 256 * 1_024;
/** P5. A doubt that went comes again with the next batch, a hole may be told again after a crash. */
const doubtsMax = 16;
const holesMax = 64;

/** The pages of a gateway's ledger, in ascending order. */
export type PagesOf = (gateway: string) => readonly EpochPage[];

const noPages: PagesOf = () => [];

interface GatewayState {
  detection: GatewayDetection;
  alerts: GatewayAlerts;
  conditions: GatewayConditions;
  /** What the journal lost since the snapshot, and was told (P4). */
  holes: readonly Hole[];
  transitions: AlertTransition[];
  dead: DeadItem[];
  doubts: Map<string, Doubt>;
  /** Bytes per second that its mark allows; undefined is no bound. */
  cap: number | undefined;
}

export interface PartitionCounters {
  messages: number;
  events: number;
  readings: number;
  replayed: number;
  repeats: number;
  doubts: number;
  dead: number;
  transitions: number;
  /** Positions that the journal lost and a mark covers. */
  passed: number;
  /** Journal messages that were gone before they were read. */
  missing: number;
}

export class Partition {
  readonly number: number;
  #rules: NamedRules;
  /** By these alerts were judged when they were committed. */
  #alertRules: NamedRules;
  #seenTick: SeenTick | undefined;
  readonly #ledgers: Ledgers;
  readonly #bounds: LedgerBounds | undefined;
  readonly #states = new Map<string, GatewayState>();
  readonly #dirty = new Set<string>();
  readonly #counters: PartitionCounters;
  /** Up to here a committed engine has read; before it nothing is told back. */
  #replayUntil: number;
  #hasPassedReplay = false;
  #sequence = 0;
  /** The time of the message that was worked off last. */
  #at = 0;
  #changedAt = 0;
  #urgent = false;
  #cap: number | undefined;

  constructor(
    number: number,
    rules: NamedRules,
    replayUntil: number,
    counters: PartitionCounters,
    bounds?: LedgerBounds,
  ) {
    this.number = number;
    this.#bounds = bounds;
    this.#ledgers = new Ledgers(bounds);
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
      this.#ledgers.set(GatewayLedger.fromMark(mark, pages(gateway), this.#bounds));
      this.#state(gateway).detection = this.#rules.alerting.decodeDetection(detection);
    }
    this.#sequence = sequence;
    this.#changedAt = sequence;
  }

  /** What the newest commit had seen; before alerts are restored. */
  restoreCommitted(alertRules: NamedRules, seenTick: SeenTick | undefined): void {
    this.#alertRules = alertRules;
    this.#seenTick = seenTick;
  }

  /** Lays a committed mark under what is read from now on; after the snapshot. */
  restoreMark(mark: Mark, pages: PagesOf = noPages): void {
    this.#ledgers.of(mark.gateway).layFloor(mark, pages(mark.gateway));
    const state = this.#state(mark.gateway);
    state.conditions = new GatewayConditions(mark.gateway, mark.open);
    state.holes = mark.holes ?? [];
    this.#state(mark.gateway).cap = mark.cap;
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
    this.#state(gateway).alerts = this.#alertRules.alerting.decodeAlerts(text);
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Alerts wait: the commit should not. */
  get isUrgent(): boolean {
    return this.#urgent;
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
    for (const taken of folded.taken) this.#takeEvent(taken);
    this.#tellConditions(folded, message.storedAt);
    const isNews = this.#ledgers.of(gateway).takeNews();
    if (replaying) return;
    const isHeard = folded.epoch !== undefined && this.#ledgers.of(gateway).hear(folded.epoch);
    const nothing = folded.taken.length === 0 && folded.dead.length === 0;
    if (nothing && folded.doubt === undefined) this.#counters.repeats++;
    if (!nothing || folded.doubt !== undefined || isNews || isHeard) this.#dirty.add(gateway);
    this.#addDead(gateway, folded.dead);
    this.#noteDoubt(gateway, folded.doubt, folded.taken);
  }

  /** P3. Where the rules that the tick names are not there, those of before stay. */
  tick(sequence: number, tick: Tick, named: NamedRules | undefined): void {
    if (sequence <= this.#sequence) return;
    if (sequence > this.#replayUntil) this.#passReplay(tick.at);
    this.#sequence = sequence;
    this.#at = tick.at;
    const rules = named ?? this.#rules;
    if (rules.name !== this.#rules.name) this.#useRules(rules, sequence);
    if (!isAfter(tick, this.#seenTick)) return;
    this.#seenTick = { n: tick.n, at: tick.at };
    const isOther = rules.name !== this.#alertRules.name;
    this.#alertRules = rules;
    for (const [gateway, state] of this.#states) {
      if (isOther) rules.alerting.rejudge(state.alerts);
      const moment = { id: `clk/${tick.n}`, gateway, at: tick.at };
      this.#tell(gateway, state, rules.alerting.tick(state.detection, state.alerts, moment));
      this.#tell(gateway, state, state.conditions.settle({ at: tick.at, cause: moment.id }));
      // What was only pending ends untold, and must not be pending again after a take-over.
      if (rules.alerting.changed(state.alerts)) this.#dirty.add(gateway);
    }
  }

  /** Detectors that are the same in both sets go on. */
  #useRules(rules: NamedRules, sequence: number): void {
    for (const state of this.#states.values()) {
      const encoded = this.#rules.alerting.encodeDetection(state.detection);
      state.detection = rules.alerting.decodeDetection(encoded);
    }
    this.#rules = rules;
    this.#changedAt = sequence;
  }

  #tell(gateway: string, state: GatewayState, transitions: readonly AlertTransition[]): void {
    if (transitions.length === 0) return;
    state.transitions.push(...transitions);
    this.#counters.transitions += transitions.length;
    this.#dirty.add(gateway);
    this.#urgent = true;
  }

  /** At most `messagesMax` messages, whole gateways; `complete` says that nothing is left. */
  collect(commit: number, messagesMax: number): { messages: CommitMessage[]; complete: boolean } {
    const messages: CommitMessage[] = [];
    for (const gateway of this.#dirty) {
      const room = messages.length > 0 ? messagesMax - messages.length : Number.POSITIVE_INFINITY;
      const own = this.#messagesOf(gateway, commit, room);
      if (own === undefined) break;
      messages.push(...own);
      this.#dirty.delete(gateway);
      this.#settle(gateway);
    }
    const complete = this.#dirty.size === 0;
    if (complete) this.#urgent = false;
    return { messages, complete };
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
      this.#tell(ledger.gateway, state, state.conditions.incomplete(news, at));
      for (const { from, to } of holes) this.#counters.passed += to - from + 1;
    }
  }

  /** Forks and losses that took effect, and those that are over. */
  #tellConditions({ source: { gateway }, taken, dead, findings }: Folded, at: number): void {
    const last = taken.at(-1);
    if (last?.effect !== true && dead.length === 0 && findings.length === 0) return;
    const state = this.#state(gateway);
    if (last?.effect === true) {
      this.#tell(gateway, state, state.conditions.settle({ at, cause: last.id }));
    }
    for (const finding of findings) this.#tell(gateway, state, state.conditions.find(finding, at));
  }

  #state(gateway: string): GatewayState {
    const known = this.#states.get(gateway);
    if (known !== undefined) return known;
    const state: GatewayState = {
      detection: this.#rules.alerting.detection(),
      alerts: this.#rules.alerting.alerts(),
      conditions: new GatewayConditions(gateway),
      holes: [],
      transitions: [],
      dead: [],
      doubts: new Map(),
      cap: this.#cap,
    };
    this.#states.set(gateway, state);
    return state;
  }

  #takeEvent(taken: TakenEvent): void {
    if (taken.effect) this.#counters.events++;
    else this.#counters.replayed++;
    const { event } = taken;
    if (event.kind !== "reading") return;
    const state = this.#state(taken.gateway);
    for (let index = 0; index < event.readings.length; index++) {
      const reading = event.readings[index] as Reading;
      this.#takeReading(state, taken, event, reading, index);
    }
  }

  /** P2. */
  #takeReading(
    state: GatewayState,
    taken: TakenEvent,
    event: ReadingEvent,
    reading: Reading,
    index: number,
  ): void {
    if (event.device === null) return;
    const observation = {
      id: `${taken.id}/${index}`,
      gateway: taken.gateway,
      device: event.device,
      metric: reading.metric,
      value: reading.value,
      unit: reading.unit,
      quality: reading.quality,
      observedAt: reading.observedAt ?? event.observedAt,
      receivedAt: taken.receivedAt,
      late: taken.late,
    };
    const verdicts = this.#rules.alerting.observe(state.detection, observation);
    if (!taken.effect) return;
    this.#counters.readings++;
    const transitions = this.#rules.alerting.advance(state.alerts, verdicts, observation);
    this.#tell(taken.gateway, state, transitions);
  }

  #addDead(gateway: string, dead: readonly DeadItem[]): void {
    if (dead.length === 0) return;
    this.#state(gateway).dead.push(...dead);
    this.#counters.dead += dead.length;
  }

  /**
   * A log that moved on has no doubt any more; a new doubt replaces the log's last one of its kind.
   * What waits behind a refused batch must not hide that it was refused.
   */
  #noteDoubt(gateway: string, doubt: Doubt | undefined, taken: readonly TakenEvent[]): void {
    const [first] = taken;
    if (doubt === undefined && first === undefined) return;
    const { doubts } = this.#state(gateway);
    if (first !== undefined) {
      for (const kind of ["refused", "expected"]) {
        doubts.delete(`${first.epoch} ${first.log} ${kind}`);
      }
    }
    if (doubt === undefined) return;
    const key = `${doubt.epoch} ${doubt.log} ${doubt.kind}`;
    doubts.delete(key);
    doubts.set(key, doubt);
    const [oldest] = doubts.keys();
    if (doubts.size > doubtsMax && oldest !== undefined) doubts.delete(oldest);
    this.#counters.doubts++;
  }

  /** P1. Undefined where they are more than `room`: alerts that were encoded count as committed. */
  #messagesOf(gateway: string, commit: number, room: number): CommitMessage[] | undefined {
    const state = this.#state(gateway);
    const isOpenChanged = this.#rules.alerting.changed(state.alerts);
    const ledger = this.#ledgers.of(gateway);
    this.#tell(gateway, state, state.conditions.restarts(ledger.settle(), this.#at));
    const messages = [
      ...this.#alertMessages(gateway, state),
      ...this.#deadMessages(gateway, state),
    ];
    const others = (isOpenChanged ? 2 : 1) + ledger.changedPages;
    if (messages.length + others > room) return undefined;
    messages.push(...ledger.takePages().map((page) => this.#pageMessage(page)));
    const doubts = [...state.doubts.values()].sort(byEpoch);
    const head = ledger.mark(commit, doubts, state.cap);
    const mark = encodeMark({ ...head, open: state.conditions.open, holes: state.holes });
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

  #settle(gateway: string): void {
    const state = this.#state(gateway);
    state.transitions = [];
    state.dead = [];
  }

  #alertMessages(gateway: string, { transitions }: GatewayState): CommitMessage[] {
    const byRule = Map.groupBy(transitions, ({ rule }) => rule);
    return [...byRule].flatMap(([rule, own]) => {
      assert(isRuleName(rule), `a transition names rule ${rule}`);
      const subject = subjects.alert(this.number, gateway, rule);
      return cut(own).map((part): CommitMessage => {
        const message: AlertMessage = { v: 1, transitions: part };
        return {
          subject,
          data: JSON.stringify(message),
          rollup: false,
          ttlSeconds: historyTtlSeconds,
        };
      });
    });
  }

  #deadMessages(gateway: string, { dead }: GatewayState): CommitMessage[] {
    const subject = subjects.deadLetter(this.number, gateway);
    return cut(dead).map((letters) => ({
      subject,
      data: JSON.stringify({ v: 1, letters }),
      rollup: false,
      ttlSeconds: historyTtlSeconds,
    }));
  }
}

/** A replay takes nothing behind a hole, so the same one is wider the later the replay ends. */
function beginsIn(hole: Hole, other: Hole): boolean {
  const isSameLog = hole.epoch === other.epoch && hole.log === other.log;
  return isSameLog && hole.from >= other.from && hole.from <= other.to;
}

/** Refused ones first: a gateway answers the first doubt that names a batch of its own. */
function byEpoch(left: Doubt, right: Doubt): number {
  if (left.kind !== right.kind) return left.kind === "refused" ? -1 : 1;
  return (epochOrdinal(left.epoch) ?? 0) - (epochOrdinal(right.epoch) ?? 0);
}

/** Pieces of at most `messageCharactersMax`, in order, none empty. */
function cut<Item>(items: readonly Item[]): Item[][] {
  const pieces: Item[][] = [];
  let size = 0;
  for (const item of items) {
    const own = JSON.stringify(item).length;
    const piece = pieces.at(-1);
    if (piece === undefined || size + own > messageCharactersMax) {
      pieces.push([item]);
      size = own;
    } else {
      piece.push(item);
      size += own;
    }
  }
  return pieces;
}

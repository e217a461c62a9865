/**
 * One partition's state: ledgers, detectors and alerts of its gateways. Pure: `take` works a journal
 * message off, `collect` hands out what is to be committed.
 *
 *   P1  What a gateway's commit holds is whole: its mark, its alerts and its dead letters go in one.
 *   P2  An event that a committed mark covers changes detector state and nothing else.
 */

import { assert } from "@causeway/shared/assert.ts";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Reading, ReadingEvent } from "@causeway/shared/event.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import { encodeMark } from "@causeway/shared/mark.ts";
import { isRuleName } from "@causeway/shared/names.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { AlertMessage, AlertTransition } from "../alert/alert.ts";
import type { Alerting, GatewayAlerts, GatewayDetection } from "../alert/alerting.ts";
import type { DeadItem, TakenEvent } from "../ingest/fold.ts";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { CommitMessage } from "./engine-store.ts";
import type { GatewaySnapshot } from "./snapshot.ts";

/** Closed alerts and dead letters stay for 30 days. */
const historyTtlSeconds = 30 * 24 * 3_600;
/** A packed message is cut here, well below the server's max_payload. */
const messageCharactersMax = 256 * 1_024;

interface GatewayState {
  detection: GatewayDetection;
  alerts: GatewayAlerts;
  transitions: AlertTransition[];
  dead: DeadItem[];
  doubts: Map<string, Doubt>;
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
}

export class Partition {
  readonly number: number;
  readonly #alerting: Alerting;
  readonly #ledgers = new Ledgers();
  readonly #states = new Map<string, GatewayState>();
  readonly #dirty = new Set<string>();
  readonly #counters: PartitionCounters;
  /** Up to here a committed engine has read; before it nothing is told back. */
  #replayUntil: number;
  #hasPassedReplay = false;
  #sequence = 0;
  #urgent = false;

  constructor(
    number: number,
    alerting: Alerting,
    replayUntil: number,
    counters: PartitionCounters,
  ) {
    this.number = number;
    this.#alerting = alerting;
    this.#replayUntil = replayUntil;
    this.#counters = counters;
  }

  /** The state of a snapshot; messages up to `sequence` are behind it. */
  restoreSnapshot(gateways: readonly GatewaySnapshot[], sequence: number): void {
    for (const { gateway, mark, detection } of gateways) {
      this.#ledgers.set(GatewayLedger.fromMark(mark));
      this.#state(gateway).detection = this.#alerting.decodeDetection(detection);
    }
    this.#sequence = sequence;
  }

  /** Lays a committed mark under what is read from now on; after the snapshot. */
  restoreMark(mark: Mark): void {
    this.#ledgers.of(mark.gateway).layFloor(mark);
  }

  restoreAlerts(gateway: string, text: string): void {
    this.#state(gateway).alerts = this.#alerting.decodeAlerts(text);
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

  /** Of this instant; whole, since nothing is awaited meanwhile. */
  snapshot(): readonly GatewaySnapshot[] {
    return this.#ledgers.all().map((ledger) => {
      const { gateway } = ledger;
      const detection = this.#alerting.encodeDetection(this.#state(gateway).detection);
      return { gateway, mark: ledger.replayMark(), detection };
    });
  }

  /** Messages up to the snapshot's are passed over. */
  take(message: JournalMessage): void {
    if (message.sequence <= this.#sequence) return;
    const replaying = message.sequence <= this.#replayUntil;
    if (!replaying) this.#passReplay();
    this.#sequence = message.sequence;
    this.#counters.messages++;
    const folded = foldMessage(this.#ledgers, message);
    if (folded === undefined) return;
    const { gateway } = folded.source;
    for (const taken of folded.taken) this.#takeEvent(taken);
    if (replaying) return;
    const nothing = folded.taken.length === 0 && folded.dead.length === 0;
    if (nothing && folded.doubt === undefined) this.#counters.repeats++;
    else this.#dirty.add(gateway);
    this.#addDead(gateway, folded.dead);
    this.#noteDoubt(gateway, folded.doubt, folded.taken);
  }

  /** At most `messagesMax` messages, whole gateways; `complete` says that nothing is left. */
  collect(commit: number, messagesMax: number): { messages: CommitMessage[]; complete: boolean } {
    const messages: CommitMessage[] = [];
    for (const gateway of this.#dirty) {
      const own = this.#messagesOf(gateway, commit);
      if (messages.length > 0 && messages.length + own.length > messagesMax) break;
      messages.push(...own);
      this.#dirty.delete(gateway);
      this.#settle(gateway);
    }
    const complete = this.#dirty.size === 0;
    if (complete) this.#urgent = false;
    return { messages, complete };
  }

  /** L5: what the replay did not meet by now, the journal no longer has. */
  #passReplay(): void {
    if (this.#hasPassedReplay) return;
    this.#hasPassedReplay = true;
    this.#replayUntil = 0;
    for (const ledger of this.#ledgers.all()) this.#counters.passed += ledger.passFloor();
  }

  #state(gateway: string): GatewayState {
    const known = this.#states.get(gateway);
    if (known !== undefined) return known;
    const state: GatewayState = {
      detection: this.#alerting.detection(),
      alerts: this.#alerting.alerts(),
      transitions: [],
      dead: [],
      doubts: new Map(),
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
    const verdicts = this.#alerting.observe(state.detection, observation);
    if (!taken.effect) return;
    this.#counters.readings++;
    const transitions = this.#alerting.advance(state.alerts, verdicts, observation);
    if (transitions.length === 0) return;
    state.transitions.push(...transitions);
    this.#counters.transitions += transitions.length;
    this.#urgent = true;
  }

  #addDead(gateway: string, dead: readonly DeadItem[]): void {
    if (dead.length === 0) return;
    this.#state(gateway).dead.push(...dead);
    this.#counters.dead += dead.length;
  }

  /** A log that moved on has no doubt any more; a new doubt replaces the log's last one. */
  #noteDoubt(gateway: string, doubt: Doubt | undefined, taken: readonly TakenEvent[]): void {
    const [first] = taken;
    if (doubt === undefined && first === undefined) return;
    const { doubts } = this.#state(gateway);
    if (first !== undefined) doubts.delete(`${first.epoch} ${first.log}`);
    if (doubt === undefined) return;
    doubts.set(`${doubt.epoch} ${doubt.log}`, doubt);
    this.#counters.doubts++;
  }

  #messagesOf(gateway: string, commit: number): CommitMessage[] {
    const state = this.#state(gateway);
    const doubts = [...state.doubts.values()].sort(byEpoch);
    const mark = encodeMark(this.#ledgers.of(gateway).mark(commit, doubts));
    const messages = [
      ...this.#alertMessages(gateway, state),
      ...this.#deadMessages(gateway, state),
    ];
    if (this.#alerting.changed(state.alerts)) {
      const subject = subjects.openAlerts(this.number, gateway);
      messages.push({ subject, data: this.#alerting.encodeAlerts(state.alerts), rollup: true });
    }
    messages.push({ subject: subjects.mark(this.number, gateway), data: mark, rollup: true });
    return messages;
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
    }));
  }
}

function byEpoch(left: Doubt, right: Doubt): number {
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

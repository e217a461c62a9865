/** Tells one receiver; nats-notifier.ts has the invariants. Ports only, and a clock that is handed in. */

import type { AlertTransition } from "../alert/alert.ts";
import type { Clock } from "../clock.ts";
import { sleep } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Circumstances } from "../operate/circumstances.ts";
import type { Random } from "../random.ts";
import type { AlertPlaceInStream, AlertReading, ReadAlerts } from "./alert-reading.ts";
import { Delivery } from "./delivering.ts";
import type { Ledger, LedgerStore } from "./ledger.ts";
import { ledgerOf } from "./ledger.ts";
import type { Notification } from "./notification.ts";
import type { PlanEvent } from "./plan.ts";
import { digestsDue, nextDueAt, step } from "./plan.ts";
import type { LedgerHead } from "./plan-codec.ts";
import {
  encodeHead,
  encodeNotification,
  encodeRecord,
  outstandingMax,
  toldRecord,
} from "./plan-codec.ts";
import type { PlanSettings } from "./plan-settings.ts";
import type { Receiver } from "./receiver.ts";
import { doneRecord, encodeDone } from "./told-record.ts";

/** What people say, once it was read. */
export interface SpokenOf {
  loaded(): Promise<void>;
  circumstances(): Circumstances;
}

export interface TellerParts {
  readonly receiver: Receiver;
  readonly settings: PlanSettings;
  readonly ledger: LedgerStore;
  readonly alerts: AlertReading;
  readonly keepDead: (
    receiver: string,
    notification: Notification,
    reason: string,
  ) => Promise<void>;
  readonly spokenOf: SpokenOf;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** How long the ledger of another process must stand still before it is taken over. */
  readonly standbyMs?: number | undefined;
}

export interface TellerStatus {
  readonly receiver: string;
  readonly delivered: number;
  readonly retries: number;
  /** Refused for good or given up; each is in the log with RECEIVER_FAILED. */
  readonly dead: number;
  /** In the ledger, and not yet delivered. */
  readonly outstanding: number;
  /** Alerts that are followed. */
  readonly alerts: number;
  /** Alerts beyond the bound, of which nobody is told. */
  readonly unfollowed: number;
  /** Why the receiver or JetStream is being waited for; undefined while all is well. */
  readonly waitingFor: string | undefined;
}

const standbyMsUsual = 6_000;
/** Notifications on their way; more is told together with what follows. */
const roomMax = 64;
const transitionsPerCommit = 256;
const aheadMax = 1_000;
const beatsPerStandby = 3;
/** Of what fires when a receiver is new. */
const firstToldMax = 2_000;
/** N5. */
const catchUpMsMax = 30_000;
const nothingTaken: ReadonlySet<string> = new Set();

/** Another process has committed since. */
class Refused extends Error {}

export class Teller {
  readonly #parts: TellerParts;
  readonly #writer: string;
  readonly #delivery: Delivery;
  #ledger: Ledger | undefined;
  #waitingFor: string | undefined = "its ledger";
  #unfollowedTold = 0;
  /** N5. What stood in the stream when the reading began, and until when it is read first. */
  #backlog = { end: 0, until: 0 };
  #wake = () => {};
  #isWoken = false;

  constructor(parts: TellerParts) {
    this.#parts = parts;
    this.#writer = parts.random.hex(16);
    this.#delivery = new Delivery(parts, () => this.#wakeUp());
  }

  status(): TellerStatus {
    const { receiver } = this.#parts;
    const { waitingFor, ...counts } = this.#delivery.counts();
    return {
      receiver: receiver.name,
      ...counts,
      outstanding: this.#ledger?.outstanding.size ?? 0,
      alerts: this.#ledger?.state.alerts.size ?? 0,
      unfollowed: this.#ledger?.state.unfollowed ?? 0,
      waitingFor: this.#waitingFor ?? waitingFor,
    };
  }

  waitFor(reason: string): void {
    this.#waitingFor = reason;
  }

  /** Until the signal is aborted; rejects where it is to be called again. */
  async run(signal: AbortSignal, progress: () => void): Promise<void> {
    const { spokenOf, alerts, clock } = this.#parts;
    await spokenOf.loaded();
    while (!signal.aborted) {
      const ledger = await this.#take(signal);
      if (ledger === undefined) return;
      const reading = new AbortController();
      const queue: ReadAlerts[] = [];
      try {
        const place = await this.#begin(ledger);
        this.#backlog = { end: await alerts.end(), until: clock.bootMs() + catchUpMsMax };
        this.#waitingFor = undefined;
        progress();
        const end = AbortSignal.any([signal, reading.signal]);
        const feed = this.#feed(queue, alerts.follow(place.sequence, end), end);
        await this.#work(ledger, queue, feed, signal);
        return;
      } catch (failure) {
        if (!(failure instanceof Refused)) throw failure;
        this.#waitingFor = failure.message;
        await sleep(this.#parts.clock, this.#parts.random.next() * 100, signal);
      } finally {
        reading.abort();
      }
    }
  }

  /** N2. The ledger, once it is this process' to go on with. */
  async #take(signal: AbortSignal): Promise<Ledger | undefined> {
    const { ledger: store, clock, standbyMs = standbyMsUsual } = this.#parts;
    let [revision, since] = [-1, 0];
    while (!signal.aborted) {
      const ledger = ledgerOf(await store.load());
      this.#ledger = ledger;
      const { head, outstanding } = ledger;
      const isFree = head === undefined || outstanding.size === 0;
      if (isFree || head.writer === this.#writer || head.writer === "") return ledger;
      if (ledger.revision !== revision) [revision, since] = [ledger.revision, clock.bootMs()];
      if (clock.bootMs() - since >= standbyMs) return ledger;
      this.#waitingFor = "another process that tells";
      await sleep(clock, standbyMs / beatsPerStandby, signal);
    }
    return undefined;
  }

  /** The place to read on from. */
  async #begin(ledger: Ledger): Promise<AlertPlaceInStream> {
    const { alerts, receiver, log } = this.#parts;
    const { head } = ledger;
    if (head !== undefined && (await alerts.isThere(head.place))) {
      if (head.writer !== this.#writer && ledger.outstanding.size > 0)
        await this.#commit(ledger, head.place, []); // the other finds that it is no longer its own
      return head.place;
    }
    const former = head === undefined ? await alerts.former(receiver.name) : undefined;
    if (former !== undefined) {
      const place = { sequence: former, identity: "" };
      await this.#commit(ledger, place, []);
      await alerts.forgetFormer(receiver.name);
      return place;
    }
    const { place, firing } = await alerts.fold();
    if (head !== undefined) {
      log.warn({ receiver: receiver.name }, "ENGINE was rolled back; what was told is compared");
      await this.#commit(ledger, head.place, this.#plan(ledger, await this.#doubt(ledger, firing)));
    } else {
      const transitions = [...firing.values()].slice(-firstToldMax);
      await this.#commit(ledger, place, this.#plan(ledger, { kind: "transitions", transitions }));
    }
    await this.#commit(ledger, place, []);
    return place;
  }

  /** N4. */
  async #doubt(ledger: Ledger, firing: ReadonlyMap<string, AlertTransition>): Promise<PlanEvent> {
    const missing = new Map<string, AlertTransition>();
    for (const { current } of ledger.state.alerts.values())
      if (current.state === "firing" && !firing.has(current.id)) missing.set(current.id, current);
    const open = await this.#parts.alerts.stillOpen(new Set(missing.keys()));
    const also = [...missing].filter(([id]) => open.has(id));
    return { kind: "rolledBack", firing: new Map([...firing, ...also]) };
  }

  async #feed(
    queue: ReadAlerts[],
    messages: AsyncIterable<ReadAlerts>,
    signal: AbortSignal,
  ): Promise<never> {
    try {
      for await (const message of messages) {
        queue.push(message);
        this.#wakeUp();
        while (queue.length >= aheadMax && !signal.aborted)
          await sleep(this.#parts.clock, 50, signal);
      }
      throw new Error("the reading has ended");
    } finally {
      this.#wakeUp();
    }
  }

  async #work(
    ledger: Ledger,
    queue: ReadAlerts[],
    feed: Promise<never>,
    signal: AbortSignal,
  ): Promise<void> {
    let failure: unknown;
    feed.catch((thrown) => {
      failure = thrown;
      this.#wakeUp();
    });
    while (!signal.aborted) {
      if (failure !== undefined) throw failure;
      await this.#settle(ledger);
      await this.#takeAlerts(ledger, queue);
      await this.#tellDue(ledger);
      const [first] = ledger.outstanding;
      if (first !== undefined) this.#delivery.begin(first[1], signal);
      await this.#pause(ledger, queue, signal);
    }
    await this.#release(ledger);
  }

  /** N1. What was delivered or given up leaves the ledger, but for who was told of what. */
  async #settle(ledger: Ledger): Promise<void> {
    const { receiver, keepDead, clock } = this.#parts;
    const [first] = ledger.outstanding;
    const outcome = first === undefined ? undefined : this.#delivery.outcomeOf(first[1].key);
    if (first === undefined || outcome === undefined || ledger.head === undefined) return;
    const [number, notification] = first;
    if (outcome.kind === "dead") await keepDead(receiver.name, notification, outcome.reason);
    ledger.outstanding.delete(number);
    const done = encodeDone(notification, outcome, clock.wallMs());
    const settled = [[toldRecord(number), ""] as const, [doneRecord(number), done] as const];
    await this.#commit(ledger, ledger.head.place, [], settled);
    this.#delivery.settled();
  }

  async #takeAlerts(ledger: Ledger, queue: ReadAlerts[]): Promise<void> {
    if (queue.length === 0 || !this.#mayTake(ledger)) return;
    const taken: ReadAlerts[] = [];
    let count = 0;
    // Told one by one, those of a message must all find room.
    const most = this.#parts.settings.tell === "each" ? 1 : transitionsPerCommit;
    for (let next = queue[0]; next !== undefined && count < most; next = queue[0]) {
      count += next.transitions.length;
      taken.push(next);
      queue.shift();
    }
    const last = taken.at(-1);
    if (last === undefined) return;
    const transitions = taken.flatMap((message) => message.transitions);
    const told = this.#plan(ledger, { kind: "transitions", transitions });
    await this.#commit(ledger, last.place, [...told, ...this.#reportsIn(taken)]);
  }

  /** A report is told to those whom it names, whatever they are told of alerts. */
  #reportsIn(taken: readonly ReadAlerts[]): readonly Notification[] {
    const { name } = this.#parts.receiver;
    return taken.flatMap(({ report }) =>
      report?.receivers.includes(name) ? [report.notification] : [],
    );
  }

  /** In groups nothing is told by it: who is away is told in the end how it stands. */
  #mayTake({ outstanding }: Ledger): boolean {
    return this.#parts.settings.tell === "grouped" || outstanding.size < roomMax;
  }

  /** N5. */
  #mayTell({ head, outstanding }: Ledger): boolean {
    const { end, until } = this.#backlog;
    const isBehind = (head?.place.sequence ?? 0) < end && this.#parts.clock.bootMs() < until;
    const isAway = outstanding.size > 0 && this.#delivery.counts().waitingFor !== undefined;
    return !isBehind && !isAway && outstanding.size < roomMax;
  }

  async #tellDue(ledger: Ledger): Promise<void> {
    const { head, state } = ledger;
    const { alerts, clock } = this.#parts;
    const dueAt = nextDueAt(state) ?? Number.POSITIVE_INFINITY;
    if (head === undefined || dueAt > clock.wallMs() || !this.#mayTell(ledger)) return;
    const digests = digestsDue(state, clock.wallMs());
    const taken = digests.length === 0 ? nothingTaken : await alerts.historyTaken(digests);
    const told = this.#plan(ledger, { kind: "time" }, taken);
    if (told.length > 0 || state.changed.size > 0) await this.#commit(ledger, head.place, told);
  }

  /** Transitions are only taken; what follows of them is told in a commit of its own (L2). */
  #plan(
    { state, outstanding }: Ledger,
    event: PlanEvent,
    historyTaken = nothingTaken,
  ): readonly Notification[] {
    const { settings, clock, spokenOf, log, receiver } = this.#parts;
    const room = event.kind === "time" ? roomMax - outstanding.size + 1 : 0;
    const circumstances = spokenOf.circumstances();
    const context = { settings, circumstances, now: clock.wallMs(), room, historyTaken };
    const told = step(state, event, context);
    if (state.unfollowed > this.#unfollowedTold) {
      const fields = { receiver: receiver.name, unfollowed: state.unfollowed };
      log.error(fields, "more alerts than can be followed: nobody is told of some");
      this.#unfollowedTold = Number.POSITIVE_INFINITY;
    }
    return told;
  }

  /** N1, N2. */
  async #commit(
    ledger: Ledger,
    place: AlertPlaceInStream,
    told: readonly Notification[],
    settled: readonly (readonly [record: string, text: string])[] = [],
  ): Promise<void> {
    const { head, state, outstanding } = ledger;
    let next = head?.next ?? 0;
    const records = new Map(settled);
    for (const notification of told) {
      records.set(toldRecord(next), encodeNotification(notification));
      outstanding.set(next++, notification);
    }
    const [first = next] = outstanding.keys();
    if (next - first > outstandingMax) throw new Error("too many notifications are outstanding");
    const beat = (head?.beat ?? 0) + 1;
    const newHead: LedgerHead = { place, writer: this.#writer, beat, first, next };
    const changed = [...state.changed].map((name) => [name, encodeRecord(state, name)] as const);
    const commit = { head: encodeHead(newHead), told: records, state: new Map(changed) };
    const revision = await this.#parts.ledger.commit(commit, ledger.revision);
    if (revision === undefined) throw new Refused("another process has committed");
    state.changed.clear();
    ledger.revision = revision;
    ledger.head = newHead;
    this.#committedAt = this.#parts.clock.bootMs();
  }

  #committedAt = 0;

  /** So that another need not wait. */
  async #release(ledger: Ledger): Promise<void> {
    const { head, outstanding, revision } = ledger;
    if (head === undefined || outstanding.size === 0) return;
    const free = { head: encodeHead({ ...head, writer: "" }), told: new Map(), state: new Map() };
    await this.#parts.ledger.commit(free, revision);
  }

  async #pause(ledger: Ledger, queue: readonly ReadAlerts[], signal: AbortSignal): Promise<void> {
    const { clock, standbyMs = standbyMsUsual } = this.#parts;
    const { state, outstanding, head } = ledger;
    if (queue.length > 0 && this.#mayTake(ledger)) return;
    const beatAt = this.#committedAt + standbyMs / beatsPerStandby;
    const isBeatDue = outstanding.size > 0 && clock.bootMs() >= beatAt;
    if (isBeatDue && head !== undefined) await this.#commit(ledger, head.place, []);
    const dueIn = (nextDueAt(state) ?? Number.POSITIVE_INFINITY) - clock.wallMs();
    const beatIn = outstanding.size > 0 ? standbyMs / beatsPerStandby : pauseMsMax;
    const toldIn = this.#mayTell(ledger) ? Math.max(0, dueIn) : pauseMsMax;
    const delayMs = Math.min(toldIn, this.#backlogIn(ledger), beatIn, pauseMsMax);
    if (this.#isWoken) {
      this.#isWoken = false;
      return;
    }
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await sleep(clock, delayMs, AbortSignal.any([signal, woken.signal]));
    this.#isWoken = false;
  }

  #backlogIn({ head }: Ledger): number {
    const { end, until } = this.#backlog;
    if ((head?.place.sequence ?? 0) >= end) return pauseMsMax;
    return Math.max(0, until - this.#parts.clock.bootMs()) || pauseMsMax;
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake();
  }
}

/** Bounds how late a wall clock that was set is noticed. */
const pauseMsMax = 10_000;

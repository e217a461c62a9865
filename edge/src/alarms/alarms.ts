/**
 * Judges what the gateway keeps by its own rules, also while it is offline.
 *
 *   J1  A reading is judged after it is durable, read from the outbox: no PUBACK waits for a rule, and
 *       what comes faster than it is judged waits on the disk.
 *   J2  An alarm is appended to the priority log in one write with what it makes of the alarms' state,
 *       and with the place up to which was judged. After a crash readings behind that place are judged
 *       again; those before it, from the last snapshot on, move detectors alone. So an alarm is
 *       neither lost nor told twice.
 *   J3  Ticks stand between readings by the gateway's time: one follows all that came before it and
 *       precedes all that came after, so a replay meets the same.
 *   J4  What was given up, or thinned, before it was judged is passed over, and told.
 *   J5  Until the boot is dated nothing is judged for a while. Then time goes on from the newest time
 *       known; once the clock is set, what counts by the gateway's time moves along with it.
 *   J6  The cloud is told which rules the gateway judges and which of its alarms are open: when it
 *       starts, when that changes, and each hour.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { AlarmTransition, Event } from "@causeway/shared/event.ts";
import { eventId, spanOf } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import type { Companion } from "../outbox/companions.ts";
import type { StoredBlock } from "../outbox/continuity.ts";
import type { EpochView } from "../outbox/epoch.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { GatewayRules } from "../rules/gateway-rules.ts";
import { alarmEvents, alarmOf } from "./alarm-event.ts";
import type { Committed, JudgedThrough, RuleClock } from "./alarm-records.ts";
import { AlarmRecords } from "./alarm-records.ts";
import { Judge } from "./judge.ts";

export interface AlarmsParts {
  readonly gateway: GatewayId;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined where none are configured. */
  readonly rules: GatewayRules | undefined;
  /** Whether anybody reads what is told here. */
  readonly isHeard: boolean;
  /** How long a boot that is not dated is waited for. */
  readonly waitMs: number;
  /** The present in ms, as well as it is known while the boot is not dated. */
  readonly presentMs: () => number;
  readonly snapshotEveryMs?: number;
}

export interface AlarmsStatus {
  readonly source: string;
  readonly rules: number;
  /** Why rules of the file are not in force. */
  readonly refused: string | undefined;
  /** Readings, in this process. */
  readonly judged: number;
  /** Events that wait to be judged. */
  readonly behind: number;
  /** Events that were given up before they were judged. */
  readonly missed: number;
  readonly series: number;
  /** Readings beyond the bound of series, and alarms beyond theirs. */
  readonly readingsBeyond: number;
  readonly alarmsRefused: number;
  /** Transitions of rules in shadow, which nobody is told of. */
  readonly shadowed: number;
  readonly openCount: number;
  /** The first of them. */
  readonly open: readonly AlarmTransition[];
}

const tickMs = 5_000;
/** Longer without a tick, and one stands for all. */
const ticksMax = 120;
const pieceBytes = 64 * 1_024;
/** What comes within it is read at once. */
const gatherMs = 20;
const lookMs = 500;
const retryMs = 1_000;
const snapshotMs = 900_000;
const tellAgainMs = 3_600_000;
const openShownMax = 100;

export class Alarms {
  readonly #parts: AlarmsParts;
  readonly #records: AlarmRecords;
  readonly #stopping = new AbortController();
  #rules: GatewayRules | undefined;
  #wanted: GatewayRules | undefined;
  #refused: string | undefined;
  #judge: Judge | undefined;
  #place: JudgedThrough = { ordinal: 0, position: 0, tick: 0 };
  /** Up to here a former process has judged: only detectors move (J2). */
  #judgedBefore: JudgedThrough = this.#place;
  #ruleClock: RuleClock | undefined;
  #collected: AlertTransition[] = [];
  #counters = { judged: 0, missed: 0, shadowed: 0 };
  #missedTold = 0;
  #isSnapshotDue = true;
  #snapshotAt = 0;
  /** Of the newest snapshot. */
  #snapshotPlace: JudgedThrough | undefined;
  #toldAt: number | undefined;
  #wake: () => void = () => {};
  #isWoken = false;
  #running: Promise<void> | undefined;
  #heard: () => void = () => {};

  constructor(parts: AlarmsParts) {
    this.#parts = parts;
    this.#rules = parts.rules;
    this.#wanted = parts.rules;
    this.#records = new AlarmRecords(parts.outbox.records);
  }

  get records(): AlarmRecords {
    return this.#records;
  }

  /** Resolves once it is known where to go on; reads nothing more where there are no rules. */
  async start(): Promise<void> {
    const snapshot = await this.#records.load();
    const { committed } = this.#records;
    if (this.#rules === undefined && committed === undefined) return;
    const judge = new Judge(this.#parts.gateway, (this.#rules ?? noRules).alerting);
    this.#judge = judge;
    const known = this.#rules === undefined ? undefined : (snapshot?.place ?? committed?.place);
    this.#place = known ?? this.#end();
    this.#judgedBefore = committed?.place ?? this.#place;
    this.#ruleClock = snapshot?.clock ?? committed?.clock;
    try {
      if (snapshot !== undefined) judge.restoreDetection(snapshot.detection);
      if (committed !== undefined) judge.restoreAlerts(committed.alerts);
    } catch (failure) {
      const reason = reasonOf(failure);
      this.#parts.log.error({ reason }, "what local rules knew cannot be read; they begin anew");
    }
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeUp();
    await this.#running;
  }

  /** Something was appended. */
  appended(): void {
    if (this.#judge !== undefined) this.#wakeUp();
  }

  /** Called whenever something was told. */
  listen(heard: () => void): void {
    this.#heard = heard;
  }

  change(rules: GatewayRules): void {
    this.#refused = undefined;
    this.#wanted = rules;
    this.#wakeUp();
  }

  refuse(reason: string): void {
    this.#refused = reason;
  }

  get names(): readonly string[] {
    return this.#rules?.names ?? [];
  }

  /** Whether a rule looks at the series, of those in force or those that will be. */
  selects(device: string, metric: string): boolean {
    const [now, next] = [this.#rules, this.#wanted];
    if (now?.selects(device, metric)) return true;
    return next !== now && next !== undefined && next.selects(device, metric);
  }

  status(): AlarmsStatus | undefined {
    if (this.#judge === undefined) return undefined;
    const { series, readingsBeyond, refused: alarmsRefused } = this.#judge.figures();
    const rules = this.#rules ?? noRules;
    return {
      source: rules.source,
      rules: rules.rules.length,
      refused: this.#refused,
      ...this.#counters,
      behind: this.#behind(),
      ...{ series, readingsBeyond, alarmsRefused },
      openCount: this.#records.open.size,
      open: [...this.#records.open.values()].slice(0, openShownMax),
    };
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    await this.#untilDated(signal);
    while (!signal.aborted) {
      try {
        if (await this.#turn(signal)) return;
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "local rules wait for the outbox");
        await sleep(clock, retryMs, signal);
      }
      await this.#pause(signal);
    }
    await this.#snapshotOfNews().catch((failure) => {
      log.warn({ reason: reasonOf(failure) }, "what local rules know could not be kept");
    });
  }

  /** True once there is nothing to be done any more. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    if (this.#isSnapshotDue) await this.#snapshot();
    await this.#tellRules();
    if (this.#wanted?.version !== this.#rules?.version) await this.#useRules();
    while (!signal.aborted && (await this.#piece())) await sleep(this.#parts.clock, 0, signal);
    if (signal.aborted) return false;
    await this.#tickWhenDue();
    this.#tellMissed();
    const { clock, snapshotEveryMs = snapshotMs } = this.#parts;
    if (clock.bootMs() - this.#snapshotAt >= snapshotEveryMs) await this.#snapshotOfNews();
    if (this.#rules !== undefined || !this.#isPast() || this.#records.open.size > 0) return false;
    await this.#tellRules(true);
    if (this.#toldAt === undefined) return false;
    await this.#records.forget(this.#parts.isHeard);
    this.#judge = undefined;
    return true;
  }

  /** J5. */
  async #untilDated(signal: AbortSignal): Promise<void> {
    const { clock, outbox, waitMs } = this.#parts;
    const until = clock.bootMs() + waitMs;
    const isDated = () => outbox.bootOffset(clock.bootId) !== undefined;
    while (!isDated() && clock.bootMs() < until && !signal.aborted)
      await sleep(clock, lookMs, signal);
  }

  async #useRules(): Promise<void> {
    const rules = this.#wanted;
    this.#judge?.useRules((rules ?? noRules).alerting);
    this.#rules = rules;
    this.#parts.log.info(
      { source: rules?.source, rules: rules?.rules.length },
      "other local rules",
    );
    await this.#snapshot();
    await this.#tellRules(true);
  }

  /** J1. Whether there was anything to be judged. */
  async #piece(): Promise<boolean> {
    const epoch = this.#nextEpoch();
    if (epoch === undefined) return false;
    if (epoch.ordinal !== this.#place.ordinal)
      this.#place = { ...this.#place, ordinal: epoch.ordinal, position: 0 };
    const from = this.#place.position + 1;
    const blocks = await this.#parts.outbox.peek(epoch.id, "telemetry", from, pieceBytes);
    if (blocks.length === 0) return false;
    for (const block of blocks) this.#tryBlock(epoch.id, block);
    await this.#commit();
    return true;
  }

  /** One that cannot be read must not hold back what follows. */
  #tryBlock(epoch: EpochId, block: StoredBlock): void {
    try {
      this.#judgeBlock(epoch, block);
    } catch (failure) {
      if (!(failure instanceof CodedError)) throw failure;
      this.#counters.missed += Math.max(0, block.to - this.#place.position);
      this.#place = { ...this.#place, position: Math.max(block.to, this.#place.position) };
    }
  }

  #judgeBlock(epoch: EpochId, { to, bytes }: StoredBlock): void {
    const { gateway } = this.#parts;
    const { bootId, items } = decodeBlock(bytes);
    for (const item of items) {
      const before = this.#place.position;
      if (item.to <= before) continue;
      const { event } = item;
      if (event?.kind === "reading") {
        const at = event.bootMs + this.#offsetOf(bootId, event.bootMs);
        this.#ticksBefore(at, bootId);
        const id = eventId(gateway, epoch, "telemetry", item.from);
        this.#place = { ...this.#place, position: item.to };
        this.#take(this.#judge?.observe(id, event, at, this.#hasEffect()));
        this.#counters.judged += event.readings.length;
        continue;
      }
      const isGivenUp = event?.kind === "loss" || event?.kind === "rollup";
      this.#place = { ...this.#place, position: item.to };
      // Of what a former process has judged detectors alone miss something.
      if (isGivenUp && this.#hasEffect())
        this.#counters.missed += Math.min(spanOf(event, item.from), item.to - before);
    }
    if (to > this.#place.position) this.#place = { ...this.#place, position: to };
  }

  /** J3. All that came by now is judged before the ticks that are due. */
  async #tickWhenDue(): Promise<void> {
    const { clock, outbox } = this.#parts;
    const bootMs = clock.bootMs();
    const now = bootMs + this.#offsetOf(clock.bootId, bootMs);
    if (this.#place.tick > 0 && (this.#place.tick + 1) * tickMs >= now) return;
    await new Promise<void>((resolve, reject) => {
      outbox.records.write([], (failure) => (failure === undefined ? resolve() : reject(failure)));
    });
    while (!this.#stopping.signal.aborted && (await this.#piece()));
    this.#ticksBefore(now, clock.bootId);
    await this.#commit();
  }

  #ticksBefore(at: number, bootId: string): void {
    const last = Math.ceil(at / tickMs) - 1;
    const { tick } = this.#place;
    // A clock that was wrong is not waited for.
    if (tick === 0 || last < tick - ticksMax) this.#tickAnew(last);
    const first = Math.max(this.#place.tick + 1, last - (last - tick > ticksMax ? 0 : ticksMax));
    for (let n = first; n <= last; n++) {
      this.#place = { ...this.#place, tick: n };
      const hasEffect = n > this.#judgedBefore.tick;
      this.#take(this.#judge?.tick(n, n * tickMs, bootId, hasEffect));
    }
  }

  #take(transitions: readonly AlertTransition[] = []): void {
    for (const transition of transitions) {
      if (transition.shadow) this.#counters.shadowed++;
      else this.#collected.push(transition);
    }
  }

  /** Of the reading that was judged last: a former process has not judged it. */
  #hasEffect(): boolean {
    const [a, b] = [this.#place, this.#judgedBefore];
    return a.ordinal === b.ordinal ? a.position > b.position : a.ordinal > b.ordinal;
  }

  /** Nothing that a former process has judged is left to be read again. */
  #isPast(): boolean {
    const [a, b] = [this.#place, this.#judgedBefore];
    const isThere = a.ordinal === b.ordinal ? a.position >= b.position : a.ordinal > b.ordinal;
    return isThere && a.tick >= b.tick;
  }

  /** Ticks are counted by another clock from here on. */
  #tickAnew(tick: number): void {
    const isPast = this.#isPast();
    this.#place = { ...this.#place, tick };
    if (isPast) this.#judgedBefore = this.#place;
  }

  /** J5. */
  #offsetOf(bootId: string, bootMs: number): number {
    const { clock, outbox, presentMs } = this.#parts;
    const real = outbox.bootOffset(bootId);
    const known = this.#ruleClock?.bootId === bootId ? this.#ruleClock.offsetMs : undefined;
    if (real === undefined && known !== undefined) return known;
    const isOwn = bootId === clock.bootId;
    const guess = isOwn ? presentMs() - clock.bootMs() : this.#place.tick * tickMs - bootMs;
    const offsetMs = Math.round(real ?? guess);
    if (known !== undefined && known !== offsetMs) {
      this.#judge?.shiftTime(offsetMs - known);
      this.#tickAnew(0);
    }
    if (known !== offsetMs) this.#ruleClock = { bootId, offsetMs };
    return offsetMs;
  }

  /** J2. Tries until it is durable: what was judged meanwhile would be lost with it. */
  async #commit(): Promise<void> {
    const [first] = this.#collected;
    if (first === undefined) return;
    const { clock, isHeard, log } = this.#parts;
    const told = this.#collected.map(alarmOf);
    const next = this.#committed(isHeard ? 1 : 0);
    const companion = this.#records.commit(next, told, isHeard);
    for (let tries = 1; ; tries++) {
      const failure = await this.#append(alarmEvents(told, clock.bootMs()), companion);
      if (failure === undefined) break;
      const fields = { reason: failure.message, alarms: told.length };
      if (tries === 1) log.warn(fields, "alarms wait for the outbox");
      if (this.#stopping.signal.aborted) throw failure;
      await sleep(clock, retryMs, this.#stopping.signal);
    }
    this.#records.committedNow(next, told);
    this.#collected = [];
    this.#heard();
  }

  #committed(more: number): Committed {
    return {
      place: this.#place,
      clock: this.#ruleClock,
      names: this.names,
      alerts: this.#judge?.encodeAlerts() ?? "",
      logged: this.#records.newestTold + more,
    };
  }

  /** Nothing is written for ticks alone: a replay meets them again. */
  async #snapshotOfNews(): Promise<void> {
    const { ordinal, position } = this.#snapshotPlace ?? { ordinal: -1, position: 0 };
    if (this.#place.ordinal === ordinal && this.#place.position === position) return;
    await this.#snapshot();
  }

  async #snapshot(): Promise<void> {
    // Behind that place alarms were not moved: they stand as they were committed.
    if (this.#judge === undefined || this.#collected.length > 0) return;
    if (this.#records.committed !== undefined && !this.#isPast()) return;
    const committed = this.#committed(0);
    await this.#records.keepSnapshot(this.#judge.encodeDetection(), committed);
    this.#snapshotAt = this.#parts.clock.bootMs();
    this.#snapshotPlace = committed.place;
    this.#isSnapshotDue = false;
  }

  /** J6. */
  async #tellRules(isChanged = false): Promise<void> {
    const { clock } = this.#parts;
    const now = clock.bootMs();
    if (!isChanged && this.#toldAt !== undefined && now - this.#toldAt < tellAgainMs) return;
    const { names } = this;
    const open = [...this.#records.open.keys()];
    const failure = await this.#append([
      {
        ...{ kind: "system", device: null, topic: null, bootMs: now, observedAt: null },
        name: "rules",
        detail: `judges ${names.length} rules itself; ${open.length} alarms are open`,
        fields: { names: names.join(" "), open: open.join(" ") },
      },
    ]);
    this.#toldAt = failure === undefined ? now : undefined;
  }

  /** J4. */
  #tellMissed(): void {
    const { missed } = this.#counters;
    if (missed === this.#missedTold) return;
    const count = missed - this.#missedTold;
    this.#missedTold = missed;
    const detail = `${count} events were given up before local rules had judged them`;
    this.#parts.log.warn({ count }, detail);
    const place = { device: null, topic: null, bootMs: this.#parts.clock.bootMs() };
    const event: Event = {
      ...{ kind: "system", ...place, observedAt: null, name: "rules-missed", detail },
      fields: { count },
    };
    void this.#append([event]);
  }

  #append(events: readonly Event[], companion?: Companion): Promise<CodedError | undefined> {
    return new Promise((resolve) => {
      this.#parts.outbox.append("priority", events, resolve, companion);
    });
  }

  #nextEpoch(): EpochView | undefined {
    const { ordinal, position } = this.#place;
    return this.#parts.outbox.epochs().find((epoch) => {
      if (epoch.ordinal === ordinal) return epoch.last.telemetry > position;
      return epoch.ordinal > ordinal && epoch.last.telemetry > 0;
    });
  }

  #behind(): number {
    const { ordinal, position } = this.#place;
    return this.#parts.outbox.epochs().reduce((sum, epoch) => {
      if (epoch.ordinal < ordinal) return sum;
      return sum + epoch.last.telemetry - (epoch.ordinal === ordinal ? position : 0);
    }, 0);
  }

  /** Only what comes from now on is judged. */
  #end(): JudgedThrough {
    const last = this.#parts.outbox.epochs().at(-1);
    return { ordinal: last?.ordinal ?? 0, position: last?.last.telemetry ?? 0, tick: 0 };
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    if (!this.#isWoken) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      await sleep(clock, this.#untilTick(), AbortSignal.any([signal, woken.signal]));
    }
    await sleep(clock, gatherMs, signal);
    this.#isWoken = false;
  }

  #untilTick(): number {
    const { clock } = this.#parts;
    const now = clock.bootMs() + this.#offsetOf(clock.bootId, clock.bootMs());
    return Math.min(tickMs, Math.max(1, (this.#place.tick + 1) * tickMs + 1 - now));
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake();
  }
}

const none = { rules: [], fleet: { gateways: [], devices: [] } };
const noRules = {
  ...none,
  source: "",
  version: "",
  names: [],
  selects: () => false,
  alerting: createAlerting(compileRules(none.rules, none.fleet)),
};

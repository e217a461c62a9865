/**
 * What reports are made of: one pure fold over the journal and over the alerts, in their order.
 *
 *   B1  Readings, gaps and alerts belong to the period in which they happened by the gateway's time;
 *       losses, dead and quarantined events to the one in which they became known.
 *   B2  Nothing happened after it was stored: a gateway whose clock is ahead counts as of then.
 *   B3  Time is that of the journal: a period is over with the first tick at or after its end. What
 *       comes of it afterwards is told in the next report, as come late.
 *   B4  Of several periods that ended between two ticks only the last is reported.
 *   B5  Memory is bounded: gateways and devices beyond their bounds are counted with the others'
 *       sums, without gaps of their own, and the report says so.
 */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { RollupEvent } from "@causeway/shared/event.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { lossReason } from "../ingest/fold.ts";
import type { Gap } from "../ingest/journal-reader.ts";
import { gapReason } from "../ingest/journal-reader.ts";
import { noTickMs } from "../ticks/tick-watch.ts";
import { Pauses } from "./pauses.ts";
import type { Period, Schedule } from "./period.ts";
import { overlapMs, periodAt } from "./period.ts";
import type { OpenAlert } from "./period-sums.ts";
import { PeriodSums } from "./period-sums.ts";

export interface BookBounds {
  readonly gatewaysMax: number;
  readonly devicesMax: number;
  readonly openAlertsMax: number;
}

export const defaultBookBounds: BookBounds = {
  gatewaysMax: 10_000,
  devicesMax: 20_000,
  openAlertsMax: 10_000,
};

/** A gateway that was not heard of for so long is left out. */
export const goneMs = 30 * 24 * 3_600_000;
const outagesMax = 64;

export interface GatewayBook {
  /** When its first and its newest message were stored. */
  heardFrom: number;
  heardTo: number;
  /** Nothing of it was stored meanwhile, though the clock went on. */
  outages: Period[];
  /** Of any device. */
  readonly pauses: Pauses;
  readonly devices: Map<string, Pauses>;
}

/** One that is configured. */
export interface Reported {
  readonly name: string;
  readonly schedule: Schedule;
}

/** Periods of one report: the one that goes on, and what came already of the next. */
export interface Course {
  readonly schedule: Schedule;
  /** Periods that ended before are nobody's: there was no such report. */
  readonly bornAt: number;
  /** Of the first message that was counted: what was stored before is no news. */
  countedFrom: number;
  sums: PeriodSums | undefined;
  next: PeriodSums | undefined;
  /** Periods that ended unreported since the last report, and the first moment of them. */
  missed: number;
  missedFrom: number;
  /** It was asked for, and is never due. */
  readonly isAsked?: true;
}

/** A report that is to be made. */
export interface Due {
  readonly name: string;
  readonly sums: PeriodSums;
  readonly missed: number;
  readonly missedFrom: number;
}

export class FleetBook {
  readonly bounds: BookBounds;
  /** Where nothing is said for so long, something is missing. */
  readonly silentMs: number;
  readonly gateways = new Map<string, GatewayBook>();
  readonly open = new Map<string, OpenAlert>();
  readonly courses = new Map<string, Course>();
  /** The clock stood still meanwhile: no cloud was running. */
  standstills: Period[] = [];
  /** Of the first message that was read; before that nothing is known. */
  beganAt: number | undefined;
  tickAt: number | undefined;
  devices = 0;
  /** Gateways, devices or alerts had no room. */
  isOverfull = false;

  constructor(silentMs: number, bounds: BookBounds = defaultBookBounds) {
    this.silentMs = silentMs;
    this.bounds = bounds;
  }

  /** Those that are configured; what is new is reported from `now` on. */
  use(reports: readonly Reported[], now: number): void {
    const before = new Map(this.courses);
    this.courses.clear();
    for (const { name, schedule } of reports) {
      const known = before.get(name);
      const isSame = JSON.stringify(known?.schedule) === JSON.stringify(schedule);
      if (known !== undefined && isSame) this.courses.set(name, known);
      else this.courses.set(name, newCourse(schedule, now));
    }
  }

  /** One period, whatever the calendar says; what comes later of it counts as well. */
  ask(schedule: Schedule, period: Period, since: number): PeriodSums {
    const sums = new PeriodSums(period, since);
    const next = new PeriodSums({ from: period.to, to: Number.POSITIVE_INFINITY }, since);
    const course = newCourse(schedule, Number.POSITIVE_INFINITY);
    this.courses.set("asked", { ...course, countedFrom: since, sums, next, isAsked: true });
    return sums;
  }

  /** A message of the gateway was stored. */
  hear(name: string, storedAt: number): void {
    this.beganAt ??= storedAt;
    for (const course of this.courses.values())
      if (course.sums === undefined) this.#sumsAt(course, storedAt, storedAt);
    const gateway = this.#gateway(name, storedAt);
    if (gateway === undefined || storedAt <= gateway.heardTo) return;
    if (storedAt - gateway.heardTo >= this.silentMs)
      gateway.outages = [...gateway.outages, { from: gateway.heardTo, to: storedAt }].slice(
        -outagesMax,
      );
    gateway.heardTo = storedAt;
  }

  take(taken: TakenEvent, storedAt: number): void {
    const { gateway, event, epoch, log, position: from } = taken;
    const at = Math.min(taken.receivedAt, storedAt); // B2
    switch (event.kind) {
      case "reading":
        this.#hearDevice(gateway, event.device, at);
        this.#count(gateway, event.readings.length, at, storedAt, taken.late);
        return;
      case "quarantined":
        for (const sums of this.#known(storedAt)) sums.of(gateway).quarantined++;
        return;
      case "loss":
        for (const sums of this.#known(storedAt))
          sums.addLost(gateway, lossReason(event.reason), { epoch, log, from, to: event.to });
        return;
      case "rollup":
        this.#takeRollup(gateway, event, taken.receivedAt - event.bootMs, storedAt);
        return;
      default:
        return;
    }
  }

  /** An item, or a whole message, that could not be read. */
  addDead(gateway: string, storedAt: number): void {
    for (const sums of this.#known(storedAt)) sums.of(gateway).dead++;
  }

  /** What the journal no longer has, though it was taken. */
  addGap({ gateway, epoch, log, from, to }: Gap, storedAt: number): void {
    for (const sums of this.#known(storedAt))
      sums.addLost(gateway, gapReason, { epoch, log, from, to });
  }

  addNotTaken(storedAt: number): void {
    for (const sums of this.#known(storedAt)) sums.notTaken++;
  }

  takeAlert(transition: AlertTransition, storedAt: number): void {
    const { id, state, gateway, device, rule, severity } = transition;
    const firingAt = Math.min(transition.firingAt, storedAt);
    const alert = { id, gateway, device, rule, severity, firingAt };
    if (state === "firing") {
      if (this.open.has(id)) return;
      if (this.open.size < this.bounds.openAlertsMax) this.open.set(id, alert);
      else this.isOverfull = true;
      for (const course of this.courses.values()) {
        if (course.sums === undefined) continue;
        const sums = this.#sumsAt(course, firingAt, storedAt);
        if (sums === "earlier") course.sums.alertsEarlier++;
        else if (sums instanceof PeriodSums) sums.addFiring(transition);
      }
      return;
    }
    this.open.delete(id);
    const span = { from: firingAt, to: Math.min(transition.at, storedAt) };
    for (const course of this.courses.values()) {
      if (course.sums !== undefined) this.#sumsAt(course, span.to, storedAt); // one for its end
      for (const sums of [course.sums, course.next]) {
        if (sums === undefined) continue;
        sums.addFiringTime(alert, overlapMs(span, sums));
        if (span.from < sums.to && span.to >= sums.to) sums.addEndedLater(alert);
      }
    }
  }

  /** B3, B4. What is to be reported now; each stays until `finish` is called for it. */
  tick(at: number): readonly Due[] {
    this.beganAt ??= at;
    if (this.tickAt !== undefined && at - this.tickAt >= noTickMs) {
      const standstill = { from: this.tickAt, to: at };
      this.standstills = [...this.standstills, standstill].slice(-outagesMax);
    }
    this.tickAt = Math.max(this.tickAt ?? at, at);
    return [...this.courses].flatMap(([name, course]) => this.#due(name, course, at));
  }

  /** It was reported, or is nobody's. */
  finish(name: string): void {
    const course = this.courses.get(name);
    if (course?.sums === undefined) return;
    this.#goOn(course, course.sums);
    course.missed = 0;
    this.#forget();
  }

  #due(name: string, course: Course, at: number): readonly Due[] {
    this.#sumsAt(course, at, at);
    for (;;) {
      const sums: PeriodSums | undefined = course.sums;
      if (sums === undefined || sums.to > at || course.isAsked) return [];
      const isUnborn = sums.to <= course.bornAt;
      const isLast = sums.to >= periodAt(course.schedule, at).from;
      if (isLast && !isUnborn) {
        const { missed, missedFrom } = course;
        return [{ name, sums, missed, missedFrom }];
      }
      if (!isUnborn) this.#miss(course, sums);
      this.#goOn(course, sums);
    }
  }

  #miss(course: Course, { from }: Period): void {
    if (course.missed === 0) course.missedFrom = from;
    course.missed++;
  }

  #goOn(course: Course, sums: PeriodSums): PeriodSums {
    const next = this.#nextOf(course, sums);
    course.sums = next;
    course.next = undefined;
    return next;
  }

  #nextOf({ next, schedule }: Course, { to }: Period): PeriodSums {
    return next ?? new PeriodSums(periodAt(schedule, to), to);
  }

  /** Those that `at` lies in, of each report. */
  #known(at: number): readonly PeriodSums[] {
    return [...this.courses.values()].flatMap((course) => {
      const sums = this.#sumsAt(course, at, at);
      return sums instanceof PeriodSums ? [sums] : [];
    });
  }

  /** `earlier`: it lies before, and was known too late; `over`: it was known before all this. */
  #sumsAt(course: Course, at: number, storedAt: number): PeriodSums | "earlier" | "over" {
    const { schedule } = course;
    if (course.sums === undefined) course.countedFrom = storedAt;
    let sums = course.sums ?? new PeriodSums(periodAt(schedule, storedAt), storedAt);
    course.sums = sums;
    for (;;) {
      if (at < sums.from) return storedAt >= course.countedFrom ? "earlier" : "over";
      if (at < sums.to) return sums;
      const next = this.#nextOf(course, sums);
      course.next = next;
      if (at < next.to) return next;
      // No tick came for a whole period.
      if (sums.to > course.bornAt) this.#miss(course, sums);
      sums = this.#goOn(course, sums);
    }
  }

  #count(gateway: string, readings: number, at: number, storedAt: number, isLate: boolean): void {
    for (const course of this.courses.values()) {
      const sums = this.#sumsAt(course, at, storedAt);
      if (sums === "earlier") course.sums?.addEarlier(gateway, readings, at);
      if (!(sums instanceof PeriodSums)) continue;
      const own = sums.of(gateway);
      own.readings += readings;
      if (isLate) own.late += readings;
    }
  }

  #takeRollup(gateway: string, event: RollupEvent, bootAt: number, storedAt: number): void {
    const { windowMs } = event;
    for (const { device, time, windows } of event.series) {
      for (const [number, count] of windows) {
        const start = number * windowMs + (time === "boot" ? bootAt : 0);
        const from = Math.min(start, storedAt);
        this.#coverDevice(gateway, device, { from, to: Math.min(start + windowMs, storedAt) });
        for (const course of this.courses.values()) {
          const sums = this.#sumsAt(course, from, storedAt);
          if (sums === "earlier") course.sums?.addEarlier(gateway, count, from);
          else if (sums instanceof PeriodSums) sums.of(gateway).summed += count;
        }
      }
    }
  }

  #hearDevice(name: string, device: string | null, at: number): void {
    const gateway = this.gateways.get(name);
    if (gateway === undefined) return;
    gateway.pauses.hear(at, this.silentMs);
    this.#device(gateway, device)?.hear(at, this.silentMs);
  }

  #coverDevice(name: string, device: string | null, span: Period): void {
    const gateway = this.gateways.get(name);
    if (gateway === undefined) return;
    gateway.pauses.cover(span, this.silentMs);
    this.#device(gateway, device)?.cover(span, this.silentMs);
  }

  /** B5. */
  #device({ devices }: GatewayBook, device: string | null): Pauses | undefined {
    if (device === null) return undefined;
    const known = devices.get(device);
    if (known !== undefined) return known;
    if (this.devices >= this.bounds.devicesMax) {
      this.isOverfull = true;
      return undefined;
    }
    this.devices++;
    const pauses = new Pauses();
    devices.set(device, pauses);
    return pauses;
  }

  /** B5. */
  #gateway(name: string, storedAt: number): GatewayBook | undefined {
    const known = this.gateways.get(name);
    if (known !== undefined) return known;
    if (this.gateways.size >= this.bounds.gatewaysMax) {
      this.isOverfull = true;
      return undefined;
    }
    const heard = { heardFrom: storedAt, heardTo: storedAt, outages: [] };
    const gateway = { ...heard, pauses: new Pauses(), devices: new Map<string, Pauses>() };
    this.gateways.set(name, gateway);
    return gateway;
  }

  /** What no report will ask for any more. */
  #forget(): void {
    const froms = [...this.courses.values()].map(({ sums }) => sums?.from ?? 0);
    const before = Math.min(...froms);
    this.isOverfull = false; // it is told; where it goes on, the next reading says so again
    this.standstills = this.standstills.filter(({ to }) => to >= before);
    for (const [name, gateway] of this.gateways) {
      gateway.outages = gateway.outages.filter(({ to }) => to >= before);
      gateway.pauses.forget(before);
      const goneBefore = before - goneMs;
      for (const [device, pauses] of gateway.devices) {
        pauses.forget(before);
        if (pauses.last >= goneBefore) continue;
        gateway.devices.delete(device);
        this.devices--;
      }
      if (gateway.heardTo >= goneBefore) continue;
      this.devices -= gateway.devices.size;
      this.gateways.delete(name);
    }
  }
}

function newCourse(schedule: Schedule, bornAt: number): Course {
  const nothing = { sums: undefined, next: undefined, missed: 0, missedFrom: 0 };
  return { schedule, bornAt, countedFrom: 0, ...nothing };
}

/** What is counted of one period: of each gateway, and of alerts by rule and device. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Period } from "./period.ts";

/** Positions of the outbox that were not taken as they were. */
export interface LostRange {
  readonly epoch: string;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
}

export interface Lost {
  count: number;
  /** The longest, at most `rangesMax`. */
  ranges: LostRange[];
}

/** Readings of the periods before, which came too late for their reports. */
export interface Earlier {
  readings: number;
  from: number;
  to: number;
}

export interface GatewaySums {
  readings: number;
  /** Of them: came by `history`, or of an epoch that was over. */
  late: number;
  /** Readings that were thinned before they were sent: their minima, maxima and means came. */
  summed: number;
  quarantined: number;
  dead: number;
  lost: Map<string, Lost>;
  earlier: Earlier | undefined;
}

export interface AlertSum {
  readonly gateway: string;
  readonly device: string;
  readonly rule: string;
  readonly severity: AlertTransition["severity"];
  /** That began to fire in the period. */
  count: number;
  /** Of them: found late. */
  late: number;
  /** Within the period. */
  firingMs: number;
}

/** An alert that fired at the period's end. */
export interface OpenAlert {
  readonly id: string;
  readonly gateway: string;
  readonly device: string;
  readonly rule: string;
  readonly severity: AlertTransition["severity"];
  readonly firingAt: number;
}

export const rangesMax = 5;
/** Of alerts, by rule and device. */
const alertSumsMax = 5_000;
const endedLaterMax = 1_000;

export class PeriodSums implements Period {
  readonly from: number;
  readonly to: number;
  /** Before that nothing was counted. */
  readonly since: number;
  readonly gateways = new Map<string, GatewaySums>();
  readonly alerts = new Map<string, AlertSum>();
  /** Fired at its end and have ended since. */
  readonly endedLater: OpenAlert[] = [];
  /** Alerts beyond the bound, which are counted and no more. */
  alertsOmitted = 0;
  /** Of the periods before, known since their reports were made. */
  alertsEarlier = 0;
  /** Notifications that no receiver took. */
  notTaken = 0;

  constructor({ from, to }: Period, since: number) {
    this.from = from;
    this.to = to;
    this.since = since;
  }

  of(gateway: string): GatewaySums {
    const known = this.gateways.get(gateway);
    if (known !== undefined) return known;
    const sums = noSums();
    this.gateways.set(gateway, sums);
    return sums;
  }

  addEarlier(gateway: string, readings: number, at: number): void {
    const sums = this.of(gateway);
    sums.earlier ??= { readings: 0, from: at, to: at };
    sums.earlier.readings += readings;
    sums.earlier.from = Math.min(sums.earlier.from, at);
    sums.earlier.to = Math.max(sums.earlier.to, at);
  }

  addLost(gateway: string, reason: string, range: LostRange): void {
    const { lost } = this.of(gateway);
    const own = lost.get(reason) ?? { count: 0, ranges: [] };
    lost.set(reason, own);
    own.count += lengthOf(range);
    own.ranges = joined(own.ranges, range)
      .sort((a, b) => lengthOf(b) - lengthOf(a))
      .slice(0, rangesMax);
  }

  addFiring({ gateway, device, rule, severity, late }: AlertTransition): void {
    const sum = this.#alert({ gateway, device, rule, severity });
    if (sum === undefined) {
      this.alertsOmitted++;
      return;
    }
    sum.count++;
    if (late) sum.late++;
  }

  /** `alert` fired for so long of the period. */
  addFiringTime(alert: Omit<OpenAlert, "id" | "firingAt">, firingMs: number): void {
    if (firingMs <= 0) return;
    const sum = this.#alert(alert);
    if (sum !== undefined) sum.firingMs += firingMs;
  }

  addEndedLater(alert: OpenAlert): void {
    if (this.endedLater.length < endedLaterMax) this.endedLater.push(alert);
  }

  #alert(place: Omit<OpenAlert, "id" | "firingAt">): AlertSum | undefined {
    const { gateway, device, rule, severity } = place;
    const key = JSON.stringify([gateway, device, rule, severity]);
    const known = this.alerts.get(key);
    if (known !== undefined || this.alerts.size >= alertSumsMax) return known;
    const sum = { gateway, device, rule, severity, count: 0, late: 0, firingMs: 0 };
    this.alerts.set(key, sum);
    return sum;
  }
}

export function noSums(): GatewaySums {
  const counts = { readings: 0, late: 0, summed: 0, quarantined: 0, dead: 0 };
  return { ...counts, lost: new Map(), earlier: undefined };
}

function lengthOf({ from, to }: LostRange): number {
  return to - from + 1;
}

/** What one loss record after the other says of one stretch is one range. */
function joined(ranges: readonly LostRange[], range: LostRange): LostRange[] {
  const touches = ({ epoch, log, to }: LostRange) =>
    epoch === range.epoch && log === range.log && to + 1 === range.from;
  const before = ranges.find(touches);
  if (before === undefined) return [...ranges, range];
  return ranges.map((own) => (own === before ? { ...before, to: range.to } : own));
}

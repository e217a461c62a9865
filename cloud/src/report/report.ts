/**
 * A report: what an operator wants to know of a day or a week, site by site. Made of the book when
 * the period is over; the same book makes the same report.
 *
 *   connected   the share of the period in which the cloud heard of the gateway: pauses of
 *               `gateways.silentAfter` and more between two of its messages do not count, and of a
 *               gateway that is new, nor does what lies before its first one
 *   gap         a device, or a gateway as a whole, has no readings for so long, even now that what
 *               was held back has come
 */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { digest } from "@causeway/shared/rules/digest.ts";
import type { FleetBook } from "./fleet-book.ts";
import type { Period } from "./period.ts";
import type { Earlier, LostRange, OpenAlert, PeriodSums } from "./period-sums.ts";
import type { Selection } from "./report-sites.ts";
import { gatheredSites, siteReport, totalsOf, withinPeriod } from "./report-sites.ts";

export interface ReportHead extends Period {
  readonly id: string;
  readonly name: string;
  readonly every: string;
  readonly zone: string;
  /** Of the tick that made it, in ms. */
  readonly madeAt: number;
  /** Nothing is known of what was before. */
  readonly since: number;
  /** Periods before it that were not reported, and the first moment of them. */
  readonly missed: number;
  readonly missedFrom: number;
}

export interface Report extends ReportHead {
  readonly v: 1;
  readonly total: Totals;
  /** By name; those of no site come last, under "". */
  readonly sites: readonly SiteReport[];
  readonly sitesOmitted: number;
  /** The cloud itself stood still meanwhile. */
  readonly standstills: readonly Period[];
  /** Notifications that no receiver took. */
  readonly notTaken: number;
  /** Alerts of earlier periods that became known since their report. */
  readonly alertsEarlier: number;
  /** There were more gateways, devices or alerts than are counted one by one. */
  readonly isOverfull: boolean;
  /** Not all alerts of the period were decided when it was made. */
  readonly isEngineBehind: boolean;
}

export interface Totals {
  readonly gateways: number;
  readonly devices: number;
  /** From 0 to 1; null where there is no gateway. */
  readonly connected: number | null;
  readonly outages: number;
  readonly readings: number;
  /** Of the readings: held back, and come later. */
  readonly late: number;
  /** Readings that were thinned: known by minimum, maximum and mean. */
  readonly summed: number;
  readonly lost: number;
  readonly dead: number;
  readonly quarantined: number;
  readonly gaps: number;
  readonly alerts: number;
  readonly open: number;
}

export interface SiteReport extends Totals {
  readonly site: string;
  /** Those that were not connected all the time, the worst first. */
  readonly worst: readonly GatewayReport[];
  readonly losses: readonly LossReport[];
  /** The longest first. */
  readonly longestGaps: readonly GapReport[];
  readonly severities: Readonly<Record<AlertTransition["severity"], number>>;
  readonly alertsLate: number;
  readonly rules: readonly AlertCount[];
  readonly alertingDevices: readonly AlertCount[];
  readonly openAlerts: readonly OpenAlert[];
  /** Readings of earlier periods that came since their report; null where there are none. */
  readonly earlier: Earlier | null;
}

export interface GatewayReport {
  readonly gateway: string;
  readonly connected: number;
  readonly outages: number;
  readonly longest: Period;
}

export interface LossReport {
  readonly reason: string;
  readonly count: number;
  readonly ranges: readonly (LostRange & { readonly gateway: string })[];
}

export interface GapReport extends Period {
  readonly gateway: string;
  /** Null where it is the whole gateway. */
  readonly device: string | null;
}

export interface AlertCount {
  /** Of a rule, or of a device at its gateway. */
  readonly name: string;
  readonly gateway: string | null;
  readonly count: number;
  readonly firingMs: number;
}

export type ReportParts = ReportHead & Selection & { readonly isEngineBehind: boolean };

/** The lists of a site, where there are few sites, and where there are many. */
const listMax = { usual: 10, ofMany: 5 };
const manySites = 10;
const sitesMax = 50;

/** The same whenever and wherever it is made. */
export function reportId(name: string, { from, to }: Period): string {
  return digest(["report", name, from, to], 32);
}

export function reportOf(book: FleetBook, sums: PeriodSums, parts: ReportParts): Report {
  const { match, fleet, isOut, isEngineBehind, ...head } = parts;
  const selection = { match, fleet, ...(isOut === undefined ? {} : { isOut }) };
  const sites = gatheredSites(book, sums, selection);
  const most = sites.length > manySites ? listMax.ofMany : listMax.usual;
  return {
    v: 1,
    ...head,
    total: totalsOf(sites),
    sites: sites.slice(0, sitesMax).map((site) => siteReport(site, most)),
    sitesOmitted: Math.max(0, sites.length - sitesMax),
    standstills: book.standstills.flatMap((span) => withinPeriod(span, sums)),
    notTaken: sums.notTaken,
    alertsEarlier: sums.alertsEarlier,
    isOverfull: book.isOverfull || sums.alertsOmitted > 0,
    isEngineBehind,
  };
}

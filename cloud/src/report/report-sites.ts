/** What the book knows of a period, gathered by site. */
import { severities } from "@causeway/shared/alert/alert.ts";
import { deploymentGateway } from "@causeway/shared/alert/deployment-alert.ts";
import type { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import { siteIn } from "@causeway/shared/names.ts";
import type { Matchers } from "@causeway/shared/operate/labels.ts";
import { selects } from "@causeway/shared/operate/labels.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import type { FleetBook, GatewayBook } from "./fleet-book.ts";
import type { Period } from "./period.ts";
import { overlapMs } from "./period.ts";
import type { AlertSum, Earlier, GatewaySums, LostRange, OpenAlert } from "./period-sums.ts";
import { noSums, type PeriodSums, rangesMax } from "./period-sums.ts";
import type {
  AlertCount,
  GapReport,
  GatewayReport,
  LossReport,
  SiteReport,
  Totals,
} from "./report.ts";

export interface Selection {
  readonly match: Matchers;
  readonly fleet: Fleet;
  /** What people took out of service: that it is silent is no outage and no gap. "" is all of it. */
  readonly isOut?: IsOut;
}

export type IsOut = (gateway: string, device: string) => boolean;

/** What is retired, or forgotten. */
export function isOutBy(facts: DeviceBook): IsOut {
  return (gateway, device) => {
    const place = { gateway, device };
    return facts.retiredAt(place) !== undefined || facts.of(place)?.forgottenAt !== undefined;
  };
}

const isNeverOut = () => false;

export interface GatheredSite {
  /** "" for those of no site. */
  readonly site: string;
  readonly gateways: GatewayFacts[];
  readonly alerts: AlertSum[];
  readonly open: OpenAlert[];
}

interface GatewayFacts {
  readonly name: string;
  readonly sums: GatewaySums;
  readonly devices: number;
  readonly gaps: readonly GapReport[];
  /** Undefined where it was not there in the period. */
  readonly uptime: Uptime | undefined;
}

interface Uptime {
  /** In ms, since it was first heard. */
  readonly spanMs: number;
  readonly outages: readonly Period[];
}

/** Those that are selected, by name; what belongs to no site comes last. */
export function gatheredSites(
  book: FleetBook,
  sums: PeriodSums,
  { match, fleet, isOut = isNeverOut }: Selection,
): readonly GatheredSite[] {
  const sites = new Map<string, GatheredSite>();
  const siteOf = (gateway: string): GatheredSite | undefined => {
    const place = siteIn(gateway) ?? (gateway === deploymentGateway ? "" : undefined);
    const { site: own, labels } = fleet.gateway(gateway);
    const site = place ?? own;
    const named = place === undefined ? { ...labels, gateway } : { gateway: "" };
    if (!selects(match, { ...named, site })) return undefined;
    const known = sites.get(site) ?? { site, gateways: [], alerts: [], open: [] };
    sites.set(site, known);
    return known;
  };
  const names = new Set(sums.gateways.keys());
  for (const [name, { heardFrom }] of book.gateways)
    if (heardFrom < sums.to && !isOut(name, "")) names.add(name);
  for (const name of [...names].sort())
    siteOf(name)?.gateways.push(factsOf(name, book, sums, isOut));
  for (const alert of sums.alerts.values()) siteOf(alert.gateway)?.alerts.push(alert);
  for (const alert of book.open.values()) {
    if (alert.firingAt >= sums.to) continue;
    const site = siteOf(alert.gateway);
    site?.open.push(alert);
    // An alert's time is booked when it ends.
    const firingMs = overlapMs({ from: alert.firingAt, to: sums.to }, sums);
    site?.alerts.push({ ...alert, count: 0, late: 0, firingMs });
  }
  for (const alert of sums.endedLater) siteOf(alert.gateway)?.open.push(alert);
  return [...sites.values()].sort(bySite);
}

function bySite(left: GatheredSite, right: GatheredSite): number {
  if (left.site === "" || right.site === "") return left.site === "" ? 1 : -1;
  return left.site < right.site ? -1 : 1;
}

function factsOf(name: string, book: FleetBook, sums: PeriodSums, isOut: IsOut): GatewayFacts {
  const own = book.gateways.get(name);
  const found = isOut(name, "") ? undefined : own;
  const devices = [...(own?.devices.values() ?? [])].filter((pauses) => pauses.isHeardIn(sums));
  return {
    name,
    sums: sums.gateways.get(name) ?? noSums(),
    devices: devices.length,
    gaps: found === undefined ? [] : gapsOf(name, found, book, sums, isOut),
    uptime: found === undefined ? undefined : uptimeOf(found, book, sums),
  };
}

function uptimeOf(
  { heardFrom, heardTo, outages }: GatewayBook,
  { silentMs }: FleetBook,
  sums: PeriodSums,
): Uptime | undefined {
  const since = { from: Math.max(sums.from, sums.since, heardFrom), to: sums.to };
  if (since.to <= since.from) return undefined;
  const goesOn = sums.to - heardTo >= silentMs ? [{ from: heardTo, to: sums.to }] : [];
  const own = [...outages, ...goesOn].flatMap((outage) => withinPeriod(outage, since));
  return { spanMs: since.to - since.from, outages: own };
}

/** Of a gateway that says nothing at all, not of each of its devices too. */
function gapsOf(
  gateway: string,
  { pauses, devices }: GatewayBook,
  { silentMs }: FleetBook,
  sums: PeriodSums,
  isOut: IsOut,
): readonly GapReport[] {
  const whole = pauses.gapsIn(sums, silentMs);
  const found: GapReport[] = whole.map((gap) => ({ gateway, device: null, ...gap }));
  for (const [device, own] of devices) {
    if (isOut(gateway, device)) continue;
    for (const gap of own.gapsIn(sums, silentMs)) {
      const sharedMs = whole.reduce((sum, other) => sum + overlapMs(gap, other), 0);
      const isOwn = own.isGap(lengthMs(gap) - sharedMs, silentMs);
      if (sharedMs === 0 || isOwn) found.push({ gateway, device, ...gap });
    }
  }
  return found;
}

function lengthMs({ from, to }: Period): number {
  return to - from;
}

/** What lies in the period; empty where nothing does. */
export function withinPeriod(span: Period, { from, to }: Period): readonly Period[] {
  const cut = { from: Math.max(span.from, from), to: Math.min(span.to, to) };
  return cut.to > cut.from ? [cut] : [];
}

export function totalsOf(sites: readonly GatheredSite[]): Totals {
  const gateways = sites.flatMap((site) => site.gateways);
  const alerts = sites.flatMap((site) => site.alerts);
  const sumOf = (pick: (own: GatewayFacts) => number) =>
    gateways.reduce((total, own) => total + pick(own), 0);
  return {
    gateways: gateways.length,
    devices: sumOf(({ devices }) => devices),
    connected: connectedOf(gateways.flatMap(({ uptime = [] }) => uptime)),
    outages: sumOf(({ uptime }) => uptime?.outages.length ?? 0),
    readings: sumOf(({ sums }) => sums.readings),
    late: sumOf(({ sums }) => sums.late),
    summed: sumOf(({ sums }) => sums.summed),
    lost: sumOf(({ sums }) => [...sums.lost.values()].reduce((sum, { count }) => sum + count, 0)),
    dead: sumOf(({ sums }) => sums.dead),
    quarantined: sumOf(({ sums }) => sums.quarantined),
    gaps: sumOf(({ gaps }) => gaps.length),
    alerts: alerts.reduce((total, { count }) => total + count, 0),
    open: sites.reduce((total, { open }) => total + open.length, 0),
  };
}

/** With lists of `most` entries at most. */
export function siteReport(gathered: GatheredSite, most: number): SiteReport {
  const { site, gateways, alerts, open } = gathered;
  const countOf = (wanted: AlertSum["severity"]) =>
    alerts.reduce((sum, { severity, count }) => sum + (severity === wanted ? count : 0), 0);
  const [info, warning, critical] = severities.map(countOf);
  const ofDevices = alerts.filter(({ device }) => device !== "");
  return {
    site,
    ...totalsOf([gathered]),
    worst: worstOf(gateways).slice(0, most),
    losses: lossesOf(gateways).slice(0, most),
    longestGaps: gateways
      .flatMap(({ gaps }) => gaps)
      .sort(byLength)
      .slice(0, most),
    severities: { info: info ?? 0, warning: warning ?? 0, critical: critical ?? 0 },
    alertsLate: alerts.reduce((sum, { late }) => sum + late, 0),
    rules: topOf(alerts, ({ rule }) => ({ name: rule, gateway: null })).slice(0, most),
    alertingDevices: topOf(ofDevices, ({ device, gateway }) => ({ name: device, gateway })).slice(
      0,
      most,
    ),
    openAlerts: open.toSorted(bySince).slice(0, most),
    earlier: earlierOf(gateways),
  };
}

function connectedOf(uptimes: readonly Uptime[]): number | null {
  const spanMs = uptimes.reduce((sum, own) => sum + own.spanMs, 0);
  if (spanMs === 0) return null;
  const awayMs = uptimes
    .flatMap(({ outages }) => outages)
    .reduce((sum, own) => sum + lengthMs(own), 0);
  return 1 - awayMs / spanMs;
}

function worstOf(gateways: readonly GatewayFacts[]): GatewayReport[] {
  const found = gateways.flatMap(({ name, uptime }) => {
    const [longest] = (uptime?.outages ?? []).toSorted((a, b) => lengthMs(b) - lengthMs(a));
    if (uptime === undefined || longest === undefined) return [];
    const connected = connectedOf([uptime]) ?? 0;
    return [{ gateway: name, connected, outages: uptime.outages.length, longest }];
  });
  return found.sort((a, b) => a.connected - b.connected || (a.gateway < b.gateway ? -1 : 1));
}

function lossesOf(gateways: readonly GatewayFacts[]): LossReport[] {
  const reasons = new Map<string, { count: number; ranges: (LostRange & { gateway: string })[] }>();
  for (const { name: gateway, sums } of gateways) {
    for (const [reason, { count, ranges }] of sums.lost) {
      const own = reasons.get(reason) ?? { count: 0, ranges: [] };
      reasons.set(reason, own);
      own.count += count;
      own.ranges.push(...ranges.map((range) => ({ gateway, ...range })));
    }
  }
  const found = [...reasons].map(([reason, { count, ranges }]) => {
    const longest = ranges.sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, rangesMax);
    return { reason, count, ranges: longest };
  });
  return found.sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
}

function byLength(left: GapReport, right: GapReport): number {
  const apart = lengthMs(right) - lengthMs(left) || left.from - right.from;
  return apart || (`${left.gateway} ${left.device}` < `${right.gateway} ${right.device}` ? -1 : 1);
}

/** By how many there were, then by how long they fired. */
function topOf(
  alerts: readonly AlertSum[],
  nameOf: (alert: AlertSum) => Pick<AlertCount, "name" | "gateway">,
): AlertCount[] {
  const found = new Map<
    string,
    { name: string; gateway: string | null; count: number; firingMs: number }
  >();
  for (const alert of alerts) {
    const { name, gateway } = nameOf(alert);
    const key = JSON.stringify([name, gateway]);
    const own = found.get(key) ?? { name, gateway, count: 0, firingMs: 0 };
    found.set(key, own);
    own.count += alert.count;
    own.firingMs += alert.firingMs;
  }
  return [...found.values()].sort(
    (a, b) => b.count - a.count || b.firingMs - a.firingMs || (a.name < b.name ? -1 : 1),
  );
}

function bySince(left: OpenAlert, right: OpenAlert): number {
  return left.firingAt - right.firingAt || (left.id < right.id ? -1 : 1);
}

function earlierOf(gateways: readonly GatewayFacts[]): Earlier | null {
  const own = gateways.flatMap(({ sums }) => sums.earlier ?? []);
  if (own.length === 0) return null;
  return {
    readings: own.reduce((sum, { readings }) => sum + readings, 0),
    from: Math.min(...own.map(({ from }) => from)),
    to: Math.max(...own.map(({ to }) => to)),
  };
}

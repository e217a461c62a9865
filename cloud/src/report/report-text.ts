/** A report in words: a title, a few lines for a telephone, and the whole of it as plain text. */

import { durationText } from "@causeway/shared/notify/message.ts";
import type { ReportNotice } from "@causeway/shared/notify/report-notice.ts";
import { localMs } from "@causeway/shared/rules/time-zone.ts";
import type { Period } from "./period.ts";
import type { OpenAlert } from "./period-sums.ts";
import type { AlertCount, GapReport, LossReport, Report, SiteReport, Totals } from "./report.ts";

const columnsOfLabel = 12;
/** It is kept in the ledger of each receiver. */
const noticeBytesMax = 400 * 1_024;

/** Cut to the size of a message: of a report that is longer the last sites are left out. */
export function noticeOf(report: Report): ReportNotice {
  const { sites, sitesOmitted } = report;
  const figures = { ...report };
  const notice = {
    title: reportTitle(report),
    summary: [...reportSummary(report)],
    text: [...reportText(report)],
    figures,
  };
  const bytes = Buffer.byteLength(JSON.stringify(notice));
  if (bytes <= noticeBytesMax || sites.length === 0) return notice;
  const left = Math.floor(sites.length / 2);
  const omitted = sitesOmitted + sites.length - left;
  return noticeOf({ ...report, sites: sites.slice(0, left), sitesOmitted: omitted });
}

export function reportTitle({ name, total }: Report): string {
  const { gateways, lost, alerts, open } = total;
  const parts = [
    counted(gateways, "gateway"),
    ...(total.connected === null ? [] : [`${percentText(total.connected)} connected`]),
    ...(lost > 0 ? [`${lost} lost`] : ["nothing lost"]),
    `${counted(alerts, "alert")}${open > 0 ? `, ${open} open` : ""}`,
  ];
  return `report ${name}: ${parts.join(", ")}`;
}

/** A line for each site, and what the report as a whole has to say. */
export function reportSummary(report: Report): readonly string[] {
  const { sites, sitesOmitted } = report;
  const rest = sitesOmitted > 0 ? [`and ${counted(sitesOmitted, "more site")}`] : [];
  const lines = sites.map((site) => `${siteName(site.site)}: ${siteLine(site)}`);
  return [periodText(report), ...lines, ...rest, ...remarks(report)];
}

export function reportText(report: Report): readonly string[] {
  const { name, zone, sites, sitesOmitted, total } = report;
  const several = sites.length > 1 ? ["", `all sites: ${siteLine(total)}`] : [];
  const rest = sitesOmitted > 0 ? ["", `and ${counted(sitesOmitted, "more site")}`] : [];
  return [
    `Report ${name}: ${periodText(report)}`,
    ...remarks(report),
    ...several,
    ...sites.flatMap((site) => ["", ...siteText(site, zone)]),
    ...rest,
  ];
}

function periodText({ every, from, to, zone }: Report): string {
  const span = `${timeText(from, zone)} to ${timeText(to, zone)} ${zone}`;
  const hours = (to - from) / 3_600_000;
  const isUsual = hours === (every === "weekly" ? 168 : 24);
  return isUsual ? span : `${span} (${durationText(to - from)})`;
}

function remarks(report: Report): readonly string[] {
  const { from, zone, since, missed, missedFrom, standstills, notTaken, alertsEarlier } = report;
  const lines: string[] = [];
  if (since > from) lines.push(`counted since ${timeText(since, zone)} only`);
  if (missed > 0) {
    const before = missed === 1 ? "1 report before it was" : `${missed} reports before it were`;
    lines.push(`${before} not made: nothing was running; from ${timeText(missedFrom, zone)}`);
  }
  const [longest] = standstills.toSorted((a, b) => b.to - b.from - (a.to - a.from));
  if (longest !== undefined) {
    const text = standstills.length === 1 ? "once" : `${standstills.length} times`;
    lines.push(`the cloud stood still ${text}, longest ${spanText(longest, zone)}`);
  }
  if (notTaken > 0) lines.push(`${counted(notTaken, "notification")} that no receiver took`);
  if (alertsEarlier > 0)
    lines.push(`${counted(alertsEarlier, "alert")} of earlier periods became known since`);
  if (report.isOverfull) lines.push("there is more than can be counted one by one");
  if (report.isEngineBehind) lines.push("alerts are not complete: the engine was behind");
  return lines;
}

/** What matters most, in one line. */
function siteLine(site: Totals): string {
  const { gateways, connected, readings, lost, gaps, alerts, open } = site;
  const parts = [
    `${counted(gateways, "gateway")}${connected === null ? "" : ` ${percentText(connected)}`}`,
    counted(readings, "reading"),
    ...(lost > 0 ? [`${lost} lost`] : []),
    ...(gaps > 0 ? [counted(gaps, "gap")] : []),
    ...(alerts > 0 ? [counted(alerts, "alert")] : []),
    ...(open > 0 ? [`${open} open`] : []),
  ];
  return parts.join(", ");
}

function siteText(site: SiteReport, zone: string): readonly string[] {
  const { gateways, devices, connected, outages, readings, late, summed, earlier } = site;
  const row = (label: string, text: string, more: readonly string[] = []) => [
    `  ${label.padEnd(columnsOfLabel)}${text}`,
    ...more.map((line) => `    ${line}`),
  ];
  const odd = [
    ...(late > 0 ? [`${late} late`] : []),
    ...(summed > 0 ? [`${summed} more as roll-ups`] : []),
    ...(site.quarantined > 0 ? [`${site.quarantined} quarantined`] : []),
    ...(site.dead > 0 ? [`${site.dead} unreadable`] : []),
  ];
  const lines = [
    `${siteName(site.site)}: ${counted(gateways, "gateway")}, ${counted(devices, "device")}`,
  ];
  if (connected !== null) {
    const away = outages === 0 ? "" : `, ${counted(outages, "outage")}`;
    const worst = site.worst.map(
      (own) =>
        `${own.gateway}  ${percentText(own.connected)}, ${counted(own.outages, "outage")}, ` +
        `longest ${spanText(own.longest, zone)}`,
    );
    lines.push(...row("connected", `${percentText(connected)}${away}`, worst));
  }
  lines.push(...row("readings", [readings, ...odd].join(", ")));
  if (earlier !== null) {
    const span = `${timeText(earlier.from, zone)} to ${timeText(earlier.to, zone)}`;
    const text = `${counted(earlier.readings, "reading")} since the last report, of ${span}`;
    lines.push(...row("came late", text));
  }
  if (site.lost > 0) lines.push(...row("lost", `${site.lost}`, site.losses.flatMap(lossText)));
  if (site.gaps > 0) {
    const shown = site.longestGaps.map((gap) => gapText(gap, zone));
    lines.push(...row("gaps", `${site.gaps}`, shown));
  }
  lines.push(...alertText(site, zone, row));
  return lines;
}

type Row = (label: string, text: string, more?: readonly string[]) => readonly string[];

function alertText(site: SiteReport, zone: string, row: Row): readonly string[] {
  const { alerts, severities, alertsLate, rules, alertingDevices, open, openAlerts } = site;
  const counts = (["critical", "warning", "info"] as const)
    .filter((severity) => severities[severity] > 0)
    .map((severity) => `${severities[severity]} ${severity}`);
  const found = alertsLate > 0 ? [`${alertsLate} found late`] : [];
  const lines = [
    ...row("alerts", [alerts === 0 ? "none" : alerts, ...counts, ...found].join(", ")),
  ];
  if (rules.length > 0) lines.push(...row("by rule", "", rules.map(countText)));
  if (alertingDevices.length > 0)
    lines.push(...row("by device", "", alertingDevices.map(countText)));
  if (open > 0)
    lines.push(
      ...row(
        "still open",
        `${open}`,
        openAlerts.map((o) => openText(o, zone)),
      ),
    );
  return lines.map((line) => line.trimEnd());
}

function countText({ name, gateway, count, firingMs }: AlertCount): string {
  const place = gateway === null ? "" : ` (${gateway})`;
  return `${name}${place}  ${count}, fired for ${durationText(firingMs)}`;
}

function openText({ severity, rule, gateway, device, firingAt }: OpenAlert, zone: string): string {
  const place = device === "" ? gateway : `${device} (${gateway})`;
  return `${severity}: ${rule} at ${place} since ${timeText(firingAt, zone)}`;
}

function lossText({ reason, count, ranges }: LossReport): readonly string[] {
  const shown = ranges.map(({ gateway, epoch, log, from, to }) => {
    const range = from === to ? `${from}` : `${from}-${to}`;
    return `  ${gateway} ${epoch} ${log} ${range}`;
  });
  return [`${reason}  ${count}`, ...shown];
}

function gapText({ gateway, device, ...span }: GapReport, zone: string): string {
  const place = device === null ? `${gateway}, all of it` : `${device} (${gateway})`;
  return `${place}  ${spanText(span, zone)}`;
}

function spanText({ from, to }: Period, zone: string): string {
  return `${durationText(to - from)} from ${timeText(from, zone)}`;
}

function siteName(site: string): string {
  return site === "" ? "no site" : site;
}

/** Never 100 % where it is not all of it. */
function percentText(share: number): string {
  return `${(Math.floor(share * 1_000) / 10).toFixed(1)} %`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `2026-11-21 07:00`, as a clock in the zone shows it. */
function timeText(timeMs: number, zone: string): string {
  return new Date(localMs(timeMs, zone)).toISOString().slice(0, 16).replace("T", " ");
}

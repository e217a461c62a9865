/** A notification in words: one line as its title, one for each alert; both may be templates. */

import type { AlertTransition } from "../alert/alert.ts";
import { severities } from "../alert/alert.ts";
import { siteIn } from "../names.ts";
import { renderMessage, templateSchema } from "../rules/message.ts";
import type { ShownReading } from "../rules/shown-reading.ts";
import { durationText, titleOf } from "./message.ts";
import type { Notification } from "./notification.ts";

const titleCharactersMax = 200;
const lineCharactersMax = 400;

const wordFields = [
  ...["title", "count", "state", "rule", "severity", "gateway", "site", "device", "metric"],
  ...["value", "unit", "reason", "duration", "firingAt", "at", "knownAt"],
] as const;

/** `{title}` is what would be told without a template; checked when the configuration is read. */
export const wordingTemplate = templateSchema(wordFields);

export interface Wording {
  /** Of the notification: what its alerts do not share is left out. */
  readonly title?: string | undefined;
  /** Of each alert. */
  readonly text?: string | undefined;
}

export function alertsOf({ firing, resolved }: Notification): readonly AlertTransition[] {
  return [...firing, ...resolved];
}

/** The only alert that it tells of; undefined where there are more. */
export function onlyAlertOf(notification: Notification): AlertTransition | undefined {
  const [first, ...others] = alertsOf(notification);
  return others.length === 0 && notification.omitted === 0 ? first : undefined;
}

/** The worst of what fires; of what has ended where nothing fires. */
export function severityOf(notification: Notification): AlertTransition["severity"] {
  const { firing, resolved } = notification;
  const ranks = (firing.length > 0 ? firing : resolved).map(({ severity }) =>
    severities.indexOf(severity),
  );
  return severities[Math.max(0, ...ranks)] ?? "info";
}

export function stateOf({ firing, kind }: Notification): "firing" | "resolved" {
  return firing.length > 0 && kind !== "withdrawn" ? "firing" : "resolved";
}

export function titleText(notification: Notification, { title }: Wording): string {
  const usual = notification.report?.title ?? usualTitle(notification);
  if (title === undefined || notification.report !== undefined)
    return cut(usual, titleCharactersMax);
  const text = renderMessage(title, { ...sharedFields(notification), title: usual });
  return cut(oneLine(text), titleCharactersMax);
}

/** A line for each alert shown, at most `linesMax`, and one that counts the rest; of a report its summary. */
export function alertTexts(
  notification: Notification,
  { text = "{title}" }: Wording,
  linesMax: number,
): readonly string[] {
  if (notification.report !== undefined) return notification.report.summary.slice(0, linesMax);
  const alerts = alertsOf(notification);
  const isUsual = text === "{title}";
  const lines = alerts.slice(0, linesMax).map((alert) => {
    const line = cut(oneLine(renderMessage(text, fieldsOf(alert))), lineCharactersMax);
    return isUsual ? `${line}${lateText(notification, alert)}` : line;
  });
  const rest = alerts.length - lines.length + notification.omitted;
  return rest === 0 ? lines : [...lines, `and ${rest} more`];
}

/** Why, and where it was found late when it happened. */
function reasonText(notification: Notification, alert: AlertTransition): string {
  return `${alert.reason}${lateText(notification, alert)}`;
}

/** Of an alert that is told alone under its title: why, and the readings around it. */
export function onlyTexts(notification: Notification, alert: AlertTransition): readonly string[] {
  const readings = evidenceText(alert);
  const reason = reasonText(notification, alert);
  return readings === "" ? [reason] : [reason, `readings: ${readings}`];
}

function lateText({ reason }: Notification, { firingAt, knownAt }: AlertTransition): string {
  if (reason !== "late") return "";
  const known = knownAt === undefined ? "" : `, known ${timeText(knownAt)}`;
  return ` (happened ${timeText(firingAt)}${known})`;
}

/** `2026-01-05T03:12:07Z`. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The readings around an alert, in one line; "" where none are told. */
export function evidenceText({ evidence, unit: own }: AlertTransition): string {
  const { readings = [], worst } = evidence ?? {};
  const text = ({ device, metric, value, unit }: ShownReading) =>
    [device, metric, rounded(value), unit].filter((part) => part !== undefined).join(" ");
  const shown = readings.map(text).join(", ");
  const all = shown === "" || own === undefined ? shown : `${shown} ${own}`;
  const parts = [all, worst === undefined ? "" : `worst ${text({ unit: own, ...worst })}`];
  return cut(oneLine(parts.filter((part) => part !== "").join("; ")), lineCharactersMax);
}

const digitsShown = 6;

function rounded(value: ShownReading["value"]): string {
  if (typeof value !== "number") return value === null ? "none" : String(value);
  return String(Number(value.toPrecision(digitsShown)));
}

const prefixes: Readonly<Record<Notification["reason"], string>> = {
  new: "",
  changed: "",
  repeat: "still firing: ",
  escalation: "not acknowledged: ",
  late: "found late: ",
  report: "",
  test: "test: ",
  withdrawn: "withdrawn: ",
};

function usualTitle(notification: Notification): string {
  const prefix = prefixes[notification.reason];
  const only = onlyAlertOf(notification);
  if (only !== undefined) return `${prefix}${titleOf(only)}`;
  return `${prefix}${countsText(notification)}${groupText(notification.group)}`;
}

function countsText(notification: Notification): string {
  const { firing, resolved, omitted } = notification;
  if (firing.length + resolved.length === 0) return `${omitted} alerts`;
  const counts = [
    ...(firing.length > 0 ? [`${firing.length} firing`] : []),
    ...(resolved.length > 0 ? [`${resolved.length} resolved`] : []),
    ...(omitted > 0 ? [`${omitted} more`] : []),
  ].join(", ");
  return firing.length > 0 ? `${severityOf(notification)}: ${counts}` : counts;
}

/** ` of too-warm at gw-1, zone cold`: names known to all come first, without their labels. */
function groupText({ rule, gateway, ...others }: Notification["group"]): string {
  const of = rule === undefined ? "" : ` of ${rule}`;
  const place = gateway === undefined ? "" : ` at ${siteText(gateway)}`;
  const rest = Object.entries(others).map(([label, value]) => `, ${label} ${value}`);
  return `${of}${place}${rest.join("")}`;
}

function siteText(gateway: string): string {
  const site = siteIn(gateway);
  return site === undefined ? gateway : `site ${site}`;
}

type Fields = Readonly<Record<string, string | number | boolean>>;

function fieldsOf(alert: AlertTransition): Fields {
  const { state, rule, severity, gateway, device, metric, value, unit, reason, at } = alert;
  const knownAt = alert.knownAt === undefined ? "" : new Date(alert.knownAt).toISOString();
  return {
    ...{ title: titleOf(alert), count: 1, state, rule, severity, gateway, device, metric, reason },
    ...{ site: siteIn(gateway) ?? "", value: value ?? "", unit: unit ?? "" },
    duration: durationText(at - alert.firingAt),
    firingAt: new Date(alert.firingAt).toISOString(),
    at: new Date(at).toISOString(),
    knownAt,
  };
}

function sharedFields(notification: Notification): Fields {
  const [first, ...others] = alertsOf(notification).map(fieldsOf);
  const shared = Object.entries(first ?? {}).filter(([name, value]) =>
    others.every((fields) => fields[name] === value),
  );
  return {
    ...Object.fromEntries(shared),
    count: alertsOf(notification).length + notification.omitted,
    state: stateOf(notification),
    severity: severityOf(notification),
    at: new Date(notification.at).toISOString(),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
}

function cut(text: string, charactersMax: number): string {
  return text.length > charactersMax ? `${text.slice(0, charactersMax - 1)}…` : text;
}

/**
 * Alerts as Alertmanager's API v2 takes them. Labels are an alert's identity there: the same for
 * its firing and its resolving, and no label that changes meanwhile.
 *
 *   A1  What fires ends by itself after `resolveAfterMs`, for Alertmanager would end it after five
 *       minutes, and a cloud that is gone should not let it fire for ever.
 *   A2  History and reports are one alert of severity info, never each of their alerts: those would
 *       page as if they were news.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { siteIn } from "@causeway/shared/names.ts";
import { titleOf } from "@causeway/shared/notify/message.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Wording } from "@causeway/shared/notify/notification-words.ts";
import { alertsOf, alertTexts, titleText } from "@causeway/shared/notify/notification-words.ts";

const digestMs = 3_600_000;
const testMs = 5 * 60_000;
const digestLinesMax = 50;

interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
}

export function alertmanagerBody(
  notification: Notification,
  resolveAfterMs: number,
  wording: Wording,
): string {
  const { kind } = notification;
  const isHistory = kind === "digest" || kind === "report";
  if (isHistory) return JSON.stringify([historyAlert(notification, wording)]);
  const lastMs = kind === "test" ? testMs : resolveAfterMs;
  return JSON.stringify(
    alertsOf(notification).map((alert) => posted(alert, notification, lastMs, wording)),
  );
}

function posted(
  alert: AlertTransition,
  notification: Notification,
  lastMs: number,
  wording: Wording,
): PostedAlert {
  const { at, kind } = notification;
  const one = { ...notification, firing: [alert], resolved: [], omitted: 0, group: {} };
  const [description = ""] = wording.text === undefined ? [] : alertTexts(one, wording, 1);
  const isFiring = alert.state === "firing" && kind !== "withdrawn";
  const endsAt = isFiring ? Math.max(at, alert.firingAt) + lastMs : endOf(alert, kind, at);
  return {
    labels: labelsOf(alert),
    annotations: {
      summary: wording.title === undefined ? titleOf(alert) : titleText(one, wording),
      description: description === "" ? alert.reason : description,
      alert: alert.id,
      ruleVersion: alert.ruleVersion,
    },
    startsAt: isoTime(alert.firingAt),
    endsAt: isoTime(endsAt),
  };
}

/** What was withdrawn ends now, whatever its last state told. */
function endOf(alert: AlertTransition, kind: Notification["kind"], at: number): number {
  return Math.max(kind === "withdrawn" ? at : alert.at, alert.firingAt);
}

/** Without those that are empty: to Alertmanager an empty label is none. */
function labelsOf(alert: AlertTransition): Readonly<Record<string, string>> {
  const { rule, severity, gateway, device, metric } = alert;
  const site = siteIn(gateway);
  const place = site === undefined ? { gateway } : { site };
  const labels = { alertname: rule, severity, ...place, device, metric };
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

/** A2. */
function historyAlert(notification: Notification, wording: Wording): PostedAlert {
  const { kind, group, at, key } = notification;
  return {
    labels: { ...groupLabels(group), alertname: `causeway-${kind}`, severity: "info" },
    annotations: {
      summary: titleText(notification, wording),
      description: alertTexts(notification, wording, digestLinesMax).join("\n"),
      notification: key,
    },
    startsAt: isoTime(at),
    endsAt: isoTime(at + digestMs),
  };
}

/** Alertmanager 0.25 refuses other names of labels. */
function groupLabels(group: Notification["group"]): Readonly<Record<string, string>> {
  const named = Object.entries(group).filter(([, value]) => value !== "");
  return Object.fromEntries(
    named.map(([name, value]) => [name.replaceAll(/[^A-Za-z0-9_]|^(?=[0-9])/g, "_"), value]),
  );
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

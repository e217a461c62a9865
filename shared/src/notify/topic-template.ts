/** The MQTT topic of a notification: `{…}` of the setting become what its alerts share. */

import { renderMessage, templateSchema } from "../rules/message.ts";
import type { Notification } from "./notification.ts";
import { alertsOf, severityOf, stateOf } from "./notification-words.ts";

const fields = ["gateway", "device", "metric", "rule", "severity", "state"] as const;
const topicBytesMax = 1_024;

/** Without wildcards and control characters, which no topic may hold (MQTT-3.3.2-2). */
export const topicTemplate = templateSchema(fields).refine(
  (text) => !/[+#\p{Cc}]/u.test(text) && !text.startsWith("$"),
  'no topic to publish to: leave out "+", "#", control characters and a "$" at its front',
);

/** What alerts do not share is `-`; a name's `/` is `_`, lest it be a level of its own. */
export function topicOf(template: string, notification: Notification): string {
  const alerts = alertsOf(notification);
  const { report, group } = notification;
  const shared = (name: "gateway" | "device" | "metric" | "rule") => {
    const values = new Set(alerts.map((alert) => alert[name]));
    const [only = ""] = values;
    return values.size === 1 ? levelOf(only) : "-";
  };
  const topic = renderMessage(template, {
    gateway: shared("gateway"),
    device: shared("device"),
    metric: shared("metric"),
    rule: report === undefined ? shared("rule") : `report-${group["report"]}`,
    severity: severityOf(notification),
    state: stateOf(notification),
  });
  return Buffer.from(topic)
    .subarray(0, topicBytesMax)
    .toString("utf8")
    .replace(/\uFFFD+$/u, "");
}

function levelOf(name: string): string {
  return name === "" ? "-" : name.replaceAll(/[/+#\p{Cc}\uFFFD]/gu, "_");
}

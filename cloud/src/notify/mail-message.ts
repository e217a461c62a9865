/** A notification as an e-mail of plain text. */
import { createHash } from "node:crypto";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Wording } from "@causeway/shared/notify/notification-words.ts";
import {
  alertsOf,
  alertTexts,
  evidenceText,
  titleText,
} from "@causeway/shared/notify/notification-words.ts";

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** The same in every retry, so that mail servers know a repeat. */
  readonly messageId: string;
  /** The same for all of one alert, so that readers see them as one conversation. */
  readonly references: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface MailAddresses {
  readonly from: string;
  readonly to: readonly string[];
}

const linesMax = 100;

export function mailOf(
  notification: Notification,
  { from, to }: MailAddresses,
  wording: Wording,
): Mail {
  const { key, group, reason } = notification;
  const alerts = alertsOf(notification);
  const [first] = alerts;
  const thread = alerts.length === 1 && first !== undefined ? first.id : JSON.stringify(group);
  const domain = domainOf(from);
  return {
    from,
    to,
    subject: titleText(notification, wording),
    text: textOf(notification, wording),
    messageId: `<${digest(key)}@${domain}>`,
    references: `<${digest(thread)}.thread@${domain}>`,
    headers: {
      // RFC 3834 §5: nobody's absence note answers it.
      "Auto-Submitted": "auto-generated",
      "X-Causeway-Key": Buffer.from(key).toString("base64url"),
      "X-Causeway-Reason": reason,
    },
  };
}

function textOf(notification: Notification, wording: Wording): string {
  if (notification.report !== undefined) return `${notification.report.text.join("\n")}\n`;
  const lines = alertTexts(notification, wording, linesMax);
  const details = alertsOf(notification)
    .slice(0, linesMax)
    .map((alert) => {
      const readings = evidenceText(alert);
      return [
        `    since ${new Date(alert.firingAt).toISOString()}: ${alert.reason}`,
        ...(readings === "" ? [] : [`    readings: ${readings}`]),
        `    alert ${alert.id}`,
      ];
    });
  const shown = lines.flatMap((line, index) => [line, ...(details[index] ?? [])]);
  return `${shown.join("\n")}\n`;
}

/** Of `Causeway <alerts@example.com>` too. */
function domainOf(address: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(address)?.[1] ?? "causeway.invalid";
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

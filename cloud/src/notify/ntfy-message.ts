/** A notification as ntfy takes it by JSON (docs.ntfy.sh, "Publish as JSON"). */
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Wording } from "@causeway/shared/notify/notification-words.ts";
import {
  alertTexts,
  onlyAlertOf,
  onlyTexts,
  severityOf,
  stateOf,
  titleText,
} from "@causeway/shared/notify/notification-words.ts";

/** What is longer becomes an attachment, which a phone does not show. */
const messageBytesMax = 4_096;
const linesMax = 30;

/** 5 rings through, 3 is usual. */
const priorities = { critical: 5, warning: 4, info: 3 };
const resolvedPriority = 3;
const tags = { critical: "rotating_light", warning: "warning", info: "information_source" };

export function ntfyBody(notification: Notification, topic: string, wording: Wording): string {
  const isFiring = stateOf(notification) === "firing";
  // History and reports wake nobody.
  const isNews = notification.kind === "alerts" || notification.kind === "test";
  const severity = severityOf(notification);
  const isReport = notification.kind === "report";
  return JSON.stringify({
    topic,
    title: titleText(notification, wording),
    message: messageText(notification, wording),
    priority: isFiring && isNews ? priorities[severity] : resolvedPriority,
    tags: [isReport ? "bar_chart" : isFiring ? tags[severity] : "white_check_mark"],
  });
}

function messageText(notification: Notification, wording: Wording): string {
  const only = onlyAlertOf(notification);
  if (only !== undefined && wording.text === undefined)
    return fitting(onlyTexts(notification, only));
  return fitting(alertTexts(notification, wording, linesMax));
}

function fitting(lines: readonly string[]): string {
  const text = lines.join("\n");
  const bytes = Buffer.from(text);
  if (bytes.length <= messageBytesMax) return text;
  // A character that the cut went through is left out.
  const head = bytes
    .subarray(0, messageBytesMax - 3)
    .toString("utf8")
    .replace(/\uFFFD+$/u, "");
  return `${head}…`;
}

/** A notification as an incoming webhook of Slack takes it; Mattermost and Rocket.Chat do too. */
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

const linesMax = 20;

const colors = { critical: "#d32f2f", warning: "#f9a825", info: "#1976d2" };
const resolvedColor = "#2e7d32";

export function slackBody(notification: Notification, wording: Wording): string {
  const title = escaped(titleText(notification, wording));
  const only = onlyAlertOf(notification);
  const lines =
    only === undefined || wording.text !== undefined
      ? alertTexts(notification, wording, linesMax)
      : onlyTexts(notification, only);
  const isFiring = stateOf(notification) === "firing";
  const attachment = {
    color:
      notification.kind === "report"
        ? colors.info
        : isFiring
          ? colors[severityOf(notification)]
          : resolvedColor,
    fallback: title,
    text: escaped(lines.join("\n")),
    ts: Math.floor(notification.at / 1_000),
  };
  return JSON.stringify({ text: title, attachments: [attachment] });
}

/** Slack would read them as links and mentions, `<!channel>` for one. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The body that webhooks and MQTT topics get, as JSON. */
import { titleOf } from "./message.ts";
import type { Notification } from "./notification.ts";
import type { Wording } from "./notification-words.ts";
import { alertsOf, onlyAlertOf, titleText } from "./notification-words.ts";

/** What is told of one alert alone has all of it at the top as well. */
export function webhookBody(notification: Notification, wording: Wording): string {
  const { key, kind, reason, group, omitted, at, report } = notification;
  return JSON.stringify({
    title: titleText(notification, wording),
    ...onlyAlertOf(notification),
    notification: { key, kind, reason, group, omitted, at },
    alerts: alertsOf(notification).map((alert) => ({ title: titleOf(alert), ...alert })),
    ...(report === undefined ? {} : { report: report.figures }),
  });
}

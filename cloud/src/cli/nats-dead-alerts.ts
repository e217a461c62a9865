/** `causeway-cloud alerts dead`: what receivers did not take, oldest first. */

import type { DeadNotification } from "@causeway/shared/notify/dead-notification.ts";
import { decodeDead } from "@causeway/shared/notify/dead-notification.ts";
import { titleText } from "@causeway/shared/notify/notification-words.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, readTexts } from "./nats-commands.ts";

/** Of one receiver, or of all. */
export function deadAlerts(
  parts: CommandParts,
  receiver: string | undefined,
  asJson: boolean,
): Promise<number> {
  return connected(parts, async (connection) => {
    const texts = await readTexts(connection, parts, subjects.deadNotifications);
    const dead = texts
      .map(({ text }) => decodeDead(text))
      .filter((one) => receiver === undefined || one.receiver === receiver);
    for (const one of dead) parts.write(asJson ? JSON.stringify(one) : deadText(one));
    return 0;
  });
}

function deadText({ receiver, reason, at, notification }: DeadNotification): string {
  const when = new Date(at).toISOString();
  return `${when}  ${receiver}  ${titleText(notification, {})}: ${reason}`;
}

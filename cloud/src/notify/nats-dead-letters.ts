/** What a receiver did not take, kept on ENGINE for 30 days: `causeway-cloud alerts dead` lists it. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { DeadNotification } from "@causeway/shared/notify/dead-notification.ts";
import { encodeDead } from "@causeway/shared/notify/dead-notification.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient } from "@nats-io/jetstream";

const keptHours = 30 * 24;

export type KeepDead = (
  receiver: string,
  notification: Notification,
  reason: string,
) => Promise<void>;

/** It rejects where JetStream did not take it: then it is not kept, and goes again. */
export function deadLetters(client: JetStreamClient, clock: Clock): KeepDead {
  return async (receiver, notification, reason) => {
    const dead: DeadNotification = { receiver, reason, at: clock.wallMs(), notification };
    const subject = subjects.deadNotification(receiver);
    await client.publish(subject, encodeDead(dead), { ttl: `${keptHours}h` });
  };
}

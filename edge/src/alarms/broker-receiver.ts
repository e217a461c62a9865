/** Tells alarms on a topic of the gateway's own broker: QoS 1, to whoever subscribes. */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Wording } from "@causeway/shared/notify/notification-words.ts";
import type { Attempt, Receiver } from "@causeway/shared/notify/receiver.ts";
import { topicOf } from "@causeway/shared/notify/topic-template.ts";
import { webhookBody } from "@causeway/shared/notify/webhook-message.ts";
import type { Message } from "../broker/session-records.ts";

/** Resolves once it is on the disk for those who are away. */
export type PublishHere = (message: Message) => Promise<void>;

export interface BrokerReceiverOptions {
  readonly name: string;
  readonly topic: string;
  readonly retain: boolean;
  readonly wording: Wording;
}

export class BrokerReceiver implements Receiver {
  readonly name: string;
  readonly #options: BrokerReceiverOptions;
  readonly #publish: PublishHere;

  constructor(options: BrokerReceiverOptions, publish: PublishHere) {
    this.name = options.name;
    this.#options = options;
    this.#publish = publish;
  }

  async deliver(notification: Notification): Promise<Attempt> {
    const { topic, retain, wording } = this.#options;
    const payload = Buffer.from(webhookBody(notification, wording));
    try {
      await this.#publish({ topic: topicOf(topic, notification), payload, qos: 1, retain });
      return { kind: "delivered" };
    } catch (failure) {
      return { kind: "retry", reason: reasonOf(failure) };
    }
  }
}

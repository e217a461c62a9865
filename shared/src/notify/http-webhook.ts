/** Tells alerts by HTTP POST, one notification a request, signed where there is a key. */
import type { Clock } from "../clock.ts";
import type { AddressBlock } from "./egress.ts";
import type { Post } from "./http-post.ts";
import { HttpReceiver } from "./http-receiver.ts";
import type { Notification } from "./notification.ts";
import type { Wording } from "./notification-words.ts";
import type { Receiver } from "./receiver.ts";
import { sign } from "./signature.ts";
import { webhookBody } from "./webhook-message.ts";

export interface WebhookOptions {
  readonly name: string;
  readonly url: string;
  readonly timeoutMs: number;
  readonly key: Buffer | undefined;
  readonly userAgent: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  readonly allowed?: readonly AddressBlock[];
  readonly wording?: Wording;
}

export function httpWebhook(options: WebhookOptions, clock: Clock): Receiver {
  const { name, timeoutMs, allowed = [] } = options;
  const write = (notification: Notification) => requestOf(notification, options, clock.wallMs());
  return new HttpReceiver({ name, timeoutMs, allowed, write }, clock);
}

function requestOf(
  notification: Notification,
  { url, key, userAgent, token, wording = {} }: WebhookOptions,
  nowMs: number,
): Post {
  // No header holds other characters; keys that are told today have none.
  const id = encodeURI(notification.key);
  const timestamp = Math.floor(nowMs / 1_000);
  const body = webhookBody(notification, wording);
  const headers = {
    "content-type": "application/json",
    "user-agent": userAgent,
    "webhook-id": id,
    "idempotency-key": `"${id}"`,
    "webhook-timestamp": `${timestamp}`,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(key === undefined ? {} : { "webhook-signature": sign(key, { id, timestamp, body }) }),
  };
  return { url, headers, body };
}

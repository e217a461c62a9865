/** Tells a notification to an MQTT broker: QoS 1, over a connection of its own. */
import type { Socket } from "node:net";
import { isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { AddressBlock } from "@causeway/shared/notify/egress.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Wording } from "@causeway/shared/notify/notification-words.ts";
import type { Attempt, Receiver } from "@causeway/shared/notify/receiver.ts";
import { within } from "@causeway/shared/notify/receiver-deadline.ts";
import { dial } from "@causeway/shared/notify/system-egress.ts";
import { topicOf } from "@causeway/shared/notify/topic-template.ts";
import { webhookBody } from "@causeway/shared/notify/webhook-message.ts";
import type { Random } from "@causeway/shared/random.ts";
import { MqttClient } from "mqtt";

export interface MqttOptions {
  readonly name: string;
  readonly url: string;
  readonly topic: string;
  readonly retain: boolean;
  readonly signIn: { readonly user: string; readonly password: string } | undefined;
  readonly authority: string | undefined;
  readonly timeoutMs: number;
  readonly allowed: readonly AddressBlock[];
  readonly wording: Wording;
}

export class MqttReceiver implements Receiver {
  readonly name: string;
  readonly #options: MqttOptions;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: MqttOptions, clock: Clock, random: Random) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
  }

  async deliver(notification: Notification, signal: AbortSignal): Promise<Attempt> {
    try {
      const publish = (ends: AbortSignal) => this.#publish(notification, ends);
      await within(this.#options.timeoutMs, this.#clock, signal, publish);
      return { kind: "delivered" };
    } catch (failure) {
      return { kind: "retry", reason: reasonOf(failure) };
    }
  }

  async #publish(notification: Notification, signal: AbortSignal): Promise<void> {
    const { name, signIn, timeoutMs } = this.#options;
    const stream = await openStream(this.#options, signal);
    const client = new MqttClient(() => stream, {
      clientId: `causeway-${name}-${this.#random.hex(8)}`,
      reconnectPeriod: 0,
      connectTimeout: timeoutMs,
      ...(signIn === undefined ? {} : { username: signIn.user, password: signIn.password }),
    });
    try {
      await published(client, notification, this.#options);
      await client.endAsync();
    } finally {
      client.end(true);
      stream.destroy();
    }
  }
}

async function openStream(
  { url, authority, allowed }: MqttOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const isSecure = protocol === "mqtts:";
  const place = { host, port: port === "" ? (isSecure ? 8883 : 1883) : Number(port) };
  const socket = await dial(place, allowed, signal);
  return isSecure ? secured(socket, host, authority) : socket;
}

/** Rejects where the certificate is not for `host`, or signed by nobody who is trusted. */
function secured(socket: Socket, host: string, authority: string | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const name = isIP(host) === 0 ? { servername: host } : { host };
    const ca = authority === undefined ? {} : { ca: authority };
    const stream = connectTls({ socket, ...name, ...ca }, () => resolve(stream));
    stream.once("error", reject);
  });
}

/** Resolves with the broker's PUBACK. */
function published(
  client: MqttClient,
  notification: Notification,
  { topic, retain, wording }: MqttOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("close", () => reject(new Error("the broker closed the connection")));
    client.once("connect", () => {
      const body = webhookBody(notification, wording);
      client.publish(topicOf(topic, notification), body, { qos: 1, retain }, (failure) => {
        if (failure) reject(failure);
        else resolve();
      });
    });
  });
}

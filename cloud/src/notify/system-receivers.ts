/** Receivers from their settings, with the secrets from their files. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { SendCommand } from "@causeway/shared/notify/command-receiver.ts";
import { CommandReceiver } from "@causeway/shared/notify/command-receiver.ts";
import type { AddressBlock } from "@causeway/shared/notify/egress.ts";
import { parseBlock } from "@causeway/shared/notify/egress.ts";
import { HttpReceiver } from "@causeway/shared/notify/http-receiver.ts";
import { httpWebhook } from "@causeway/shared/notify/http-webhook.ts";
import { logReceiver } from "@causeway/shared/notify/log-receiver.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import { GuardedReceiver } from "@causeway/shared/notify/receiver-guard.ts";
import { urlFault } from "@causeway/shared/notify/receiver-settings.ts";
import { signingKey } from "@causeway/shared/notify/signature.ts";
import type { Random } from "@causeway/shared/random.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { version } from "@causeway/shared/version.ts";
import { alertmanagerBody } from "./alertmanager-message.ts";
import { MqttReceiver } from "./mqtt-receiver.ts";
import { ntfyBody } from "./ntfy-message.ts";
import type { EmailSettings, MqttSettings, ReceiverSettings, RemoteSettings } from "./receivers.ts";
import { slackBody } from "./slack-message.ts";
import { SmtpReceiver } from "./smtp-receiver.ts";

const userAgent = `causeway/${version}`;
const smtpPorts = { starttls: 587, tls: 465, none: 25 };

const noCommand: SendCommand = () => Promise.reject(new Error("not connected"));

/** Throws CONFIG_UNREADABLE or CONFIG_INVALID where a secret cannot be used. */
export function openReceivers(
  settings: readonly ReceiverSettings[],
  clock: Clock,
  random: Random,
  log: Logger,
  send: SendCommand = noCommand,
): readonly Receiver[] {
  return settings.map((receiver) => {
    if (receiver.kind === "log") return logReceiver(receiver.name, log);
    if (receiver.kind === "command") return new CommandReceiver(receiver, clock, send);
    return new GuardedReceiver(openRemote(receiver, clock, random), receiver.rate, clock);
  });
}

function openRemote(settings: RemoteSettings, clock: Clock, random: Random): Receiver {
  switch (settings.kind) {
    case "webhook": {
      const { secretFile, tokenFile } = settings;
      const key =
        secretFile === undefined ? undefined : signingKey(readSecret(secretFile), secretFile);
      const token = secretOf(tokenFile);
      const options = { ...settings, ...limitsOf(settings), wording: settings };
      return httpWebhook({ ...options, key, token, userAgent }, clock);
    }
    case "slack": {
      const url = slackUrl(settings);
      return jsonReceiver(settings, { url }, (told) => slackBody(told, settings), clock);
    }
    case "ntfy": {
      const { url, topic, tokenFile } = settings;
      const token = secretOf(tokenFile);
      return jsonReceiver(
        settings,
        { url, token },
        (told) => ntfyBody(told, topic, settings),
        clock,
      );
    }
    case "alertmanager": {
      const { resolveAfter, tokenFile } = settings;
      const url = `${settings.url.replace(/\/+$/, "")}/api/v2/alerts`;
      const body = (told: Notification) => alertmanagerBody(told, resolveAfter, settings);
      return jsonReceiver(settings, { url, token: secretOf(tokenFile) }, body, clock);
    }
    case "email":
      return emailReceiver(settings, clock);
    case "mqtt":
      return mqttReceiver(settings, clock, random);
  }
}

interface Endpoint {
  readonly url: string;
  readonly token?: string | undefined;
}

function jsonReceiver(
  settings: RemoteSettings,
  { url, token }: Endpoint,
  bodyOf: (notification: Notification) => string,
  clock: Clock,
): Receiver {
  const headers = {
    "content-type": "application/json",
    "user-agent": userAgent,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const write = (notification: Notification) => ({ url, headers, body: bodyOf(notification) });
  return new HttpReceiver({ name: settings.name, ...limitsOf(settings), write }, clock);
}

function emailReceiver(settings: EmailSettings, clock: Clock): Receiver {
  const { name, host, security, from, to, tls } = settings;
  return new SmtpReceiver(
    {
      ...{ name, host, security, from, to, wording: settings, signIn: signInOf(settings) },
      port: settings.port ?? smtpPorts[security],
      authority: secretOf(tls?.caFile),
      ...limitsOf(settings),
    },
    clock,
  );
}

function mqttReceiver(settings: MqttSettings, clock: Clock, random: Random): Receiver {
  const { name, url, topic, retain, title, tls } = settings;
  const options = { name, url, topic, retain, wording: { title }, signIn: signInOf(settings) };
  const authority = secretOf(tls?.caFile);
  return new MqttReceiver({ ...options, authority, ...limitsOf(settings) }, clock, random);
}

function limitsOf({ timeoutMs, allowAddresses = [] }: RemoteSettings): {
  readonly timeoutMs: number;
  readonly allowed: readonly AddressBlock[];
} {
  return { timeoutMs, allowed: allowAddresses.flatMap((text) => parseBlock(text) ?? []) };
}

function secretOf(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readSecret(file);
}

function signInOf({ user, passwordFile }: EmailSettings | MqttSettings) {
  if (user === undefined || passwordFile === undefined) return undefined;
  return { user, password: readSecret(passwordFile) };
}

/** The schema sees to it that there is one of both. */
function slackUrl(settings: Extract<ReceiverSettings, { kind: "slack" }>): string {
  const { url, urlFile, allowAddresses } = settings;
  if (urlFile === undefined) return url ?? "";
  const text = readSecret(urlFile);
  const fault = urlFault(text, allowAddresses);
  if (fault === undefined) return text;
  throw new CodedError("CONFIG_INVALID", `${urlFile}: ${fault}`);
}

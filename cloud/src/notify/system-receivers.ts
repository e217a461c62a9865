/** Receivers from their settings, with the secrets from their files. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { version } from "@causeway/shared/version.ts";
import { HttpWebhook } from "./http-webhook.ts";
import { logReceiver } from "./log-receiver.ts";
import type { Receiver } from "./receiver.ts";
import type { ReceiverSettings } from "./receivers.ts";
import { signingKey } from "./signature.ts";

/** Throws CONFIG_UNREADABLE or CONFIG_INVALID where a secret cannot be used. */
export function openReceivers(
  settings: readonly ReceiverSettings[],
  clock: Clock,
  log: Logger,
): readonly Receiver[] {
  return settings.map((receiver) => {
    if (receiver.kind === "log") return logReceiver(receiver.name, log);
    const { name, url, timeoutMs, secretFile } = receiver;
    const key =
      secretFile === undefined ? undefined : signingKey(readSecret(secretFile), secretFile);
    return new HttpWebhook({ name, url, timeoutMs, key, userAgent: `causeway/${version}` }, clock);
  });
}

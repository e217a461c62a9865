/** Who is told of alerts: the `receivers:` of cloud.yaml. */

import { idleSettings } from "@causeway/shared/notify/plan-settings.ts";
import {
  commandReceiver,
  fileName,
  forPeople,
  forPrograms,
  hostFault,
  httpSchemes,
  logReceiver,
  remote,
  tokenFile,
  urlFault,
  webhookReceiver,
  wording,
} from "@causeway/shared/notify/receiver-settings.ts";
import { topicTemplate } from "@causeway/shared/notify/topic-template.ts";
import { durationSchema } from "@causeway/shared/rules/duration.ts";
import { z } from "zod";

const slackReceiver = z.strictObject({
  ...remote,
  ...forPeople,
  ...wording,
  kind: z.literal("slack"),
  /** The address is the secret: best in a file. */
  url: z.string().optional(),
  urlFile: fileName.optional(),
});

const ntfyReceiver = z.strictObject({
  ...remote,
  ...forPeople,
  ...wording,
  kind: z.literal("ntfy"),
  url: z.string().default("https://ntfy.sh"),
  topic: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'use 1 to 64 letters, digits, "_" or "-"'),
  tokenFile,
});

const alertmanagerReceiver = z.strictObject({
  ...remote,
  ...forPrograms,
  ...wording,
  kind: z.literal("alertmanager"),
  /** Without `/api/v2/alerts`. */
  url: z.string(),
  tokenFile,
  /** An alert of which nothing more is heard ends by itself. */
  resolveAfter: durationSchema.prefault("7d"),
});

const mailAddress = z
  .string()
  .max(320)
  .regex(/^(?:[^<>\p{Cc}]*<)?[^\s<>@,]+@[^\s<>@,]+>?$/u, "no e-mail address");

/** Both or neither. */
const signIn = { user: z.string().min(1).optional(), passwordFile: fileName.optional() };

const emailReceiver = z.strictObject({
  ...remote,
  ...forPeople,
  ...wording,
  ...signIn,
  kind: z.literal("email"),
  host: z.string().min(1),
  port: z.int().min(1).max(65_535).optional(),
  /** `starttls` is never sent without; `none` is for a relay on this machine. */
  security: z.enum(["starttls", "tls", "none"]).default("starttls"),
  from: mailAddress,
  to: z.array(mailAddress).min(1).max(100),
  tls: z.strictObject({ caFile: fileName }).optional(),
});

const mqttReceiver = z.strictObject({
  ...remote,
  ...forPrograms,
  ...signIn,
  title: wording.title,
  kind: z.literal("mqtt"),
  url: z.string(),
  topic: topicTemplate.default("causeway/alerts/{gateway}/{rule}"),
  retain: z.boolean().default(false),
  tls: z.strictObject({ caFile: fileName }).optional(),
});

export const receiverSchema = z.discriminatedUnion("kind", [
  logReceiver,
  commandReceiver,
  webhookReceiver,
  slackReceiver,
  ntfyReceiver,
  alertmanagerReceiver,
  emailReceiver,
  mqttReceiver,
]);

export type ReceiverSettings = z.infer<typeof receiverSchema>;
export type RemoteSettings = Exclude<ReceiverSettings, { kind: "log" | "command" }>;
export type EmailSettings = Extract<ReceiverSettings, { kind: "email" }>;
export type MqttSettings = Extract<ReceiverSettings, { kind: "mqtt" }>;

interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A name is a receiver's identity: the durable place up to which it was told hangs on it. */
export const receiversSchema = z
  .array(receiverSchema)
  .prefault([{ name: "log", kind: "log" }])
  .superRefine((receivers, context) => {
    for (const [index, receiver] of receivers.entries()) {
      const isTwice = receivers.findIndex(({ name: other }) => other === receiver.name) < index;
      const message = `receiver ${receiver.name} is named twice`;
      const faults = isTwice ? [{ path: ["name"], message }] : [];
      for (const { path, message } of [...faults, ...idleFaults(receiver), ...faultsOf(receiver)])
        context.addIssue({ code: "custom", path: [index, ...path], message });
    }
  });

/** An escalation that never comes would be found out too late. */
function idleFaults(receiver: ReceiverSettings): readonly Fault[] {
  const message = "does nothing where each alert is told by itself: add tell: grouped";
  return idleSettings(receiver).map((name) => ({ path: [name], message }));
}

/** What a single setting does not show. */
function faultsOf(receiver: ReceiverSettings): readonly Fault[] {
  switch (receiver.kind) {
    case "log":
    case "command":
      return [];
    case "email":
      return [...hostFaults(receiver), ...signInFaults(receiver)];
    case "mqtt":
      return [
        ...urlFaults(receiver, mqttSchemes),
        ...signInFaults(receiver),
        ...tlsFaults(receiver),
      ];
    case "slack":
      if ((receiver.url === undefined) === (receiver.urlFile === undefined))
        return [{ path: ["url"], message: "needed: either url or urlFile" }];
      return urlFaults(receiver, httpSchemes);
    default:
      return urlFaults(receiver, httpSchemes);
  }
}

const mqttSchemes = ["mqtt:", "mqtts:"];

function urlFaults(
  { url, allowAddresses }: Pick<RemoteSettings, "allowAddresses"> & { url?: string | undefined },
  schemes: readonly string[],
): readonly Fault[] {
  const fault = url === undefined ? undefined : urlFault(url, allowAddresses, schemes);
  return fault === undefined ? [] : [{ path: ["url"], message: fault }];
}

function hostFaults({ host, allowAddresses = [] }: EmailSettings): readonly Fault[] {
  const fault = hostFault(host.includes(":") ? `[${host}]` : host, allowAddresses);
  return fault === undefined ? [] : [{ path: ["host"], message: fault }];
}

function signInFaults(receiver: EmailSettings | MqttSettings): readonly Fault[] {
  const { user, passwordFile } = receiver;
  if ((user === undefined) === (passwordFile === undefined)) {
    const isOpen = receiver.kind === "email" && receiver.security === "none";
    if (user === undefined || !isOpen) return [];
    return [{ path: ["user"], message: "a password is not sent in the clear: set security" }];
  }
  return [{ path: ["user"], message: "user and passwordFile belong together" }];
}

function tlsFaults({ url, tls }: MqttSettings): readonly Fault[] {
  if (tls === undefined || url.startsWith("mqtts:")) return [];
  return [{ path: ["tls"], message: "of no account: write mqtts:// in url" }];
}

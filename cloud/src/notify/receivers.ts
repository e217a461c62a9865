/** Who is told of alerts: the `receivers:` of cloud.yaml. */

import { isRefused, parseBlock } from "@causeway/shared/notify/egress.ts";
import { wordingTemplate } from "@causeway/shared/notify/notification-words.ts";
import { planSettings } from "@causeway/shared/notify/plan-settings.ts";
import { durationSchema } from "@causeway/shared/rules/duration.ts";
import { z } from "zod";
import { topicTemplate } from "./mqtt-message.ts";

export const receiverNameCharactersMax = 64;
export const deliveryTimeoutMs = { least: 100, most: 60_000, usual: 10_000 };

const name = z
  .string()
  .regex(
    new RegExp(`^[A-Za-z0-9_-]{1,${receiverNameCharactersMax}}$`),
    `use 1 to ${receiverNameCharactersMax} letters, digits, "_" or "-"`,
  );

const logReceiver = z.strictObject({ name, ...planSettings, kind: z.literal("log") });

/** Of all that are told over a network. */
const remote = {
  name,
  ...planSettings,
  timeoutMs: z
    .int()
    .min(deliveryTimeoutMs.least)
    .max(deliveryTimeoutMs.most)
    .default(deliveryTimeoutMs.usual),
  /** Link-local and metadata addresses that may be connected to all the same. */
  allowAddresses: z
    .array(z.string().refine((text) => parseBlock(text) !== undefined, "no address and no block"))
    .optional(),
};

function rateOf(perMinute: number, burst: number) {
  const rate = z.strictObject({
    perMinute: z.number().min(0.01).max(60_000).default(perMinute),
    burst: z.int().min(1).max(10_000).default(burst),
  });
  return { rate: rate.prefault({}) };
}

/** What programs are told, and what people read, from services that count. */
const forPrograms = rateOf(1_200, 200);
const forPeople = rateOf(60, 20);

const wording = { title: wordingTemplate.optional(), text: wordingTemplate.optional() };
const fileName = z.string().min(1);
/** Sent as `Authorization: Bearer …`. */
const tokenFile = fileName.optional();

const webhookReceiver = z.strictObject({
  ...remote,
  ...forPrograms,
  ...wording,
  kind: z.literal("webhook"),
  url: z.string(),
  /** `whsec_` and base64 of 24 to 64 bytes; with it every request is signed (Standard Webhooks). */
  secretFile: z.string().optional(),
  tokenFile,
});

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
  webhookReceiver,
  slackReceiver,
  ntfyReceiver,
  alertmanagerReceiver,
  emailReceiver,
  mqttReceiver,
]);

export type ReceiverSettings = z.infer<typeof receiverSchema>;
export type RemoteSettings = Exclude<ReceiverSettings, { kind: "log" }>;
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
      for (const { path, message } of [...faults, ...faultsOf(receiver)])
        context.addIssue({ code: "custom", path: [index, ...path], message });
    }
  });

/** What a single setting does not show. */
function faultsOf(receiver: ReceiverSettings): readonly Fault[] {
  switch (receiver.kind) {
    case "log":
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

const httpSchemes = ["http:", "https:"];
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

/** Why an address cannot be used; undefined where it can. */
export function urlFault(
  text: string,
  allowAddresses: readonly string[] = [],
  schemes: readonly string[] = httpSchemes,
): string | undefined {
  if (!URL.canParse(text)) return `not a URL: write it as ${schemes.at(-1)}//host/path`;
  const { protocol, hostname, username, password } = new URL(text);
  if (!schemes.includes(protocol)) return `${protocol} is not ${schemes.join(" or ")}`;
  if (username !== "" || password !== "") return "credentials do not belong in a URL";
  return hostFault(hostname, allowAddresses);
}

function hostFault(host: string, allowAddresses: readonly string[]): string | undefined {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  const isAddress = parseBlock(address) !== undefined && !address.includes("/");
  const allowed = allowAddresses.flatMap((text) => parseBlock(text) ?? []);
  if (!isAddress || !isRefused(address, allowed)) return undefined;
  return `${host} is link-local or metadata, where cloud hosts keep their keys`;
}

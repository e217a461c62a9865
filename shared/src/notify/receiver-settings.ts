/** Settings of receivers that cloud.yaml and edge.yaml share. */
import { z } from "zod";
import { commandDeviceSchema, commandNameSchema } from "../command/command.ts";
import { payloadTemplate } from "../command/command-template.ts";
import { isGatewayId } from "../names.ts";
import { durationSchema } from "../rules/duration.ts";
import { isRefused, parseBlock } from "./egress.ts";
import { wordingTemplate } from "./notification-words.ts";
import { planSettings } from "./plan-settings.ts";

export const receiverNameCharactersMax = 64;
export const deliveryTimeoutMs = { least: 100, most: 60_000, usual: 10_000 };

export const receiverName = z
  .string()
  .regex(
    new RegExp(`^[A-Za-z0-9_-]{1,${receiverNameCharactersMax}}$`),
    `use 1 to ${receiverNameCharactersMax} letters, digits, "_" or "-"`,
  );

export const logReceiver = z.strictObject({
  name: receiverName,
  ...planSettings,
  kind: z.literal("log"),
});

/** Of all that are told over a network. */
export const remote = {
  name: receiverName,
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
export const forPrograms = rateOf(1_200, 200);
export const forPeople = rateOf(60, 20);

export const wording = { title: wordingTemplate.optional(), text: wordingTemplate.optional() };
export const fileName = z.string().min(1);
/** Sent as `Authorization: Bearer …`. */
export const tokenFile = fileName.optional();

export const webhookReceiver = z.strictObject({
  ...remote,
  ...forPrograms,
  ...wording,
  kind: z.literal("webhook"),
  url: z.string(),
  /** `whsec_` and base64 of 24 to 64 bytes; with it every request is signed (Standard Webhooks). */
  secretFile: z.string().optional(),
  tokenFile,
});

export const commandReceiver = z.strictObject({
  name: receiverName,
  ...planSettings,
  kind: z.literal("command"),
  /** Default: those of the alert. */
  gateway: z
    .string()
    .refine((text) => isGatewayId(text), "a gateway's name")
    .optional(),
  device: commandDeviceSchema.optional(),
  command: commandNameSchema,
  payload: payloadTemplate.optional(),
  on: z.enum(["firing", "resolved", "both"]).default("firing"),
  /** From when the alert became known. */
  expires: durationSchema.prefault("5m"),
  reply: z.boolean().default(true),
});

export const httpSchemes: readonly string[] = ["http:", "https:"];

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

export function hostFault(host: string, allowAddresses: readonly string[]): string | undefined {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  const isAddress = parseBlock(address) !== undefined && !address.includes("/");
  const allowed = allowAddresses.flatMap((text) => parseBlock(text) ?? []);
  if (!isAddress || !isRefused(address, allowed)) return undefined;
  return `${host} is link-local or metadata, where cloud hosts keep their keys`;
}

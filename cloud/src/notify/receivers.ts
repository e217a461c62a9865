/** Who is told of alerts: the `receivers:` of cloud.yaml. */
import { z } from "zod";

export const receiverNameCharactersMax = 64;
export const webhookTimeoutMs = { least: 100, most: 60_000, usual: 10_000 };

const name = z
  .string()
  .regex(
    new RegExp(`^[A-Za-z0-9_-]{1,${receiverNameCharactersMax}}$`),
    `use 1 to ${receiverNameCharactersMax} letters, digits, "_" or "-"`,
  );

const logReceiver = z.strictObject({ name, kind: z.literal("log") });

const webhookReceiver = z.strictObject({
  name,
  kind: z.literal("webhook"),
  url: z.string().superRefine((text, context) => {
    const fault = urlFault(text);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  }),
  /** `whsec_` and base64 of 24 to 64 bytes; with it every request is signed (Standard Webhooks). */
  secretFile: z.string().optional(),
  timeoutMs: z
    .int()
    .min(webhookTimeoutMs.least)
    .max(webhookTimeoutMs.most)
    .default(webhookTimeoutMs.usual),
});

export const receiverSchema = z.discriminatedUnion("kind", [logReceiver, webhookReceiver]);
export type ReceiverSettings = z.infer<typeof receiverSchema>;
export type WebhookSettings = Extract<ReceiverSettings, { kind: "webhook" }>;

/** A name is a receiver's identity: the durable place up to which it was told hangs on it. */
export const receiversSchema = z
  .array(receiverSchema)
  .default([{ name: "log", kind: "log" }])
  .superRefine((receivers, context) => {
    for (const [index, { name: own }] of receivers.entries()) {
      if (receivers.findIndex((other) => other.name === own) === index) continue;
      const message = `receiver ${own} is named twice`;
      context.addIssue({ code: "custom", path: [index, "name"], message });
    }
  });

/** Why a webhook's address cannot be used; undefined where it can. */
export function urlFault(text: string): string | undefined {
  if (!URL.canParse(text)) return "not a URL: write it as https://host/path";
  const { protocol, hostname, username, password } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return `${protocol} is not http: or https:`;
  if (username !== "" || password !== "") return "credentials do not belong in a URL";
  if (isLinkLocal(hostname)) return `${hostname} is link-local, where cloud hosts keep their keys`;
  return undefined;
}

/**
 * 169.254.0.0/16 and fe80::/10 (RFC 3927, RFC 4291 §2.5.6), also as an IPv4-mapped address. URL
 * parsing has turned every other spelling, such as 0xa9fea9fe, into these.
 */
function isLinkLocal(hostname: string): boolean {
  return /^(?:169\.254\.|\[fe[89ab][0-9a-f]:|\[::ffff:a9fe:)/.test(hostname);
}

/**
 * A command to a device: what an operator, a rule or a program wants it to do, until when.
 *
 *   on CMD, under cmd.<gateway>.<id>:
 *     { "v": 1, "body": "<the command as JSON>", "signature": "<base64, Ed25519 over body>" }
 *   body: { "v": 1, id, gateway, device, name, payload: text, json, reply, issuedAt, expiresAt, by,
 *           causationid }
 *
 *   to the device, on devices/<device>/commands/<name>:
 *     { "id": …, "payload": …, "expiresAt": ISO 8601 }, or the payload as it is where `reply` is false
 *   from the device, on devices/<device>/replies/<id>: text, or JSON whose `ok` is false on a failure
 *
 * The body is signed as text, so that no two builds need write it alike.
 */
import { z } from "zod";
import { CodedError } from "../errors.ts";
import { isDeviceId, isGatewayId } from "../names.ts";
import { durationMsMax, durationSchema } from "../rules/duration.ts";
import { parseState } from "../rules/parse-state.ts";

export const commandPayloadBytesMax = 65_536;
export const commandExpiryMs = { usual: 300_000, most: durationMsMax } as const;
const byCharactersMax = 128;
const causeCharactersMax = 256;

/** Letters, digits, `_` and `-`: safe as an MQTT level and as a NATS token. */
const token = /^[A-Za-z0-9_-]{1,64}$/;
const tokenHint = 'use 1 to 64 letters, digits, "_" or "-"';

export function isCommandId(text: string): boolean {
  return token.test(text);
}

const id = z.string().regex(token, tokenHint);
export const commandNameSchema = z.string().regex(token, tokenHint);
const gateway = z.string().refine((text) => isGatewayId(text), tokenHint);
/** One level of a topic. */
export const commandDeviceSchema = z
  .string()
  .refine((text) => isDeviceId(text) && !text.includes("/"), "a device's name, without a /");
const payload = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= commandPayloadBytesMax, "at most 64 KiB");
const time = z.int().min(0).max(8_640_000_000_000_000);

const bodySchema = z.object({
  v: z.literal(1),
  id,
  gateway,
  device: commandDeviceSchema,
  name: commandNameSchema,
  payload,
  /** Whether the payload is JSON, rather than any text. */
  json: z.boolean(),
  /** Whether it ends with the device's reply; else with its PUBACK. */
  reply: z.boolean(),
  issuedAt: time,
  expiresAt: time,
  by: z.string().max(byCharactersMax),
  /** The alert that caused it. */
  causationid: z.string().max(causeCharactersMax).nullable(),
});
export type Command = Omit<z.output<typeof bodySchema>, "v">;

const signedSchema = z.object({
  v: z.literal(1),
  body: z.string(),
  signature: z.string().max(256).nullish(),
});

/** As it lies on the stream. */
export interface SignedCommand {
  readonly body: string;
  /** Undefined where the cloud has no key. */
  readonly signature: string | undefined;
}

export function encodeCommand(command: Command): string {
  return JSON.stringify({ v: 1, ...command });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeCommand(body: string): Command {
  const { v: _v, ...command } = parseState("command", bodySchema, body);
  return command;
}

export function encodeSigned({ body, signature }: SignedCommand): string {
  return JSON.stringify({ v: 1, body, ...(signature === undefined ? {} : { signature }) });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeSigned(text: string): SignedCommand {
  const { body, signature } = parseState("signed command", signedSchema, text);
  return { body, signature: signature ?? undefined };
}

const requestSchema = z
  .strictObject({
    id: id.optional(),
    gateway,
    device: commandDeviceSchema,
    name: commandNameSchema,
    /** JSON of any kind; a text stands for itself. */
    payload: z.unknown().optional(),
    reply: z.boolean().default(true),
    expires: durationSchema.optional(),
    expiresAt: z
      .union([time, z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))])
      .optional(),
    by: z.string().trim().min(1).max(byCharactersMax),
    causationid: z.string().max(causeCharactersMax).optional(),
  })
  .refine(({ expires, expiresAt }) => expires === undefined || expiresAt === undefined, {
    path: ["expires"],
    message: "write expires or expiresAt, not both",
  });

/** `newId` is taken where the request names none. Throws COMMAND_INVALID. */
export function newCommand(request: unknown, now: number, newId: string): Command {
  const parsed = requestSchema.safeParse(request);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(issue?.path.map(String).join(".") ?? "", issue?.message ?? "");
  }
  const { expires, expiresAt: until, payload: given, causationid, id: own, ...rest } = parsed.data;
  const expiresAt = until ?? now + (expires ?? commandExpiryMs.usual);
  if (expiresAt <= now) throw invalid("expiresAt", "is over already");
  if (expiresAt - now > commandExpiryMs.most) throw invalid("expiresAt", "at most 30 days ahead");
  const written = payloadOf(given);
  const isLong = Buffer.byteLength(written.payload) > commandPayloadBytesMax;
  if (isLong) throw invalid("payload", "at most 64 KiB");
  const times = { issuedAt: now, expiresAt };
  return { ...rest, ...written, ...times, id: own ?? newId, causationid: causationid ?? null };
}

function invalid(where: string, why: string): CodedError {
  return new CodedError("COMMAND_INVALID", where === "" ? why : `${where}: ${why}`);
}

/** A text as people write it: JSON where it is some. */
export function payloadOfText(text: string): Pick<Command, "payload" | "json"> {
  try {
    JSON.parse(text);
    return { payload: text, json: true };
  } catch {
    return { payload: text, json: false };
  }
}

/** The command with a payload as people write it. Throws COMMAND_INVALID. */
export function withPayload(command: Command, text: string): Command {
  if (Buffer.byteLength(text) > commandPayloadBytesMax) throw invalid("payload", "at most 64 KiB");
  return { ...command, ...payloadOfText(text) };
}

function payloadOf(given: unknown): Pick<Command, "payload" | "json"> {
  if (given === undefined) return { payload: "", json: false };
  if (typeof given === "string") return { payload: given, json: false };
  return { payload: JSON.stringify(given), json: true };
}

/** Whether two say the same; a repeat may be issued at another time. */
export function isSameCommand(one: Command, other: Command): boolean {
  const essence = ({ device, name, payload: own, json, reply }: Command) =>
    JSON.stringify([device, name, own, json, reply]);
  return essence(one) === essence(other);
}

// To the device and back --------------------------------------------------------------------------

export function commandTopic({ device, name }: Pick<Command, "device" | "name">): string {
  return `devices/${device}/commands/${name}`;
}

/** What is published to the device. */
export function deviceMessage(command: Command): Buffer {
  const { id: own, payload: text, json, reply, expiresAt } = command;
  if (!reply) return Buffer.from(text);
  const value = json ? text : JSON.stringify(text);
  const until = new Date(expiresAt).toISOString();
  return Buffer.from(`{"id":"${own}","payload":${value},"expiresAt":"${until}"}`);
}

export interface ReplyTopic {
  readonly device: string;
  readonly id: string;
}

/** Undefined where the topic is another one. */
export function parseReplyTopic(topic: string): ReplyTopic | undefined {
  // Every publish comes here.
  if (!topic.includes("/replies/")) return undefined;
  const [root, device = "", leaf, own = "", ...rest] = topic.split("/");
  const isOne =
    root === "devices" &&
    leaf === "replies" &&
    rest.length === 0 &&
    isCommandId(own) &&
    isDeviceId(device);
  return isOne ? { device, id: own } : undefined;
}

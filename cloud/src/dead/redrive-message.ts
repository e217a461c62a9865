/**
 * A message of lane `redrive`: what is to become of dead letters of one gateway. The cloud alone
 * writes there, each message behind the one that was last (NatsDeadDesk), so that its number grows:
 * whoever reads the journal takes it once by that number alone, and what it holds is made already.
 *
 *   headers  Content-Type application/vnd.causeway.redrive+json, Content-Encoding zstd,
 *            Cw-Redrive: number, Cw-Nonce: random, by which the message is known again
 *   body     zstd of { "v": 1, "g": gateway, "n": number, "by": who, "with": what it was made with,
 *            "i": [{ "id": of the letter, "page": that holds it, "tries": before this one,
 *                    "do": "redrive" | "judge" | "discard", "why": text,
 *                    "events": [event, …], "at": [receivedAt, 1 where the clock was right] }, …] }
 *
 * `redrive` makes events that nobody had before; `judge` is an event that everyone has, and that the
 * rules have not judged.
 */
import { compressBody, expandBody } from "@causeway/shared/batch-codec.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { eventSchema, logs, timeMsMax } from "@causeway/shared/event.ts";
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { z } from "zod";

export const redriveContentType = "application/vnd.causeway.redrive+json";
export const redriveHeader = "Cw-Redrive";
/** Letters that one message may hold. */
export const redriveItemsMax = 500;
/** Of its body before it is compressed; with room below `batchExpandedBytesMax`. */
export const redriveCharactersMax = 2 * 1_024 * 1_024;

const itemSchema = z.object({
  id: z.string().max(512),
  page: z.int().min(0),
  tries: z.int().min(0),
  do: z.enum(["redrive", "judge", "discard"]),
  why: z.string().max(1_024),
  /** Where the original stood. */
  epoch: z.string().max(128),
  log: z.enum(logs),
  position: z.int().min(0),
  events: z.array(eventSchema).max(64),
  at: z.tuple([z.number().min(-timeMsMax).max(timeMsMax), z.union([z.literal(0), z.literal(1)])]),
});
export type RedriveItem = z.infer<typeof itemSchema>;

const messageSchema = z.object({
  v: z.literal(1),
  g: z.string(),
  n: z.int().min(1),
  by: z.string(),
  with: z.string(),
  i: z.array(itemSchema).min(1).max(redriveItemsMax),
});

export interface RedriveMessage {
  readonly gateway: string;
  readonly number: number;
  readonly by: string;
  readonly with: string;
  readonly items: readonly RedriveItem[];
}

export function encodeRedrive(message: RedriveMessage): Buffer {
  const { gateway: g, number: n, by, items: i } = message;
  return compressBody(Buffer.from(JSON.stringify({ v: 1, g, n, by, with: message.with, i })));
}

/** Throws BATCH_MALFORMED, BATCH_VERSION_UNKNOWN or BATCH_TOO_LARGE. */
export function decodeRedrive(data: Uint8Array): RedriveMessage {
  const text = expandBody(data).toString("utf8");
  const { g, n, by, i, ...rest } = parseState("redrive", messageSchema, text);
  return { gateway: g, number: n, by, with: rest.with, items: i };
}

/** Of a header; throws BATCH_MALFORMED. */
export function redriveNumber(text: string | undefined): number {
  if (text !== undefined && /^[1-9][0-9]{0,15}$/.test(text)) return Number(text);
  throw new CodedError("BATCH_MALFORMED", `a redrive numbered ${text}`);
}

/**
 * Someone knows of an alert: it is neither repeated nor escalated any more.
 *
 *   ACKS.<alert id>: { "v": 1, by, note, at: ms }
 */

import { z } from "zod";
import { CodedError } from "../errors.ts";
import { parseState } from "../rules/parse-state.ts";
import { author, noteCharactersMax } from "./silence.ts";

const schema = z.object({ v: z.literal(1), by: z.string(), note: z.string(), at: z.number() });
export type Acknowledgement = Omit<z.output<typeof schema>, "v">;

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeAcknowledgement(text: string): Acknowledgement {
  const { v: _v, ...own } = parseState("acknowledgement", schema, text);
  return own;
}

export function encodeAcknowledgement(own: Acknowledgement): string {
  return JSON.stringify({ v: 1, ...own });
}

const requestSchema = z.strictObject({
  by: author,
  note: z.string().trim().max(noteCharactersMax).default(""),
});

/** Throws OPERATION_INVALID. */
export function newAcknowledgement(request: unknown, now: number): Acknowledgement {
  const parsed = requestSchema.safeParse(request);
  if (parsed.success) return { ...parsed.data, at: now };
  const [issue] = parsed.error.issues;
  throw new CodedError("OPERATION_INVALID", `${issue?.path.join(".")}: ${issue?.message}`);
}

/** As a key of the bucket. */
export function isAlertId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}

/** State that was committed earlier, maybe by another build: JSON in, checked value out. */
import type { z } from "zod";
import { CodedError } from "../errors.ts";

/**
 * Throws BATCH_VERSION_UNKNOWN where `v` is another number than the schema's, else BATCH_MALFORMED.
 * `what` names the state in the message. Unknown fields are skipped by the schema.
 */
export function parseState<Schema extends z.ZodType>(
  what: string,
  schema: Schema,
  text: string,
): z.output<Schema> {
  const json = parseJson(text);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.path[0] === "v") {
    const found = JSON.stringify((json as { v?: unknown }).v);
    throw new CodedError("BATCH_VERSION_UNKNOWN", `${what} state of version ${found}`);
  }
  const why = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
  throw new CodedError("BATCH_MALFORMED", `${what} state that cannot be read: ${why}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What an operator did, as it is kept in stream OPERATE:
 *
 *   operate.log: { "v": 1, at: ms, who, scope, how, from, act, on, result, detail }
 */
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { z } from "zod";

export const operatorResults = ["done", "refused", "failed"] as const;
export type OperatorResult = (typeof operatorResults)[number];

const textMax = 512;
const schema = z.object({
  v: z.literal(1),
  at: z.number(),
  /** Of a token, or of a person at the command line. */
  ...{ who: z.string(), scope: z.string() },
  /** `token`, `cookie`, `loopback`, `anonymous` or `cli`. */
  how: z.string(),
  /** Address, or host. */
  from: z.string(),
  /** Such as `alert.ack`. */
  ...{ act: z.string(), on: z.string() },
  result: z.enum(operatorResults),
  detail: z.string(),
});
export type OperatorsEntry = Omit<z.output<typeof schema>, "v">;

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeEntry(text: string): OperatorsEntry {
  const { v: _v, ...entry } = parseState("operators' entry", schema, text);
  return entry;
}

/** Long texts are cut. */
export function encodeEntry(entry: OperatorsEntry): string {
  const [on, detail] = [entry.on, entry.detail].map((text) => text.slice(0, textMax));
  return JSON.stringify({ v: 1, ...entry, on, detail });
}

export function entryText({ at, who, how, from, act, on, result, detail }: OperatorsEntry): string {
  const when = new Date(at).toISOString();
  const what = [act.padEnd(14), result.padEnd(7), `${who} (${how} ${from})`];
  return `${when}  ${what.join("  ")}  ${on}${detail === "" ? "" : `: ${detail}`}`;
}

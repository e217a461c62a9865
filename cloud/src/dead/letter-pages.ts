/**
 * How open dead letters stand in stream ENGINE, each replaced as a whole when it changes:
 *
 *   dlq.<partition>.<gateway>         { "v": 1, "g": gateway, "next": number of the page that comes next,
 *                                       "groups": [group, …] }
 *   dlq.<partition>.<gateway>.<page>  { "v": 1, "g": gateway, "k": [[group, count], …],
 *                                       "z": base64 of zstd of a JSON letter a line }
 *
 * and what became of the others, each a message that goes after 30 days:
 *
 *   dlq.<partition>.<gateway>.settled { "v": 1, "g": gateway, "by": who, "with": …, "at": ms,
 *                                       "letters": [[id, group, "redrive" | "judge" | "discard", why], …] }
 *
 * A letter stays in its page until it is settled.
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { z } from "zod";
import type { DeadLetter } from "./dead-letter.ts";
import { letterKinds, letterOf } from "./dead-letter.ts";

const count = z.int().min(0);
const groupSchema = z.object({
  id: z.string(),
  kind: z.enum(letterKinds),
  reason: z.string(),
  /** Of the newest. */
  detail: z.string(),
  /** Of their topics; null where they have none. */
  topic: z.string().nullable(),
  /** Kept, each with its bytes. */
  count,
  /** Only counted: there was no room for them. */
  counted: count,
  firstAt: z.number(),
  lastAt: z.number(),
});
/** Open dead letters of one cause. */
export type LetterGroup = z.infer<typeof groupSchema>;

const summarySchema = z.object({
  v: z.literal(1),
  g: z.string(),
  next: count,
  groups: z.array(groupSchema),
});
export interface LettersSummary {
  readonly gateway: string;
  readonly nextPage: number;
  readonly groups: readonly LetterGroup[];
}

export function encodeSummary({ gateway, nextPage, groups }: LettersSummary): string {
  return JSON.stringify({ v: 1, g: gateway, next: nextPage, groups });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeSummary(text: string): LettersSummary {
  const { g, next, groups } = parseState("dead letters", summarySchema, text);
  return { gateway: g, nextPage: next, groups };
}

const pageSchema = z.object({
  v: z.literal(1),
  g: z.string(),
  k: z.array(z.tuple([z.string(), count])),
  z: z.string(),
});
/** Of a page's letters before they are compressed; a page is full from there on. */
export const pageCharactersMax = 256 * 1_024;
const expandedBytesMax = 16 * 1_024 * 1_024;

export function encodePage(gateway: string, letters: readonly DeadLetter[]): string {
  const counts = new Map<string, number>();
  for (const { group } of letters) counts.set(group, (counts.get(group) ?? 0) + 1);
  const lines = letters.map((letter) => JSON.stringify(letter)).join("\n");
  const packed = zstdCompressSync(Buffer.from(lines)).toString("base64");
  return JSON.stringify({ v: 1, g: gateway, k: [...counts], z: packed });
}

/** How many letters of each group a page holds; throws as {@link lettersOf}. */
export function countsOf(page: string): ReadonlyMap<string, number> {
  return new Map(parseState("dead letters", pageSchema, page).k);
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED, and what zlib and zod throw. */
export function lettersOf(page: string): DeadLetter[] {
  const { z: packed } = parseState("dead letters", pageSchema, page);
  const bytes = zstdDecompressSync(Buffer.from(packed, "base64"), {
    maxOutputLength: expandedBytesMax,
  });
  const lines = bytes.toString("utf8").split("\n").filter(Boolean);
  return lines.map((line) => letterOf(JSON.parse(line)));
}

const settledSchema = z.object({
  v: z.literal(1),
  ...{ g: z.string(), by: z.string(), with: z.string(), at: z.number() },
  letters: z.array(
    z.tuple([z.string(), z.string(), z.enum(["redrive", "judge", "discard"]), z.string()]),
  ),
});
export type SettledLetters = Omit<z.infer<typeof settledSchema>, "v">;

export function encodeSettled(settled: SettledLetters): string {
  return JSON.stringify({ v: 1, ...settled });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeSettled(text: string): SettledLetters {
  const { v: _v, ...settled } = parseState("settled dead letters", settledSchema, text);
  return settled;
}

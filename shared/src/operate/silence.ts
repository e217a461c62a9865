/**
 * A silence: alerts that it selects are not told while it is in force. A recurring one is in force
 * for `durationMs` from each moment of its cron, between `startsAt` and `endsAt`.
 *
 *   SILENCES.<id>: { "v": 1, id, matchers: { label: [pattern, …] }, startsAt, endsAt: ms or null,
 *                    recurring?: { cron, durationMs, zone }, author, comment, createdAt }
 */

import { z } from "zod";
import { CodedError } from "../errors.ts";
import { durationSchema, durationText } from "../rules/duration.ts";
import { parseState } from "../rules/parse-state.ts";
import { nextMoment } from "../rules/pattern/schedule.ts";
import { isTimeZone } from "../rules/time-zone.ts";
import type { Labels } from "./labels.ts";
import { matchersSchema, matchersText, selects } from "./labels.ts";

export const authorCharactersMax = 128;
export const noteCharactersMax = 1_000;

const cron = z.string().min(1).max(128);
const zone = z.string().refine(isTimeZone, "no time zone: write one such as Europe/Berlin");
export const author = said("who says so", authorCharactersMax);
const comment = said("say why", noteCharactersMax);

function said(what: string, max: number) {
  const error = `${what}, in 1 to ${max} characters`;
  return z.string(error).trim().min(1, error).max(max, error);
}

const silenceSchema = z.object({
  v: z.literal(1),
  id: z.string(),
  matchers: z.record(z.string(), z.array(z.string())),
  startsAt: z.number(),
  endsAt: z.number().nullable(),
  recurring: z.object({ cron, durationMs: z.number().positive(), zone }).optional(),
  author: z.string(),
  comment: z.string(),
  createdAt: z.number(),
});
export type Silence = Omit<z.output<typeof silenceSchema>, "v">;

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeSilence(text: string): Silence {
  const { v: _v, ...silence } = parseState("silence", silenceSchema, text);
  return silence;
}

export function encodeSilence(silence: Silence): string {
  return JSON.stringify({ v: 1, ...silence });
}

const minutes = z.iso.datetime({ offset: true, precision: -1 });
const moment = z.union(
  [
    z.number(),
    z.union([minutes, z.iso.datetime({ offset: true })]).transform((given) => Date.parse(given)),
  ],
  "write a time with its zone, such as 2026-11-22T10:00Z or 2026-11-22T10:00+01:00",
);

/** As people write one: until when by `endsAt`, or for how long by `for`. */
const requestSchema = z
  .strictObject({
    matchers: z
      .record(z.string(), z.unknown(), "write labels and patterns")
      .pipe(matchersSchema)
      .refine(
        (matchers) => Object.keys(matchers).length > 0,
        "at least one label, or everything would be silent",
      ),
    startsAt: moment.optional(),
    endsAt: moment.optional(),
    for: durationSchema.optional(),
    recurring: z
      .strictObject({ cron, duration: durationSchema, zone: zone.default("UTC") })
      .optional(),
    author,
    comment,
  })
  .refine(({ endsAt, for: span }) => endsAt === undefined || span === undefined, {
    message: "write until when, or for how long, not both",
  })
  .refine(({ endsAt, for: span, recurring }) => endsAt ?? span ?? recurring, {
    message: "write until when, or for how long",
  });

/** Throws OPERATION_INVALID. */
export function newSilence(request: unknown, now: number, id: string): Silence {
  const parsed = requestSchema.safeParse(request);
  if (!parsed.success) throw invalid(parsed.error.issues[0]);
  const { matchers, startsAt = now, endsAt, for: span, recurring, author, comment } = parsed.data;
  const until = endsAt ?? (span === undefined ? null : startsAt + span);
  if (until !== null && until <= Math.max(startsAt, now))
    throw invalid({ path: ["endsAt"], message: "is over already" });
  const silence = { id, matchers, startsAt, endsAt: until, author, comment, createdAt: now };
  if (recurring === undefined) return silence;
  const again = { cron: recurring.cron, durationMs: recurring.duration, zone: recurring.zone };
  const fault = cronFault(again.cron, again.zone, now);
  if (fault !== undefined) throw invalid({ path: ["recurring", "cron"], message: fault });
  return { ...silence, recurring: again };
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function invalid(issue: Issue | undefined): CodedError {
  const where = issue?.path.map(String).join(".") ?? "";
  const why = issue?.message ?? "cannot be understood";
  return new CodedError("OPERATION_INVALID", where === "" ? why : `${where}: ${why}`);
}

function cronFault(text: string, zone: string, now: number): string | undefined {
  try {
    return Number.isFinite(nextMoment(text, zone, now)) ? undefined : "never comes";
  } catch (failure) {
    return failure instanceof Error ? failure.message : "cannot be understood";
  }
}

export type SilenceState = "pending" | "active" | "waiting" | "ended";

/** `waiting` is a recurring one between its windows. */
export function silenceState(silence: Silence, at: number): SilenceState {
  const { startsAt, endsAt, recurring } = silence;
  if (endsAt !== null && at >= endsAt) return "ended";
  if (at < startsAt) return "pending";
  if (recurring === undefined) return "active";
  // The window that is open now began within the last `durationMs`.
  const began = nextMoment(recurring.cron, recurring.zone, at - recurring.durationMs + 1);
  return began <= at && began >= startsAt ? "active" : "waiting";
}

/** The first that is in force and selects the labels. */
export function silencedBy(
  silences: readonly Silence[],
  labels: Labels,
  at: number,
): Silence | undefined {
  return silences.find(
    (silence) => selects(silence.matchers, labels) && silenceState(silence, at) === "active",
  );
}

/** Never later than it would have ended. */
export function ended(silence: Silence, at: number): Silence {
  return { ...silence, endsAt: Math.min(at, silence.endsAt ?? at) };
}

export function silenceText(silence: Silence, at: number): string {
  const { id, startsAt, endsAt, recurring, author, comment } = silence;
  const until = endsAt === null ? "" : ` until ${new Date(endsAt).toISOString()}`;
  const again =
    recurring &&
    ` at ${recurring.cron} ${recurring.zone} for ${durationText(recurring.durationMs)}`;
  const when = `${new Date(startsAt).toISOString()}${until}${again ?? ""}`;
  const what = `${matchersText(silence.matchers)}  by ${author}: ${comment}`;
  return `${id}  ${silenceState(silence, at).padEnd(7)}  ${when}  ${what}`;
}

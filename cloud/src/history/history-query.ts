/** What can be asked of the history, and its bounds. */
import { CodedError } from "@causeway/shared/errors.ts";
import { durationSchema } from "@causeway/shared/rules/duration.ts";
import { z } from "zod";

/** Series of one answer. */
export const querySeriesMax = 1_000;
/** Readings, or buckets, of one answer in one piece of JSON; and of one that is told line by line. */
export const jsonRowsMax = 100_000;
export const streamRowsMax = 10_000_000;
const usualRows = 10_000;
export const pointsMax = 10_000;
const spanMsUsual = 86_400_000;
const timeMax = 8_640_000_000_000_000;

export const queryFormats = ["json", "ndjson", "csv", "parquet"] as const;
export type QueryFormat = (typeof queryFormats)[number];

const pattern = z
  .string()
  .max(256)
  .regex(/^\P{Cc}*$/u, "no control characters");
const time = z
  .string()
  .max(64)
  .transform((text, context) => {
    const ms = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : Date.parse(text);
    if (Math.abs(ms) <= timeMax) return ms;
    context.addIssue({ code: "custom", message: "write ISO 8601 or ms since 1970" });
    return z.NEVER;
  });
const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const number = (most: number) => z.coerce.number().int().min(1).max(most);

export const seriesQuery = {
  gateway: pattern.optional(),
  device: pattern.optional(),
  metric: pattern.optional(),
  site: pattern.optional(),
  tag: pattern.optional(),
};

export const readingsQuerySchema = z.object({
  ...seriesQuery,
  from: time.optional(),
  to: time.optional(),
  /** Up to now, in place of `from`. */
  last: durationSchema.optional(),
  order: z.enum(["asc", "desc"]).default("asc"),
  limit: number(streamRowsMax).optional(),
  /** No more than so many for each series, the extremes among them. */
  points: number(pointsMax).optional(),
  bucket: durationSchema.optional(),
  latest: flag.optional(),
  format: z.enum(queryFormats).default("json"),
});
export type ReadingsQuery = z.infer<typeof readingsQuerySchema>;

interface Whole {
  readonly from: number;
  readonly to: number;
  readonly format: QueryFormat;
  readonly limit: number;
}

export type QueryPlan = Whole &
  (
    | { readonly kind: "readings"; readonly order: "ascending" | "descending" }
    | { readonly kind: "latest" }
    | { readonly kind: "buckets" | "extremes"; readonly widthMs: number }
  );

/** Throws HISTORY_QUERY_REFUSED. */
export function planOf(query: ReadingsQuery, now: number): QueryPlan {
  const { format, latest = false, points, bucket } = query;
  const asked = [latest, points !== undefined, bucket !== undefined].filter(Boolean).length;
  if (asked > 1) throw refused("ask for one of latest, points and bucket");
  const limitMax = format === "json" ? jsonRowsMax : streamRowsMax;
  const { limit = format === "json" ? usualRows : streamRowsMax } = query;
  if (limit > limitMax) throw refused(`limit ${limit}: at most ${limitMax} as ${format}`);
  const { from, to } = rangeOf(query, now);
  const order = query.order === "asc" ? "ascending" : "descending";
  if (latest) return { kind: "latest", from, to, format, limit };
  if (bucket === undefined && points === undefined)
    return { kind: "readings", from, to, format, limit, order };
  const widthMs = bucket ?? widthFor(to - from, points ?? pointsMax);
  if (widthMs < 1) throw refused("bucket: at least 1ms");
  const range = aligned(from, to, widthMs);
  if ((range.to - range.from) / widthMs > streamRowsMax)
    throw refused(`more than ${streamRowsMax} buckets: ask for wider ones, or less time`);
  const kind = bucket === undefined ? "extremes" : "buckets";
  const most = points === undefined ? limit : limitMax;
  return { kind, ...range, format, limit: most, widthMs };
}

function rangeOf({ from, to, last }: ReadingsQuery, now: number) {
  if (from !== undefined && last !== undefined) throw refused("write from or last, not both");
  const end = to ?? now + 1;
  const begin = from ?? end - (last ?? spanMsUsual);
  if (begin < end) return { from: begin, to: end };
  throw refused(`from ${new Date(begin).toISOString()} is not before to`);
}

const minute = 60_000;
const hour = 60 * minute;

/** Two points come of each stretch; whole minutes and hours are summed up already. */
export function widthFor(spanMs: number, points: number): number {
  const exact = spanMs / Math.max(1, Math.floor(points / 2));
  const unit = exact > 6 * hour ? hour : exact > minute ? minute : exact > 1_000 ? 1_000 : 1;
  return Math.max(1, Math.ceil(exact / unit) * unit);
}

function aligned(from: number, to: number, widthMs: number) {
  return {
    from: Math.floor(from / widthMs) * widthMs,
    to: Math.ceil(to / widthMs) * widthMs,
  };
}

export function refused(what: string): CodedError {
  return new CodedError("HISTORY_QUERY_REFUSED", what);
}

/**
 * Answers as text, piece by piece: JSON with the points of each series together, or a line for each
 * row. Nothing is gathered but the names of the series.
 */
import type { ExtremePoint } from "./downsample.ts";
import { extremesOf } from "./downsample.ts";
import type { Bucket, Historian, Series, SeriesSelect, StoredPoint } from "./historian.ts";
import type { QueryPlan } from "./history-query.ts";
import { querySeriesMax, refused } from "./history-query.ts";

export interface SeriesFilter extends Omit<SeriesSelect, "limit" | "after"> {
  /** What the one who asks may see. */
  readonly sees: (gateway: string) => boolean;
}

/** A line of the answer: of which series, and its cells. */
export interface AnswerRow {
  readonly series: Series;
  readonly cells: readonly Cell[];
}
export type Cell = number | string | boolean | null;

const seriesPage = 10_000;

/** Throws HISTORY_QUERY_REFUSED where there are more than one answer holds. */
export async function selectSeries(
  historian: Historian,
  { sees, ...select }: SeriesFilter,
  signal: AbortSignal,
  most = querySeriesMax,
): Promise<readonly Series[]> {
  const found: Series[] = [];
  for (let after = 0; ; ) {
    const page = await historian.series({ ...select, after, limit: seriesPage }, signal);
    found.push(...page.filter(({ gateway }) => sees(gateway)));
    const last = page.at(-1);
    if (found.length > most)
      throw refused(`more than ${most} series: name gateway, device or metric`);
    if (page.length < seriesPage || last === undefined) return found;
    after = last.id;
  }
}

const columnsOf: Readonly<Record<QueryPlan["kind"], readonly string[]>> = {
  readings: ["time", "value", "quality", "late", "receivedAt"],
  latest: ["time", "value", "quality", "late", "receivedAt"],
  buckets: ["time", "count", "bad", "late", "mean", "min", "max", "last"],
  extremes: ["time", "value", "late", "bad"],
};

/** Rows in pieces, by series and time; one more than the limit where there are more. */
export async function* answerRows(
  historian: Historian,
  series: readonly Series[],
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<readonly AnswerRow[]> {
  if (series.length === 0) return;
  const byId = new Map(series.map((one) => [one.id, one]));
  const ids = [...byId.keys()];
  const { from, to } = plan;
  const limit = plan.limit + 1;
  const row = <Of extends { series: number }>(of: Of, cells: readonly Cell[]) => {
    const own = byId.get(of.series);
    return own === undefined ? [] : [{ series: own, cells }];
  };
  const points = (some: readonly StoredPoint[]) => some.flatMap((own) => row(own, pointCells(own)));
  if (plan.kind === "latest") {
    for await (const some of historian.latest(ids, signal)) yield points(some);
  } else if (plan.kind === "readings") {
    const select = { series: ids, from, to, limit, order: plan.order };
    for await (const some of historian.points(select, signal)) yield points(some);
  } else {
    const isWhole = plan.kind === "buckets";
    const select = { series: ids, from, to, limit, widthMs: plan.widthMs };
    for await (const some of historian.buckets(select, signal))
      yield some.flatMap((own) =>
        isWhole
          ? row(own, bucketCells(own))
          : extremesOf(own).flatMap((point) => row(own, extremeCells(point))),
      );
  }
}

function pointCells({ time, value, quality, late, receivedAt, window }: StoredPoint): Cell[] {
  return [time, value, window === undefined ? quality : "thinned", late, receivedAt];
}

function bucketCells({ time, count, bad, late, mean, min, max, last }: Bucket): Cell[] {
  return [time, count, bad, late, mean, min, max, last];
}

function extremeCells({ time, value, late, bad }: ExtremePoint): Cell[] {
  return [time, value, late, bad];
}

export async function* jsonAnswer(
  historian: Historian,
  series: readonly Series[],
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { kind, from, to, limit } = plan;
  const width = "widthMs" in plan ? { widthMs: plan.widthMs } : {};
  const head = JSON.stringify({ kind, from, to, ...width, columns: columnsOf[kind] });
  let text = `${head.slice(0, -1)},"series":[`;
  let [rows, isTruncated] = [0, false];
  let current: Series | undefined;
  const told = new Set<number>();
  const begin = (own: Series) => {
    const before = current === undefined ? "" : "]},";
    [current] = [own];
    told.add(own.id);
    return `${before}${JSON.stringify(own).slice(0, -1)},"points":[`;
  };
  for await (const some of answerRows(historian, series, plan, signal)) {
    for (const { series: own, cells } of some) {
      isTruncated ||= rows >= limit;
      if (isTruncated) break;
      text += own === current ? "," : begin(own);
      text += JSON.stringify(cells);
      rows++;
    }
    yield text;
    text = "";
    if (isTruncated) break;
  }
  if (!isTruncated) for (const own of series) if (!told.has(own.id)) text += begin(own);
  yield `${text}${current === undefined ? "" : "]}"}],"truncated":${isTruncated}}\n`;
}

/** A JSON object a line; the last one says so where there is more. */
export function linesAnswer(
  historian: Historian,
  series: readonly Series[],
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const columns = columnsOf[plan.kind];
  const more = `${JSON.stringify({ truncated: true, limit: plan.limit })}\n`;
  const rows = answerRows(historian, series, plan, signal);
  return rowTexts(rows, plan.limit, more, ({ gateway, device, metric, unit }, cells) => {
    const named = Object.fromEntries(columns.map((name, at) => [name, cells[at] ?? null]));
    return `${JSON.stringify({ gateway, device, metric, unit, ...named })}\n`;
  });
}

/** RFC 4180, with a head; times are ISO 8601. */
export async function* csvAnswer(
  historian: Historian,
  series: readonly Series[],
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const columns = columnsOf[plan.kind];
  const isTime = columns.map((name) => name === "time" || name === "receivedAt");
  yield `${["gateway", "device", "metric", "unit", ...columns].join(",")}\r\n`;
  const rows = answerRows(historian, series, plan, signal);
  yield* rowTexts(rows, plan.limit, "", ({ gateway, device, metric, unit }, cells) => {
    const shown = cells.map((cell, at) =>
      isTime[at] && typeof cell === "number" ? new Date(cell).toISOString() : cell,
    );
    return `${[gateway, device, metric, unit, ...shown].map(csvCell).join(",")}\r\n`;
  });
}

/** `limit` rows at most; `more` where there are others. */
async function* rowTexts(
  rows: ReturnType<typeof answerRows>,
  limit: number,
  more: string,
  textOf: (series: Series, cells: readonly Cell[]) => string,
): AsyncGenerator<string> {
  let told = 0;
  for await (const some of rows) {
    let text = "";
    for (const { series, cells } of some) {
      if (told++ === limit) {
        yield `${text}${more}`;
        return;
      }
      text += textOf(series, cells);
    }
    yield text;
  }
}

function csvCell(value: Cell): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

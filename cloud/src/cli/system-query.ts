/** `causeway-cloud query`: what the history holds, from the process that has it open, or from its files. */
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Historian } from "../history/historian.ts";
import type { SeriesFilter } from "../history/history-answer.ts";
import {
  answerRows,
  csvAnswer,
  jsonAnswer,
  linesAnswer,
  selectSeries,
} from "../history/history-answer.ts";
import type { QueryPlan } from "../history/history-query.ts";
import { planOf, readingsQuerySchema } from "../history/history-query.ts";
import type { HistorySettings } from "../history/history-settings.ts";
import { openToRead } from "../history/system-historian.ts";

export interface QueryFlags {
  readonly gateway?: string;
  readonly device?: string;
  readonly metric?: string;
  readonly site?: string;
  readonly tag?: string;
  readonly from?: string;
  readonly to?: string;
  readonly last?: string;
  readonly limit?: string;
  readonly points?: string;
  readonly bucket?: string;
  readonly order?: string;
  readonly format?: string;
  readonly output?: string;
  readonly latest?: boolean;
  readonly series?: boolean;
  readonly losses?: boolean;
  readonly json?: boolean;
}

export interface QueryCommand {
  readonly settings: HistorySettings;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/** Series that one command may list. */
const listedMax = 1_000_000;
const lossesMax = 100_000;

export async function query(command: QueryCommand, flags: QueryFlags): Promise<number> {
  const { settings, dataDir, clock, signal } = command;
  const asked = askedBy(flags, clock.wallMs());
  const historian = await openToRead(settings, dataDir);
  try {
    const { gateway, device, metric, site, tag } = flags;
    const filter = { gateway, device, metric, site, tag, sees: () => true };
    const pieces = await piecesOf(historian, filter, asked, flags, signal);
    const file = flags.output;
    if (file === undefined) await told(pieces, command.output, signal);
    else await pipeline(Readable.from(pieces), fileOf(file));
    return 0;
  } finally {
    await historian.close();
  }
}

interface Asked {
  readonly plan: QueryPlan;
  readonly isText: boolean;
}

/** Throws CLI_USAGE. */
function askedBy(flags: QueryFlags, now: number): Asked {
  const {
    json = false,
    format,
    output,
    series: _series,
    losses: _losses,
    latest,
    ...given
  } = flags;
  const isText = format === undefined && !json;
  const told = format ?? "ndjson";
  const { config: _config, set: _set, ...wanted } = given as Record<string, unknown>;
  const latestText = latest === true ? { latest: "true" } : {};
  const parsed = readingsQuerySchema.safeParse({ ...wanted, ...latestText, format: told });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CodedError("CLI_USAGE", `--${issue?.path.join(".")}: ${issue?.message}`);
  }
  if (told === "parquet" && output === undefined)
    throw new CodedError("CLI_USAGE", "--format parquet: name a file by --output");
  try {
    return { plan: planOf(parsed.data, now), isText };
  } catch (failure) {
    if (codeOf(failure) !== "HISTORY_QUERY_REFUSED") throw failure;
    throw new CodedError("CLI_USAGE", reasonOf(failure).replace(/^[A-Z_]+: /, ""));
  }
}

async function piecesOf(
  historian: Historian,
  filter: SeriesFilter,
  { plan, isText }: Asked,
  { series: asSeries = false, losses: asLosses = false }: QueryFlags,
  signal: AbortSignal,
): Promise<AsyncIterable<string | Uint8Array>> {
  if (asLosses) return lossLines(historian, filter, plan, isText, signal);
  if (asSeries) return seriesLines(historian, filter, isText, signal);
  const series = await selectSeries(historian, filter, signal);
  if (isText) return textLines(historian, series, plan, signal);
  if (plan.format === "parquet") {
    const { parquetAnswer } = await import("../history/duckdb-parquet.ts");
    return parquetAnswer(historian, series, plan, signal);
  }
  const answers = { json: jsonAnswer, ndjson: linesAnswer, csv: csvAnswer };
  return answers[plan.format](historian, series, plan, signal);
}

async function* seriesLines(
  historian: Historian,
  filter: SeriesFilter,
  isText: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const series of await selectSeries(historian, filter, signal, listedMax)) {
    const { gateway, device, metric, unit, site, tags } = series;
    const facts = [site === "" ? "" : `site ${site}`, tags.join(",")].filter(Boolean).join("  ");
    const text = `${gateway}  ${device || "-"}  ${metric}${unit && ` [${unit}]`}  ${facts}`;
    yield isText ? `${text.trimEnd()}\n` : `${JSON.stringify(series)}\n`;
  }
}

async function* lossLines(
  historian: Historian,
  { gateway }: SeriesFilter,
  { from, to }: QueryPlan,
  isText: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const loss of await historian.losses({ gateway, from, to, limit: lossesMax }, signal)) {
    const what = `${loss.epoch} ${loss.log} ${loss.from}-${loss.to}`;
    const text = `${new Date(loss.at).toISOString()}  ${loss.gateway}  ${what}  ${loss.reason}`;
    yield isText ? `${text}\n` : `${JSON.stringify(loss)}\n`;
  }
}

const figureNames = ["count", "bad", "late", "mean", "min", "max", "last"];

async function* textLines(
  historian: Historian,
  series: Awaited<ReturnType<typeof selectSeries>>,
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let rows = 0;
  for await (const some of answerRows(historian, series, plan, signal)) {
    let text = "";
    for (const { series: own, cells } of some) {
      if (rows++ === plan.limit) {
        yield `${text}… and more: raise --limit\n`;
        return;
      }
      const [time, ...rest] = cells;
      const what =
        plan.kind === "buckets"
          ? rest.map((cell, at) => `${figureNames[at]}=${cell ?? "-"}`).join(" ")
          : `= ${rest[0] ?? "none"} ${own.unit}`;
      const marks =
        plan.kind === "buckets" || plan.kind === "extremes"
          ? ""
          : [rest[1] === "good" ? "" : `(${rest[1]})`, rest[2] === true ? "(late)" : ""].join(" ");
      const place = `${own.gateway}  ${own.device || "-"}  ${own.metric}`;
      const at = new Date(Number(time)).toISOString();
      text += `${`${at}  ${place} ${what.trimEnd()} ${marks}`.trimEnd()}\n`;
    }
    yield text;
  }
}

/** Standard output stays open; who reads it may have gone. */
async function told(
  pieces: AsyncIterable<string | Uint8Array>,
  output: Writable,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of pieces) {
    if (signal.aborted) return;
    if (output.write(piece)) continue;
    await new Promise<void>((resolve) => {
      output.once("drain", resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

function fileOf(file: string): Writable {
  const stream = createWriteStream(file);
  stream.once("error", (failure) => {
    stream.destroy(new CodedError("OUTPUT_UNWRITABLE", `${file}: ${reasonOf(failure)}`));
  });
  return stream;
}

/** The files of `score`: rows in, rows out, one at a time; `.gz` is unpacked and packed. */
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import { showPlot, terminalPlot } from "./file-plot.ts";
import { rowsOf } from "./file-rows.ts";
import type { Scorer, ScoreSettings } from "./score.ts";
import { createScorer } from "./score.ts";
import { ScoreChart } from "./score-chart.ts";

export interface ScoreFiles {
  readonly input: string;
  /** Standard output where there is none, unless a plot goes there. */
  readonly output: string | undefined;
  /** An SVG file, or `-` for the terminal. */
  readonly plot: string | undefined;
}

/** Answers with the exit code; throws CLI_USAGE, INPUT_UNREADABLE or OUTPUT_UNWRITABLE. */
export async function scoreFile(files: ScoreFiles, settings: ScoreSettings): Promise<number> {
  const { input, output, plot } = files;
  const seen = new ScoreChart(input, settings);
  const watch =
    plot === undefined ? undefined : (row: Parameters<typeof seen.add>[0]) => seen.add(row);
  const rows = scoredRows(input, createScorer(settings, watch));
  try {
    if (output === undefined && plot === terminalPlot) for await (const _ of rows);
    else if (output === undefined) await pipeline(rows, process.stdout, { end: false });
    else if (!output.endsWith(".gz")) await pipeline(rows, createWriteStream(output));
    else await pipeline(rows, createGzip(), createWriteStream(output));
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    throw new CodedError("OUTPUT_UNWRITABLE", `${output ?? "stdout"}: ${reasonOf(failure)}`);
  }
  if (plot !== undefined) await showPlot(seen.chart(), plot);
  return exitCodes.good;
}

async function* scoredRows(input: string, scorer: Scorer): AsyncGenerator<string> {
  let isHead = true;
  for await (const line of rowsOf(input)) {
    yield `${isHead ? scorer.head(line) : scorer.row(line)}\n`;
    isHead = false;
  }
}

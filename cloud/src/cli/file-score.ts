/** The files of `score`: rows in, rows out, one at a time; `.gz` is unpacked and packed. */
import { createReadStream, createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { Scorer, ScoreSettings } from "./score.ts";
import { createScorer } from "./score.ts";

export interface ScoreFiles {
  readonly input: string;
  /** Standard output where there is none. */
  readonly output: string | undefined;
}

/** Answers with the exit code; throws CLI_USAGE, INPUT_UNREADABLE or OUTPUT_UNWRITABLE. */
export async function scoreFile(files: ScoreFiles, settings: ScoreSettings): Promise<number> {
  const { input, output } = files;
  const rows = scoredRows(input, createScorer(settings));
  try {
    if (output === undefined) await pipeline(rows, process.stdout, { end: false });
    else if (!output.endsWith(".gz")) await pipeline(rows, createWriteStream(output));
    else await pipeline(rows, createGzip(), createWriteStream(output));
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    throw new CodedError("OUTPUT_UNWRITABLE", `${output ?? "stdout"}: ${reasonOf(failure)}`);
  }
  return exitCodes.good;
}

async function* scoredRows(input: string, scorer: Scorer): AsyncGenerator<string> {
  let isHead = true;
  for await (const line of linesOf(input)) {
    if (line === "") continue;
    yield `${isHead ? scorer.head(line) : scorer.row(line)}\n`;
    isHead = false;
  }
  if (isHead) throw new CodedError("INPUT_UNREADABLE", `${input} is empty`);
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const text: Readable = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  // An error of the file does not pass a pipe by itself.
  if (text !== file) file.once("error", (failure) => text.destroy(failure));
  try {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of text) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (rest !== "") yield rest;
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    throw new CodedError("INPUT_UNREADABLE", `${path}: ${reasonOf(failure)}`);
  }
}

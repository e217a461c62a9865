/** The lines of a file, of a gzip file by its name, or of stdin, in bounded memory. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";

const lineCharactersMax = 1_048_576;

/** Batches of lines without their ends; INPUT_UNREADABLE where it cannot be read. */
export async function* linesOf(fileName: string): AsyncGenerator<readonly string[]> {
  let rest = "";
  try {
    for await (const text of textsOf(fileName)) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > lineCharactersMax) throw tooLong(fileName);
      if (lines.length > 0) yield lines.map(withoutReturn);
    }
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    throw unreadable(fileName, failure);
  }
  if (rest !== "") yield [withoutReturn(rest)];
}

/** The decoder drops a byte order mark and keeps characters whole over chunks. */
async function* textsOf(fileName: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8");
  const source = open(fileName);
  try {
    for await (const chunk of source) yield decoder.decode(chunk as Buffer, { stream: true });
    yield decoder.decode();
  } finally {
    source.destroy();
  }
}

function open(fileName: string): Readable {
  if (fileName === "-") return process.stdin;
  const file = createReadStream(fileName);
  if (!fileName.endsWith(".gz")) return file;
  const unzipped = createGunzip();
  file.on("error", (failure) => unzipped.destroy(failure));
  unzipped.on("close", () => file.destroy());
  return file.pipe(unzipped);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function tooLong(fileName: string): CodedError {
  return new CodedError(
    "INPUT_UNREADABLE",
    `${fileName}: a line of more than ${lineCharactersMax} characters`,
  );
}

function unreadable(fileName: string, failure: unknown): CodedError {
  const why = codeOf(failure) === "ENOENT" ? "there is no such file" : reasonOf(failure);
  return new CodedError("INPUT_UNREADABLE", `${fileName}: ${why}`, { cause: failure });
}

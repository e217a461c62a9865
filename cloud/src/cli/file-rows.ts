/** The lines of a CSV file that are not blank; of a gzip file by its name. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";

/** The head first. Throws INPUT_UNREADABLE where the file cannot be read, or holds nothing. */
export async function* rowsOf(path: string): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const line of linesOf(path)) {
    if (line === "") continue;
    isEmpty = false;
    yield line;
  }
  if (isEmpty) throw new CodedError("INPUT_UNREADABLE", `${path} is empty`);
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

/**
 * JSON lines written to a file: gathered for a moment, then written at once and synchronously, so
 * that memory is bounded and nothing is left behind when the process ends in order.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";

const gatherMsMax = 100;
const gatherCharactersMax = 65_536;

export interface JsonLines {
  write(line: object): void;
  /** What was written is in the file when this returns. */
  close(): void;
}

/** Begins the file anew; a later failure is told once and further lines are dropped. */
export function openJsonLines(
  fileName: string,
  clock: Clock,
  failed: (failure: CodedError) => void,
): JsonLines {
  const file = openFile(fileName);
  let gathered = "";
  let broken = false;
  let cancel: Cancel | undefined;
  const flush = () => {
    cancel?.();
    cancel = undefined;
    const bytes = Buffer.from(gathered);
    gathered = "";
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    } catch (failure) {
      broken = true;
      failed(unwritable(fileName, failure));
    }
  };
  return {
    write(line) {
      if (broken) return;
      gathered += `${JSON.stringify(line)}\n`;
      if (gathered.length > gatherCharactersMax) flush();
      else cancel ??= clock.after(gatherMsMax, flush);
    },
    close() {
      flush();
      closeSync(file);
    },
  };
}

function openFile(fileName: string): number {
  try {
    return openSync(fileName, "w");
  } catch (failure) {
    throw unwritable(fileName, failure);
  }
}

function unwritable(fileName: string, failure: unknown): CodedError {
  const message = `${fileName} cannot be written: ${reasonOf(failure)}`;
  return new CodedError("OUTPUT_UNWRITABLE", message, { cause: failure });
}

/** Reads the two files of a verdict; what they mean is verdict/verdict.ts. */
import { CodedError } from "@causeway/shared/errors.ts";
import { linesOf } from "./file-lines.ts";
import type { VerdictOptions, VerdictResult } from "./verdict/verdict.ts";
import { Verdict } from "./verdict/verdict.ts";

export async function judge(
  ackedFile: string,
  tailFile: string,
  options: VerdictOptions,
): Promise<VerdictResult> {
  const verdict = new Verdict(options);
  let lineNumber = 0;
  for await (const lines of linesOf(ackedFile)) {
    for (const line of lines) {
      lineNumber += 1;
      if (!verdict.ackedLine(line)) throw secondRun(`${ackedFile}:${lineNumber}`, line);
    }
  }
  for await (const lines of linesOf(tailFile)) {
    for (const line of lines) verdict.tailLine(line);
  }
  return verdict.result();
}

function secondRun(where: string, line: string): CodedError {
  return new CodedError(
    "INPUT_UNREADABLE",
    `${where} acknowledges a publish for the second time: give the file of one run; ${line}`,
  );
}

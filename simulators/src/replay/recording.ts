/** A CSV file as a stream of rows in file order; the lines come from file-lines.ts. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { ColumnChoice, Columns, Row } from "./columns.ts";
import { columnsOf, rowOf } from "./columns.ts";
import { cellsOf } from "./csv-row.ts";

export interface RecordingChoice extends ColumnChoice {
  readonly delimiter: string;
  /** Rows that cannot be read are left out and told to `skipped`, instead of ending the replay. */
  readonly skipBadRows: boolean;
}

/** Lines without their ends, in batches, so that a row costs no promise. */
export type LineBatches = AsyncIterable<readonly string[]>;

const openQuote = "no CSV: a quote is left open or stands amid a cell";

/** Batches of rows; CLI_USAGE for a header, INPUT_UNREADABLE for a row, with file and line. */
export async function* rowsOf(
  fileName: string,
  lines: LineBatches,
  choice: RecordingChoice,
  skipped: (where: string, why: string) => void,
): AsyncGenerator<readonly Row[]> {
  let columns: Columns | undefined;
  let lineNumber = 0;
  for await (const batch of lines) {
    const rows: Row[] = [];
    for (const line of batch) {
      lineNumber += 1;
      if (line === "") continue;
      const cells = cellsOf(line, choice.delimiter);
      if (columns === undefined) {
        columns = columnsOf(headerOf(cells, fileName), choice);
        continue;
      }
      const row = cells === undefined ? openQuote : rowOf(cells, columns);
      if (typeof row !== "string") rows.push(row);
      else if (choice.skipBadRows) skipped(`${fileName}:${lineNumber}`, row);
      else throw unreadable(`${fileName}:${lineNumber} ${row}; --skip-bad-rows leaves such out`);
    }
    if (rows.length > 0) yield rows;
  }
  if (columns === undefined) throw unreadable(`${fileName}: the file is empty`);
}

function headerOf(cells: readonly string[] | undefined, fileName: string): readonly string[] {
  if (cells === undefined) throw unreadable(`${fileName}:1 ${openQuote}`);
  return cells;
}

function unreadable(what: string): CodedError {
  return new CodedError("INPUT_UNREADABLE", what);
}

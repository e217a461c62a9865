/** Which cell of a row is the time and which are metrics; reads rows by that. */
import { CodedError } from "@causeway/shared/errors.ts";
import { isMetricName } from "@causeway/shared/names.ts";
import { rowTimeMs } from "./row-time.ts";

export interface ColumnChoice {
  readonly timeColumn: string;
  /** `column` or `column=metric`. */
  readonly valueColumns: readonly string[];
}

export interface Columns {
  /** Cells in a row. */
  readonly width: number;
  readonly time: number;
  readonly values: readonly { readonly cell: number; readonly metric: string }[];
}

type RowValue = number | boolean | null;

export interface Row {
  readonly timeMs: number;
  readonly metrics: Readonly<Record<string, RowValue>>;
}

/** Names that the payload itself uses. */
const reserved = ["ts", "seq"];

/** CLI_USAGE where the header lacks a column, with the columns that it has. */
export function columnsOf(header: readonly string[], choice: ColumnChoice): Columns {
  const names = header.map((name) => name.trim());
  const find = (column: string): number => {
    const index = names.indexOf(column);
    if (index < 0) throw usage(`no column ${JSON.stringify(column)}; the file has ${told(names)}`);
    return index;
  };
  const values = choice.valueColumns.map((text) => {
    const [column = "", metric = column] = splitAtLast(text);
    const cell = find(column);
    if (!isMetricName(metric) || reserved.includes(metric)) {
      throw usage(
        `column ${JSON.stringify(column)} cannot be the metric ${JSON.stringify(metric)}`,
      );
    }
    return { cell, metric };
  });
  const twice = values.find(({ metric }, at) =>
    values.some((v, i) => i < at && v.metric === metric),
  );
  if (twice !== undefined) throw usage(`metric ${JSON.stringify(twice.metric)} is named twice`);
  return { width: names.length, time: find(choice.timeColumn), values };
}

/** The row, or in words why it cannot be read. */
export function rowOf(cells: readonly string[], columns: Columns): Row | string {
  if (cells.length !== columns.width) {
    return `${cells.length} cells where the header has ${columns.width}`;
  }
  const timeText = cells[columns.time] ?? "";
  const timeMs = rowTimeMs(timeText);
  if (timeMs === undefined) return `${JSON.stringify(timeText)} is no time`;
  const metrics: Record<string, RowValue> = {};
  for (const { cell, metric } of columns.values) {
    const value = cellValue(cells[cell] ?? "");
    if (value === undefined) return `${metric}: ${JSON.stringify(cells[cell])} is no number`;
    metrics[metric] = value;
  }
  return { timeMs, metrics };
}

/** `=` may be part of a column's name, never of the metric it is renamed to. */
function splitAtLast(text: string): readonly string[] {
  const at = text.lastIndexOf("=");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** null, which travels as bad quality, where the recording itself has nothing. */
function cellValue(cell: string): RowValue | undefined {
  const text = cell.trim();
  if (/^(?:|nan|null|na|n\/a)$/i.test(text)) return null;
  if (/^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function told(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}

function usage(what: string): CodedError {
  return new CodedError("CLI_USAGE", what);
}

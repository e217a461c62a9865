/** Rows of a CSV file as readings: a column of time, the others metrics of one device. */
import { CodedError } from "@causeway/shared/errors.ts";

export interface CsvColumns {
  readonly delimiter: string;
  readonly time: string;
  readonly values: readonly string[];
}

export interface CsvRow {
  readonly timeMs: number;
  /** In the order of the columns; undefined where a field is no number. */
  readonly values: readonly (number | undefined)[];
}

export interface CsvReader {
  /** Throws CLI_USAGE where a column is missing. */
  head(line: string): void;
  /** Throws CLI_USAGE where its time is none. */
  row(line: string): CsvRow;
}

export function createCsvReader({ delimiter, time, values }: CsvColumns): CsvReader {
  let [timeAt, valuesAt]: [number, readonly number[]] = [-1, []];
  let lineNumber = 1;
  return {
    head(line) {
      const columns = fieldsOf(line, delimiter);
      const find = (column: string) => {
        const at = columns.indexOf(column);
        if (at >= 0) return at;
        throw new CodedError("CLI_USAGE", `no column ${column}; there are ${columns.join(", ")}`);
      };
      timeAt = find(time);
      valuesAt = values.map(find);
    },
    row(line) {
      lineNumber += 1;
      const fields = fieldsOf(line, delimiter);
      const timeMs = timeOf(fields[timeAt] ?? "");
      if (timeMs === undefined) {
        throw new CodedError("CLI_USAGE", `line ${lineNumber}: ${fields[timeAt]} is no time`);
      }
      return { timeMs, values: valuesAt.map((at) => numberOf(fields[at])) };
    },
  };
}

export function numberOf(field: string | undefined): number | undefined {
  const text = field?.trim() ?? "";
  if (text === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** As RFC 4180: a field in quotes may hold the delimiter, and a quote doubled. */
export function fieldsOf(line: string, delimiter: string): readonly string[] {
  if (!line.includes('"')) return line.split(delimiter);
  const fields: string[] = [];
  let [field, isQuoted] = ["", false];
  for (let at = 0; at < line.length; at++) {
    const character = line[at];
    if (character === '"') {
      if (isQuoted && line[at + 1] === '"') field += line[++at];
      else isQuoted = !isQuoted;
    } else if (character === delimiter && !isQuoted) {
      fields.push(field);
      field = "";
    } else field += character;
  }
  return [...fields, field];
}

const secondsMax = 1e11;

/** ISO 8601 with T or a blank, UTC where no zone is told; or seconds or ms since 1970. */
export function timeOf(text: string): number | undefined {
  const number = numberOf(text);
  if (number !== undefined) return Math.abs(number) < secondsMax ? number * 1_000 : number;
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d:?\d\d)?$/.exec(
    text.trim(),
  );
  if (match === null) return undefined;
  const [, date, time, zone = "Z"] = match;
  const timeMs = Date.parse(`${date}T${time}${zone}`);
  return Number.isFinite(timeMs) ? timeMs : undefined;
}

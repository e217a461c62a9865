/**
 * `score`: a CSV file through a detector, row by row, on the path that readings take in the engine.
 *
 * S1 Strictly causal: the score of a row is told before the next row is read, and depends on nothing
 *    after it; neither on how many rows there are.
 * S2 Columns are metrics of one device. The score of a row is the highest of its columns'; a field
 *    that is no number brings no reading, and a row without any the score 0.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { detect, emptyDetection, lastScores } from "@causeway/shared/rules/detection.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";

export interface ScoreSettings {
  readonly detector: string;
  /** Readings that only teach; the detector's own number where it is left out. */
  readonly train: number | undefined;
  readonly reference: string | undefined;
  /** More of the detector's parameters, by name. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly delimiter: string;
  readonly time: string;
  readonly values: readonly string[];
}

export interface Scorer {
  /** Answers with the same head and one more column. Throws CLI_USAGE where a column is missing. */
  head(line: string): string;
  /** Answers with the same row and its score. Throws CLI_USAGE where its time is none. */
  row(line: string): string;
}

const device = "input";
const scoreColumn = "anomaly_score";

export function createScorer(settings: ScoreSettings): Scorer {
  const { delimiter } = settings;
  const ruleSet = compileRules([ruleOf(settings)]);
  const detection = emptyDetection();
  let [timeAt, valuesAt]: [number, readonly number[]] = [-1, []];
  let lineNumber = 1;

  function scoreOf(metric: string, field: string | undefined, timeMs: number): number {
    const value = numberOf(field);
    if (value === undefined) return 0;
    const reading = { device, metric, value, timeMs, receivedAt: timeMs, late: false };
    const [judged] = detect(detection, ruleSet, settings.values.length, reading);
    if (judged === undefined || judged.verdict.kind === "unknown") return 0;
    return lastScores(detection, device, metric)[0] ?? 0;
  }

  return {
    head(line) {
      const columns = fieldsOf(line, delimiter);
      const find = (column: string) => {
        const at = columns.indexOf(column);
        if (at >= 0) return at;
        throw new CodedError("CLI_USAGE", `no column ${column}; there are ${columns.join(", ")}`);
      };
      timeAt = find(settings.time);
      valuesAt = settings.values.map(find);
      return `${line}${delimiter}${scoreColumn}`;
    },
    row(line) {
      lineNumber += 1;
      const fields = fieldsOf(line, delimiter);
      const timeMs = timeOf(fields[timeAt] ?? "");
      if (timeMs === undefined) {
        throw new CodedError("CLI_USAGE", `line ${lineNumber}: ${fields[timeAt]} is no time`);
      }
      const scores = settings.values.map((metric, index) =>
        scoreOf(metric, fields[valuesAt[index] ?? -1], timeMs),
      );
      return `${line}${delimiter}${Math.max(0, ...scores)}`;
    },
  };
}

function ruleOf({ detector, train, reference, parameters }: ScoreSettings) {
  const given = {
    name: "score",
    detector,
    ...Object.fromEntries([...parameters].map(([name, text]) => [name, plain(text)])),
    ...(train === undefined ? {} : { warmUp: train }),
    ...(reference === undefined ? {} : { reference }),
  };
  const parsed = rulesSchema.safeParse([given]);
  const [rule] = parsed.data ?? [];
  if (rule !== undefined) return rule;
  const [issue] = parsed.error?.issues ?? [];
  const where = issue?.path.slice(1).join(".") ?? "";
  throw new CodedError("CLI_USAGE", `${where === "" ? "--detector" : where}: ${issue?.message}`);
}

function plain(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return numberOf(text) ?? text;
}

function numberOf(field: string | undefined): number | undefined {
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

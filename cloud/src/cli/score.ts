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
import type { CsvColumns, CsvRow } from "./csv.ts";
import { createCsvReader, numberOf } from "./csv.ts";

export interface ScoreSettings extends CsvColumns {
  readonly detector: string;
  /** Readings that only teach; the detector's own number where it is left out. */
  readonly train: number | undefined;
  readonly reference: string | undefined;
  /** More of the detector's parameters, by name. */
  readonly parameters: ReadonlyMap<string, string>;
}

interface Judged {
  readonly score: number;
  readonly isAnomalous: boolean;
}

/** What a row says, for those who look on. */
export interface ScoredRow extends Judged, CsvRow {}

export interface Scorer {
  /** Answers with the same head and one more column. Throws CLI_USAGE where a column is missing. */
  head(line: string): string;
  /** Answers with the same row and its score. Throws CLI_USAGE where its time is none. */
  row(line: string): string;
}

const [gateway, device] = ["input", "input"];
const scoreColumn = "anomaly_score";
const silent: Judged = { score: 0, isAnomalous: false };

export function createScorer(
  settings: ScoreSettings,
  watch: (row: ScoredRow) => void = () => {},
): Scorer {
  const { delimiter } = settings;
  const detection = emptyDetection(compileRules([ruleOf(settings)]).of(gateway));
  const reader = createCsvReader(settings);

  function judge(metric: string, value: number | undefined, timeMs: number): Judged {
    if (value === undefined) return silent;
    const reading = { device, metric, value, timeMs, receivedAt: timeMs, late: false };
    const [judged] = detect(detection, settings.values.length, reading);
    if (judged === undefined || judged.verdict.kind === "unknown") return silent;
    const isAnomalous = judged.verdict.kind === "anomalous";
    return { score: lastScores(detection, device, metric)[0] ?? 0, isAnomalous };
  }

  return {
    head(line) {
      reader.head(line);
      return `${line}${delimiter}${scoreColumn}`;
    },
    row(line) {
      const { timeMs, values } = reader.row(line);
      const judged = settings.values.map((metric, index) => judge(metric, values[index], timeMs));
      const score = Math.max(0, ...judged.map((each) => each.score));
      watch({ timeMs, values, score, isAnomalous: judged.some((each) => each.isAnomalous) });
      return `${line}${delimiter}${score}`;
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

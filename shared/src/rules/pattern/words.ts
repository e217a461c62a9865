/** Reasons of patterns, in words that a technician understands. */

import { inWords } from "../../detect/detector.ts";
import type { Reading } from "../../event.ts";

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

const shownCharactersMax = 64;

/** As `90 s`, `2 min`, `1.5 h`. */
export function duration(ms: number): string {
  for (const [unit, length] of units) {
    const isPlain = ms >= 2 * length || ms === length;
    if (isPlain) return `${inWords(ms / length)} ${unit}`;
  }
  return `${inWords(ms)} ms`;
}

export interface Shown {
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
}

/** Texts may be long, states may not. */
export function shortened(value: Reading["value"]): Reading["value"] {
  if (typeof value !== "string" || value.length <= shownCharactersMax) return value;
  return value.slice(0, shownCharactersMax);
}

const comparison = /^value\s*(>=|<=|==|!=|>|<)\s*(-?[0-9][0-9.]*)$/;
const relations: Readonly<Record<string, string>> = {
  ">": "above",
  ">=": "at or above",
  "<": "below",
  "<=": "at or below",
  "==": "equal to",
  "!=": "other than",
};
const equalText = /^text\s*==\s*(["'])([^"'\\]*)\1$/;

/** What an expression says of a metric: `above -15`, `on`; undefined where it is not that simple. */
function relation(source: string): string | undefined {
  const [, sign, limit] = comparison.exec(source) ?? [];
  if (sign !== undefined) return `${relations[sign]} ${limit}`;
  if (source === "on" || source === "on == true") return "on";
  if (/^!\s*on$/.test(source) || source === "on == false") return "off";
  const text = equalText.exec(source)?.[2];
  return text === undefined ? undefined : `"${text}"`;
}

/** What a leaf waits for: `temperature above -15`. */
export function sayWanted(source: string | undefined, metrics: readonly string[]): string {
  const metric = metrics.join(", ");
  const subject = metric === "*" ? "a reading" : metric;
  if (source === undefined) return subject;
  const said = relation(source);
  return said === undefined ? `${subject} with ${source}` : `${subject} ${said}`;
}

/** What a leaf has found: `temperature -10.2 above -15`. */
export function sayFound(source: string | undefined, shown: Shown, withDevice: boolean): string {
  const subject =
    withDevice && shown.device !== "" ? `${shown.device} ${shown.metric}` : shown.metric;
  const said = source === undefined ? "" : relation(source);
  if (typeof shown.value === "boolean" && (said === "on" || said === "off")) {
    return `${subject} ${said}`;
  }
  const isEqual = typeof shown.value === "string" && said === `"${shown.value}"`;
  const found = `${subject} ${sayValue(shown)}`;
  if (said === "" || isEqual) return found;
  return said === undefined ? `${found} with ${source}` : `${found} ${said}`;
}

export function sayValue({ value, unit }: Pick<Shown, "value" | "unit">): string {
  if (value === null) return "without a value";
  const said = typeof value === "number" ? inWords(value) : value;
  const plain = typeof said === "boolean" ? (said ? "on" : "off") : said;
  return unit === undefined || unit === "" ? plain : `${plain} ${unit}`;
}

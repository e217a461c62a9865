/** What `causeway-cloud backtest` is asked for, and what it prints. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import type { Compared } from "../backtest/comparison.ts";
import { comparedText, isDifference, summaryText } from "../backtest/comparison.ts";
import type { Extent } from "../plot/chart.ts";
import { alertText } from "./alert-list.ts";
import { timeOf } from "./csv.ts";

/** Throws CLI_USAGE. */
export function rangeOf(from: string | undefined, to: string | undefined, nowMs: number): Extent {
  if (from === undefined || to === undefined) {
    throw new CodedError("CLI_USAGE", "write --from and --to, or --input with a CSV file");
  }
  const range = { from: momentOf("--from", from, nowMs), to: momentOf("--to", to, nowMs) };
  if (range.from < range.to) return range;
  throw new CodedError("CLI_USAGE", `--from ${from} is not before --to ${to}`);
}

function momentOf(flag: string, text: string, nowMs: number): number {
  if (text === "start") return 0;
  if (text === "now") return nowMs;
  const isWhole = /^[0-9]+$/.test(text);
  const timeMs = isWhole
    ? Number(text)
    : timeOf(/^[0-9-]{10}$/.test(text) ? `${text} 00:00` : text);
  if (timeMs !== undefined) return timeMs;
  throw new CodedError("CLI_USAGE", `${flag} ${text}: write start, now, ISO 8601 or ms since 1970`);
}

export interface Telling {
  readonly asJson: boolean;
  /** Whether there is anything that was told before. */
  readonly hasBefore: boolean;
  /** Rules in shadow, which tell nobody. */
  readonly untold: number;
  readonly hasJudged: boolean;
}

export function promoted(rule: Rule): Rule {
  return rule.mode === "shadow" ? { ...rule, mode: "live" } : rule;
}

/** People are shown what differs and how much does not; JSON has all of it, one object a line. */
export function backtestLines(
  compared: readonly Compared[],
  { asJson, hasBefore, untold, hasJudged }: Telling,
): readonly string[] {
  if (asJson) return compared.map(({ in: side, alert }) => JSON.stringify({ in: side, ...alert }));
  const inShadow = untold === 1 ? "1 rule is in shadow" : `${untold} rules are in shadow`;
  const idle = hasJudged
    ? ""
    : `; no rule looks at ${hasBefore ? "the journal" : "it: see --device"}`;
  const more = untold === 0 ? idle : `; ${inShadow} and told nobody: see --shadow`;
  if (!hasBefore)
    return [...compared.map(({ alert }) => alertText(alert)), `${compared.length} alerts${more}`];
  return [...compared.filter(isDifference).map(comparedText), `${summaryText(compared)}${more}`];
}

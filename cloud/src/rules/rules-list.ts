/** What `causeway-cloud rules list` and `rules history` print. */
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import type { LoadedRules } from "./rules-document.ts";
import { parseRules } from "./rules-document.ts";
import type { RulesRevision } from "./rules-revision.ts";
import { sourceOf } from "./rules-revision.ts";

export interface RuleLine {
  readonly name: string;
  readonly mode: string;
  /** Null of a rule that is off. */
  readonly version: string | null;
  readonly severity: string;
  /** What one alert is about. */
  readonly by: string;
  readonly source: string;
  /** Whether the journal's last tick names the set that this rule is of. */
  readonly inForce: boolean;
}

export function ruleLines(
  { rules, fleet, source, ruleSet }: LoadedRules,
  namedByTick: string | undefined,
): readonly RuleLine[] {
  const compiled = compileRules(rules, fleet).rules;
  const versions = new Map(compiled.map(({ name, version }) => [name, version]));
  return rules.map(({ name, mode, severity, ...rule }) => ({
    name,
    mode,
    version: versions.get(name) ?? null,
    severity,
    by: rule.detector === undefined ? rule.by : "series",
    source,
    inForce: namedByTick === ruleSet.name,
  }));
}

export function ruleText({ name, mode, version, severity, by, source }: RuleLine): string {
  const words = [mode.padEnd(6), severity.padEnd(8), by.padEnd(7), (version ?? "-").padEnd(12)];
  return `${words.join("  ")}  ${source}  ${name}`;
}

/** What stands below the list, for people. */
export function listNote(
  { source, ruleSet }: LoadedRules,
  { hasKey, configured, namedByTick }: ListContext,
): string {
  const from = hasKey
    ? `from bucket RULES (${source}), which goes before ${configured}; rules remove ends that`
    : `from ${source}`;
  if (namedByTick === ruleSet.name) return `${from}; in force`;
  const other =
    namedByTick === undefined ? "no rules are announced yet" : `in force is another set`;
  return `${from}; ${other}: a running cloud announces these within 10 s`;
}

export interface ListContext {
  readonly hasKey: boolean;
  /** What the configuration's rules are called. */
  readonly configured: string;
  readonly namedByTick: string | undefined;
}

export interface HistoryLine {
  readonly revision: number;
  readonly at: number;
  readonly what: "put" | "removed";
  readonly bytes: number;
  /** Null where they cannot be read. */
  readonly rules: number | null;
  readonly note: string;
}

export function historyLine({ revision, at, kind, text, note }: RulesRevision): HistoryLine {
  const bytes = Buffer.byteLength(text);
  const rules = kind === "removed" ? null : countIn(text, revision);
  return { revision, at, what: kind, bytes, rules, note };
}

export function historyText({ revision, at, what, bytes, rules, note }: HistoryLine): string {
  const size = what === "removed" ? "" : `  ${rules ?? "refused"} rules, ${bytes} bytes`;
  return `${revision}  ${new Date(at).toISOString()}  ${what}${size}${note === "" ? "" : `  ${note}`}`;
}

function countIn(text: string, revision: number): number | null {
  try {
    return parseRules(text, sourceOf(revision)).rules.length;
  } catch {
    return null; // any program may have written it
  }
}

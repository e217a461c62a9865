/** The limits that rules in force hold a series to, for those who look at it. Pure. */
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import type { Severity } from "@causeway/shared/rules/severity.ts";
import type { RulesDocument } from "./rules-document.ts";

export interface SeriesLimit {
  readonly rule: string;
  readonly severity: Severity;
  readonly limit: "hihi" | "hi" | "lo" | "lolo";
  readonly value: number;
}

export interface SeriesPlace {
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
}

/** Compiled once for each document. */
const compiled = new WeakMap<RulesDocument, ReturnType<typeof compileRules>>();

export function limitsOf(document: RulesDocument, place: SeriesPlace): readonly SeriesLimit[] {
  const ruleSet = compiled.get(document) ?? compileRules(document.rules, document.fleet);
  compiled.set(document, ruleSet);
  const selected = ruleSet.of(place.gateway).select(place.device, place.metric).rules;
  const names = new Set(selected.map(({ name }) => name));
  return document.rules.flatMap((rule): SeriesLimit[] => {
    if (!("detector" in rule) || rule.detector !== "limits" || !names.has(rule.name)) return [];
    const { name, severity } = rule;
    return (["hihi", "hi", "lo", "lolo"] as const).flatMap((limit) => {
      const value = rule[limit];
      return value === undefined ? [] : [{ rule: name, severity, limit, value }];
    });
  });
}

/** Rules made ready to judge readings: their detectors, versions, and which series each selects. */
import type { Detector, Verdict } from "../detect/detector.ts";
import { normal } from "../detect/detector.ts";
import type { DetectorSettings } from "../detect/detectors.ts";
import { createDetector } from "../detect/detectors.ts";
import { digest } from "./digest.ts";
import type { Rule } from "./rule.ts";
import { selectorOf } from "./selector.ts";
import { SeriesMap } from "./series-map.ts";
import type { Severity } from "./severity.ts";

/** At the bound the selections are forgotten and made anew as readings come. */
export const selectionsMax = 65_536;
const versionDigits = 12;

/** A rule that is live or in shadow. */
export interface CompiledRule {
  readonly name: string;
  /** The same for equal rules; a rule with any setting changed has another. */
  readonly version: string;
  /** The same for equal detectors: their states can be exchanged. */
  readonly detectorVersion: string;
  readonly detector: Detector<unknown>;
  readonly severity: Severity;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  readonly mode: "live" | "shadow";
}

export interface RuleVerdict {
  readonly rule: CompiledRule;
  readonly verdict: Verdict;
}

/** The rules that judge a series. */
export interface Selection {
  readonly rules: readonly CompiledRule[];
  /** Shared: what they say, in their order, while nothing is wrong. */
  readonly normal: readonly RuleVerdict[];
}

export interface RuleSet {
  /** The same for equal lists of rules. */
  readonly version: string;
  readonly rules: readonly CompiledRule[];
  /** Without rules where none selects the series. */
  select(device: string, metric: string): Selection;
}

export function compileRules(rules: readonly Rule[]): RuleSet {
  const judging = rules.flatMap((rule) => {
    if (rule.mode === "off") return [];
    const compiled = compile(rule, rule.mode);
    return [{ compiled, device: selectorOf(rule.devices), metric: selectorOf(rule.metrics) }];
  });
  const known = new SeriesMap<Selection>();
  /** Series that are judged by the same rules share one selection. */
  const shared = new Map<string, Selection>();
  const find = (device: string, metric: string): Selection => {
    const chosen = judging.filter((rule) => rule.device(device) && rule.metric(metric));
    const key = chosen.map(({ compiled }) => compiled.name).join();
    const selection = shared.get(key) ?? selectionOf(chosen.map(({ compiled }) => compiled));
    shared.set(key, selection);
    return selection;
  };
  return {
    version: digest(rules, versionDigits),
    rules: judging.map(({ compiled }) => compiled),
    select(device, metric) {
      const cached = known.get(device, metric);
      if (cached !== undefined) return cached;
      if (known.size >= selectionsMax) {
        known.clear();
        shared.clear();
      }
      const selection = find(device, metric);
      known.set(device, metric, selection);
      return selection;
    },
  };
}

function selectionOf(rules: readonly CompiledRule[]): Selection {
  return { rules, normal: rules.map((rule) => ({ rule, verdict: normal })) };
}

function compile(rule: Rule, mode: "live" | "shadow"): CompiledRule {
  const { name, severity, for: forMs, keepFiringFor: keepFiringForMs } = rule;
  const settings = detectorSettings(rule);
  return {
    name,
    version: digest(rule, versionDigits),
    detectorVersion: digest(settings, versionDigits),
    detector: createDetector(settings),
    severity,
    forMs,
    keepFiringForMs,
    mode,
  };
}

/** What is left of a rule without that which all rules have. */
function detectorSettings(rule: Rule): DetectorSettings {
  const { name, devices, metrics, severity, for: _for, keepFiringFor, mode, ...settings } = rule;
  return settings;
}

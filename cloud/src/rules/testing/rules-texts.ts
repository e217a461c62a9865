/** Rules as texts, for tests. */
import type { Found } from "../rules-document.ts";
import { findRules, loadedFrom, parseRules } from "../rules-document.ts";

/** One rule on the readings above `hi`. */
export function textAbove(name: string, hi: number): string {
  return `rules:\n  - { name: ${name}, detector: limits, hi: ${hi} }\n`;
}

export const brokenText = "rules:\n  - { name: broken, detector: limits }\n";

export function foundIn(text: string, source = "rules.yaml"): Found {
  return findRules(source, () => loadedFrom(parseRules(text, source), source));
}

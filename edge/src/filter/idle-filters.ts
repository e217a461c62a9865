/** Filters that keep nothing back, because rules of the gateway look at all that they select. */
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { selectorOf } from "@causeway/shared/rules/selector.ts";
import type { Filter } from "./filter-settings.ts";

/** As far as patterns tell; what only names will tell is not said. */
export function idleFilters(filters: readonly Filter[], rules: readonly Rule[]): readonly string[] {
  return filters.flatMap((filter, index) => {
    const rule = filter.pass ? undefined : rules.find((each) => coversAll(each, filter));
    if (rule === undefined) return [];
    const what = `filters.${index}${filter.name === undefined ? "" : ` (${filter.name})`}`;
    const why = `rule ${rule.name} of the gateway looks at all that it selects`;
    return [`${what} keeps nothing back: ${why}, and readings that rules need pass`];
  });
}

function coversAll(rule: Rule, filter: Filter): boolean {
  if (rule.mode === "off" || rule.detector === undefined) return false;
  const { gateways, site, labels, tags, family } = rule;
  if ([gateways, site, labels, tags, family].some((chosen) => chosen !== undefined)) return false;
  return covers(rule.devices, filter.devices) && covers(rule.metrics, filter.metrics);
}

function covers(wide: readonly string[], narrow: readonly string[]): boolean {
  if (wide.every((pattern) => pattern === "*") || wide.join("\n") === narrow.join("\n"))
    return true;
  const isName = (pattern: string) => !/[*!\\]/.test(pattern);
  return narrow.every(isName) && narrow.every(selectorOf(wide));
}

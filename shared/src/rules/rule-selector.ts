/**
 * Whom a rule looks at. What a gateway or a device does not have, a site, a family or a label, is
 * selected by a list of exclusions alone.
 */
import type { DeviceFacts, GatewayFacts } from "./fleet.ts";
import type { Rule } from "./rule.ts";
import type { Selects } from "./selector.ts";
import { selectorOf } from "./selector.ts";

export interface RuleSelector {
  /** Its site included. */
  gateway(id: string, facts: GatewayFacts): boolean;
  site(name: string): boolean;
  device(id: string, facts: DeviceFacts): boolean;
  metric(name: string): boolean;
}

/** Whom patterns of names, sites and labels mean. */
export function gatewaySelectorOf({
  gateways,
  site,
  labels = {},
}: Pick<Rule, "gateways" | "site" | "labels">): RuleSelector["gateway"] {
  const [names, sites] = [optional(gateways), optional(site)];
  const byLabel = Object.entries(labels).map(([label, patterns]) => {
    return [label, selectorOf(patterns), isExcluding(patterns)] as const;
  });
  return (id, facts) =>
    names(id) &&
    sites(facts.site) &&
    byLabel.every(([label, selects, ifMissing]) => {
      const value = Object.hasOwn(facts.labels, label) ? facts.labels[label] : undefined;
      return value === undefined ? ifMissing : selects(value);
    });
}

export function ruleSelectorOf(rule: Rule): RuleSelector {
  const [gateway, site] = [gatewaySelectorOf(rule), optional(rule.site)];
  const [devices, metrics] = [selectorOf(rule.devices), selectorOf(rule.metrics)];
  const families = optional(rule.family);
  const tags = rule.tags ?? [];
  return {
    gateway: (id, facts) => !facts.isOut && gateway(id, facts),
    site,
    device: (id, facts) =>
      !facts.isOut &&
      devices(id) &&
      families(facts.family) &&
      tags.every((tag) => facts.tags.includes(tag)),
    metric: metrics,
  };
}

/** Of something that may be missing, which is told as "". */
function optional(patterns: readonly string[] | undefined): Selects {
  if (patterns === undefined) return () => true;
  const [selects, ifMissing] = [selectorOf(patterns), isExcluding(patterns)];
  return (name) => (name === "" ? ifMissing : selects(name));
}

function isExcluding(patterns: readonly string[]): boolean {
  return patterns.every((pattern) => pattern.startsWith("!"));
}

/** Where the rules are from, as Prometheus metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { HotRulesStatus } from "./hot-rules.ts";

const { gauge, counter } = metricsOf("causeway_rules_");

export function rulesMetrics({ refused, revision, changes }: HotRulesStatus): readonly Metric[] {
  return [
    gauge("refused", "Places whose rules cannot be used; those before go on", refused.length),
    gauge("key_revision", "Revision of the rules in bucket RULES, 0 without", revision),
    counter("changes_total", "Times that other rules were wanted", changes),
  ];
}

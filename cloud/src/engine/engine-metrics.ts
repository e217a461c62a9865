/** The engine's status as Prometheus metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { GroupLeases } from "../leases/leases.ts";
import type { EngineStatus } from "./engine.ts";
import type { RuleCounts } from "./rule-counts.ts";

const { gauge, counter } = metricsOf("causeway_engine_");

export function ruleMetrics(rules: ReadonlyMap<string, Readonly<RuleCounts>>): readonly Metric[] {
  return [...rules].flatMap(([rule, { evaluationErrors, refused }]) => [
    counter(
      "rule_evaluation_errors_total",
      "Expressions that could not be evaluated, and counted as false",
      evaluationErrors,
      { rule },
    ),
    counter(
      "rule_refused_total",
      "Readings and events that were not judged for want of room",
      refused,
      { rule },
    ),
  ]);
}

/** What keeps the process from being ready; one that others leave nothing to is. */
export function engineReasons(status: EngineStatus, leases: GroupLeases): readonly string[] {
  const { phase, lastFault, missingRules } = status;
  const isSpare = phase === "standby" && leases.isFresh() && leases.wanted().size === 0;
  const why = lastFault === undefined ? "" : `: ${lastFault}`;
  return [
    ...(phase === "running" || isSpare ? [] : [`the engine is ${phase}${why}`]),
    ...(missingRules === undefined
      ? []
      : [`rule set ${missingRules} is missing: restart the cloud to announce its rules`]),
  ];
}

export function engineMetrics(status: EngineStatus): readonly Metric[] {
  const missing = status.missingRules === undefined ? 0 : 1;
  return [
    gauge("running", "1 while the engine reads the journal", status.phase === "running" ? 1 : 0),
    gauge("partitions", "Of the 64, how many this process has", status.partitions),
    gauge("journal_sequence", "Last journal message worked off", status.sequence),
    counter("commits_total", "Commits", status.commits),
    counter("snapshots_total", "Snapshots of partitions stored", status.snapshots),
    counter("take_overs_total", "Times the partitions were taken over", status.takeOvers),
    counter("messages_total", "Journal messages worked off", status.messages),
    counter("events_total", "Events that took effect", status.events),
    counter("readings_total", "Readings that took effect", status.readings),
    counter(
      "replayed_total",
      "Events read again after a take-over, without effect",
      status.replayed,
    ),
    counter("repeats_total", "Batches that held nothing new", status.repeats),
    counter("doubts_total", "Batches that could not be taken", status.doubts),
    counter("dead_letters_total", "Dead letters that were opened", status.dead),
    counter("alert_transitions_total", "Alerts that fired or were resolved", status.transitions),
    counter("shadow_transitions_total", "The same of rules in shadow", status.shadowed),
    counter(
      "alerts_refused_total",
      "Abnormal readings whose alert a gateway had no room for among its open ones: nobody is told",
      status.alertsRefused,
    ),
    counter(
      "slowdowns_total",
      "Times that a gateway beyond its quota was told what it may send",
      status.slowdowns,
    ),
    counter("derived_events_total", "Events that rules emitted", status.derived),
    counter(
      "derived_events_refused_total",
      "Derived events that one journal message had no room for",
      status.derivedRefused,
    ),
    counter(
      "site_inputs_total",
      "Readings, events and times that sites were told",
      status.siteInputs,
    ),
    counter(
      "site_inputs_refused_total",
      "Readings and events for sites that one journal message had no room for",
      status.siteInputsRefused,
    ),
    gauge("tick", "Number of the last tick worked off", status.tick),
    gauge("rules_missing", "1 while rules that a tick names cannot be loaded", missing),
    counter(
      "missing_total",
      "Journal messages that were gone before they were read",
      status.missing,
    ),
    counter("passed_total", "Positions that the journal lost and a mark covers", status.passed),
  ];
}

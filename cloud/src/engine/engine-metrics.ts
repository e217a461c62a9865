/** The engine's status as Prometheus metrics. */
import type { Metric } from "../api/metric.ts";
import type { EngineStatus } from "./engine.ts";

export function engineMetrics(status: EngineStatus): readonly Metric[] {
  const gauge = (name: string, help: string, value: number): Metric => ({
    name: `causeway_engine_${name}`,
    help,
    kind: "gauge",
    value,
  });
  const counter = (name: string, help: string, value: number): Metric => ({
    name: `causeway_engine_${name}_total`,
    help,
    kind: "counter",
    value,
  });
  const missing = status.missingRules === undefined ? 0 : 1;
  return [
    gauge("running", "1 while the engine reads the journal", status.phase === "running" ? 1 : 0),
    gauge("journal_sequence", "Last journal message worked off", status.sequence),
    counter("commits", "Commits", status.commits),
    counter("snapshots", "Snapshots of partitions stored", status.snapshots),
    counter("take_overs", "Times the partitions were taken over", status.takeOvers),
    counter("messages", "Journal messages worked off", status.messages),
    counter("events", "Events that took effect", status.events),
    counter("readings", "Readings that took effect", status.readings),
    counter("replayed", "Events read again after a take-over, without effect", status.replayed),
    counter("repeats", "Batches that held nothing new", status.repeats),
    counter("doubts", "Batches that could not be taken", status.doubts),
    counter("dead_letters", "Events or batches that could not be read", status.dead),
    counter("alert_transitions", "Alerts that fired or were resolved", status.transitions),
    gauge("tick", "Number of the last tick worked off", status.tick),
    gauge("rules_missing", "1 while rules that a tick names cannot be loaded", missing),
    counter("missing", "Journal messages that were gone before they were read", status.missing),
    counter("passed", "Positions that the journal lost and a mark covers", status.passed),
  ];
}

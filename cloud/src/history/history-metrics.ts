/** The history as Prometheus metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { HistoryStatus } from "./system-history.ts";

const { gauge, counter } = metricsOf("causeway_history_");

export function historyMetrics({ feed, desk, stored }: HistoryStatus): readonly Metric[] {
  return [
    gauge("writing", "1 while this process writes the history", feed.phase === "running" ? 1 : 0),
    gauge("stream_sequence", "Last message of the journal that was read", feed.sequence),
    counter("rows_total", "Readings, and windows of readings, that were written", feed.rows),
    counter("losses_total", "Stretches of lost positions that were written", feed.losses),
    counter("writes_total", "Transactions", feed.writes),
    counter("interruptions_total", "Times that writing was interrupted", feed.interruptions),
    counter("queries_total", "Queries that were answered", desk.served),
    counter("queries_refused_total", "Queries that were refused, as too many ran", desk.refused),
    gauge("queries_running", "Queries that run, and that wait", desk.running + desk.waiting),
    gauge("stored_rows", "Readings that are kept", stored.rows),
    gauge("stored_series", "Series that are kept", stored.series),
    gauge("stored_bytes", "Disk that they take, where it can be told", stored.bytes),
  ];
}

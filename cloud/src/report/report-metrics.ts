/** The stage of reports as Prometheus metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { ReportStatus } from "./report-stage.ts";

const { gauge, counter } = metricsOf("causeway_reports_");

export function reportMetrics(status: ReportStatus): readonly Metric[] {
  const { phase, sequence, made, takeOvers } = status;
  return [
    gauge("running", "1 while this process makes the reports", phase === "running" ? 1 : 0),
    gauge("stream_sequence", "Last message of the journal that was counted", sequence),
    counter("made_total", "Reports that this process made", made),
    counter("take_overs_total", "Times that this process took the reports over", takeOvers),
  ];
}

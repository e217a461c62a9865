/** The clock's status as Prometheus metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import { noTickMs } from "./tick-watch.ts";
import type { TickerStatus } from "./ticker.ts";

const { gauge, counter } = metricsOf("causeway_clock_");

export function tickReasons({ isOverdue }: TickerStatus): readonly string[] {
  return isOverdue ? [`no tick for ${noTickMs / 1_000} s`] : [];
}

export function tickMetrics(status: TickerStatus): readonly Metric[] {
  return [
    gauge("tick", "Number of the journal's newest tick", status.number),
    gauge("silent_ms", "How long the newest tick has been the newest", status.silentMs),
    gauge("ahead_ms", "How far its time is ahead of this machine's", status.aheadMs),
    counter("ticks_written_total", "Ticks that this process wrote", status.written),
  ];
}

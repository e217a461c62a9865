/** The clock's status as Prometheus metrics. */
import type { Metric } from "../api/metric.ts";
import type { TickerStatus } from "./ticker.ts";

export function tickMetrics(status: TickerStatus): readonly Metric[] {
  const gauge = (name: string, help: string, value: number): Metric => ({
    name: `causeway_clock_${name}`,
    help,
    kind: "gauge",
    value,
  });
  return [
    gauge("tick", "Number of the journal's newest tick", status.number),
    gauge("silent_ms", "How long the newest tick has been the newest", status.silentMs),
    gauge("ahead_ms", "How far its time is ahead of this machine's", status.aheadMs),
    {
      name: "causeway_clock_ticks_written_total",
      help: "Ticks that this process wrote",
      kind: "counter",
      value: status.written,
    },
  ];
}

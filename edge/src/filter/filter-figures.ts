/** What filters keep back, for the status page and Prometheus. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { FilterCounts } from "./filter-counts.ts";
import { reasons } from "./filter-series.ts";
import type { FilterStatus } from "./reading-filter.ts";

const { gauge, counter } = metricsOf("causeway_edge_filter_");
const filtersShownMax = 20;

export function filterMetrics(status: FilterStatus | undefined): readonly Metric[] {
  if (status === undefined) return [];
  const { filters, series, held, bytes, needed, beyond } = status;
  return [
    ...filters.flatMap(({ name, passed, suppressed }) => [
      counter("passed_total", "Readings that a filter let pass as they came", passed, {
        filter: name,
      }),
      ...reasons.map((reason) =>
        counter(
          "suppressed_total",
          "Readings that were never sent, by filter and reason, restarts included",
          suppressed[reason],
          { filter: name, reason },
        ),
      ),
    ]),
    gauge("held", "Readings that wait to be sent, or gather in windows", held),
    gauge("series", "Series that filters keep something of", series),
    gauge("state_bytes", "Bytes of that on the disk", bytes),
    counter("needed_total", "Readings that passed for a rule of the gateway", needed),
    counter("beyond_total", "Readings that passed for want of room", beyond),
  ];
}

export function filterRows(status: FilterStatus): readonly (readonly [string, string])[] {
  const { filters, series, held, needed, beyond } = status;
  const shown = filters.slice(0, filtersShownMax);
  const more = filters.length - shown.length;
  return [
    ...shown.map((counts) => [`Filter ${counts.name}`, countsText(counts)] as const),
    ...(more > 0 ? [["", `and ${more} more`] as const] : []),
    ["Held", `${held} readings of ${series} series wait to be sent, or gather`],
    ...(needed === 0 ? [] : [["Passed for local rules", `${needed} readings`] as const]),
    ...(beyond === 0 ? [] : [["Passed for want of room", `${beyond} readings`] as const]),
  ];
}

function countsText({ passed, suppressed }: FilterCounts): string {
  const { deadband, rate, downsample } = suppressed;
  const parts = [
    ...(deadband === 0 ? [] : [`${deadband} within the deadband`]),
    ...(rate === 0 ? [] : [`${rate} within the rate limit`]),
    ...(downsample === 0 ? [] : [`${downsample} told by the figures of their windows`]),
  ];
  return `${passed} passed; suppressed: ${parts.join(", ") || "none"}`;
}

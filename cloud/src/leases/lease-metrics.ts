/** The leases of a process as Prometheus metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { LeasesStatus } from "./leases.ts";

const { gauge } = metricsOf("causeway_cloud_");

export function leaseMetrics({ workers, held, fault }: LeasesStatus): readonly Metric[] {
  return [
    gauge("workers", "Processes that share the work, as this one sees them", workers),
    gauge("leases_read", "1 while the table of leases is read", fault === undefined ? 1 : 0),
    ...[...held].map(([group, count]) =>
      gauge("leases_held", "Leases that this process holds", count, { group }),
    ),
  ];
}

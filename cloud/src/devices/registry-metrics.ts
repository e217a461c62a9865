/** What the registry tells, as metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { Registry } from "./registry.ts";

const { gauge, counter } = metricsOf("causeway_cloud_registry_");

interface Status {
  readonly sequence: number;
  readonly isKeeper: boolean;
  readonly sessions: number;
  readonly waitingFor: string | undefined;
}

export function registryMetrics(
  { gateways, devices, events }: Registry,
  { sequence, isKeeper, sessions, waitingFor }: Status,
): readonly Metric[] {
  let [devicesBeyond, metricsBeyond] = [0, 0];
  for (const row of gateways.values()) {
    devicesBeyond += row.devicesBeyond;
    metricsBeyond += row.metricsBeyond;
  }
  return [
    gauge("gateways", "Gateways in the registry", gateways.size),
    gauge("devices", "Devices in the registry", devices),
    counter("events_total", "Events worked off since it was loaded", events),
    gauge("devices_beyond", "Events of devices beyond a bound", devicesBeyond),
    gauge("metrics_beyond", "Readings of metrics beyond a bound", metricsBeyond),
    gauge("sequence", "Last message of the journal that was read", sequence),
    gauge("keeper", "1 where this process keeps it", isKeeper ? 1 : 0),
    counter("sessions_total", "Times it was loaded", sessions),
    gauge("reading", "1 while the journal is read", waitingFor === undefined ? 1 : 0),
  ];
}

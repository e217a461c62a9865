/** The desk's status as figures for Prometheus. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { CommandDeskStatus } from "./nats-command-desk.ts";

const { gauge, counter } = metricsOf("causeway_cloud_");

export function deskMetrics({ waiting, folded, consumers }: CommandDeskStatus): readonly Metric[] {
  return [
    counter("command_replies_total", "Reply events that were folded into states", folded),
    gauge("command_replies_waiting", "Reply events that wait to be folded", waiting),
    gauge("command_consumers", "Gateways that have a consumer for their commands", consumers),
  ];
}

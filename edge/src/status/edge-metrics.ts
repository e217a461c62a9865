/** The gateway's status as figures for Prometheus. */
import type { SourceStatus } from "../broker/mqtt-source.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { healthOf } from "./edge-status.ts";
import type { Metric } from "./metric.ts";
import { outboxMetrics } from "./outbox-figures.ts";

export function edgeMetrics(status: EdgeStatus): readonly Metric[] {
  const { uplink, outbox, intake, broker, pump } = status;
  const gauge = (name: string, help: string, value: number): Metric => ({
    name,
    help,
    kind: "gauge",
    value,
  });
  const counter = (name: string, help: string, value: number): Metric => ({
    name,
    help,
    kind: "counter",
    value,
  });
  return [
    gauge(
      "causeway_edge_healthy",
      "1 while what devices send is kept and taken, as `causeway-edge status` tells",
      healthOf(status).isHealthy ? 1 : 0,
    ),
    gauge(
      "causeway_edge_ready",
      "1 while devices are acknowledged",
      outbox.obstacle === undefined ? 1 : 0,
    ),
    gauge(
      "causeway_edge_link_up",
      "1 while the link to the cloud is up",
      uplink.link === "up" ? 1 : 0,
    ),
    gauge(
      "causeway_edge_untaken_events",
      "Events appended and not taken by the cloud",
      uplink.untakenEvents,
    ),
    gauge(
      "causeway_edge_unsent_events",
      "Events not sent since the last go-back",
      uplink.unsentEvents,
    ),
    gauge("causeway_edge_outbox_bytes", "Bytes of blocks in the outbox", outbox.bytes),
    ...outboxMetrics(outbox, status.disk),
    gauge("causeway_edge_pending_bytes", "Bytes that wait for their sync", outbox.pendingBytes),
    gauge(
      "causeway_edge_taken_age_seconds",
      "Seconds since the cloud last took something, -1 for never",
      ageSeconds(status),
    ),
    gauge(
      "causeway_edge_clock_synchronised",
      "1 once the boot's offset is fixed",
      status.clock.isDated ? 1 : 0,
    ),
    gauge(
      "causeway_edge_clock_ahead_seconds",
      "How far the wall clock is ahead of the time by which events are dated",
      status.clock.wallAheadMs / 1_000,
    ),
    counter("causeway_edge_clock_jumps_total", "Jumps of the wall clock", status.clock.jumps),
    gauge("causeway_edge_mqtt_connections", "Open MQTT connections", broker.connections),
    counter("causeway_edge_published_total", "Publishes acknowledged", broker.published),
    counter(
      "causeway_edge_refused_total",
      "Publishes refused, their connection closed",
      broker.refused,
    ),
    counter("causeway_edge_denied_publishes_total", "Denied by the ACL", broker.deniedPublishes),
    counter("causeway_edge_denied_subscribes_total", "Denied by the ACL", broker.deniedSubscribes),
    gauge(
      "causeway_edge_access_files_refused",
      "Changed files that could not be used, what was before them is in force",
      status.access.refusedFiles,
    ),
    ...certificateMetric(status),
    ...status.sources.flatMap(sourceMetrics),
    counter("causeway_edge_readings_total", "Readings decoded", intake.readings),
    counter("causeway_edge_quarantined_total", "Publishes quarantined", intake.quarantined),
    counter("causeway_edge_appended_total", "Events appended and synced", outbox.appended),
    counter("causeway_edge_groups_total", "Group commits", outbox.groups),
    counter(
      "causeway_edge_poisonings_total",
      "Failed writes that closed the store",
      outbox.poisonings,
    ),
    counter("causeway_edge_batches_total", "Batches published", pump.batches),
    counter("causeway_edge_batch_bytes_total", "Compressed bytes of published batches", pump.bytes),
    counter("causeway_edge_publish_failures_total", "Batches refused or unanswered", pump.failures),
    counter(
      "causeway_edge_go_backs_total",
      "Times a lane went back behind the mark",
      uplink.goBacks,
    ),
    counter(
      "causeway_edge_redials_total",
      "Connections given up that only seemed to be open",
      uplink.redials,
    ),
    counter("causeway_edge_sent_events_total", "Events published, repeats included", pump.events),
    gauge("causeway_edge_troubles", "What keeps events from being taken", uplink.troubles.length),
    gauge(
      "causeway_edge_cap_bytes_per_second",
      "What the cloud allows to send, -1 for no cap",
      uplink.capBytesPerSecond ?? -1,
    ),
    counter(
      "causeway_edge_rollbacks_total",
      "Times the cloud was found rolled back",
      uplink.rollbacks,
    ),
  ];
}

function sourceMetrics({ name, isConnected, taken, tooLarge, dropped }: SourceStatus): Metric[] {
  const of = (metric: string, help: string, value: number, kind: Metric["kind"]): Metric => {
    return { name: `causeway_edge_source_${metric}`, help, kind, value, labels: { source: name } };
  };
  return [
    of("up", "1 while connected to the broker that is read from", isConnected ? 1 : 0, "gauge"),
    of("taken_total", "Messages that became events", taken, "counter"),
    of("lost_total", "Too large, or of QoS 0 and refused", tooLarge + dropped, "counter"),
  ];
}

function certificateMetric({ access }: EdgeStatus): Metric[] {
  const { certificateDaysLeft: value } = access;
  const help = "Days that the listener's certificate that ends first holds; below zero: expired";
  if (value === undefined) return [];
  return [{ name: "causeway_edge_certificate_days_left", help, kind: "gauge", value }];
}

function ageSeconds({ takenAgoMs }: EdgeStatus): number {
  return takenAgoMs === undefined ? -1 : takenAgoMs / 1_000;
}

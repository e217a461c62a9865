/** The gateway's status as figures for Prometheus. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { SourceStatus } from "../broker/mqtt-source.ts";
import { filterMetrics } from "../filter/filter-figures.ts";
import { budgetMetrics } from "./budget-figures.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { healthOf } from "./edge-status.ts";
import { outboxMetrics } from "./outbox-figures.ts";

const { gauge, counter } = metricsOf("causeway_edge_");

export function edgeMetrics(status: EdgeStatus): readonly Metric[] {
  const { uplink, outbox, intake, broker, pump } = status;
  return [
    gauge(
      "healthy",
      "1 while what devices send is kept and taken, as `causeway-edge status` tells",
      healthOf(status).isHealthy ? 1 : 0,
    ),
    gauge("ready", "1 while devices are acknowledged", outbox.obstacle === undefined ? 1 : 0),
    gauge("link_up", "1 while the link to the cloud is up", uplink.link === "up" ? 1 : 0),
    gauge("untaken_events", "Events appended and not taken by the cloud", uplink.untakenEvents),
    gauge("unsent_events", "Events not sent since the last go-back", uplink.unsentEvents),
    ...Object.entries(uplink.lanes).map(([lane, { untakenEvents }]) =>
      gauge("lane_untaken_events", "Of the events not taken, those of a lane", untakenEvents, {
        lane,
      }),
    ),
    counter("jumps_total", "Times that fresh data went ahead of a backlog", uplink.jumps),
    gauge("outbox_bytes", "Bytes of blocks in the outbox", outbox.bytes),
    ...outboxMetrics(outbox, status.disk),
    gauge("pending_bytes", "Bytes that wait for their sync", outbox.pendingBytes),
    gauge(
      "taken_age_seconds",
      "Seconds since the cloud last took something, -1 for never",
      ageSeconds(status),
    ),
    gauge("clock_synchronised", "1 once the boot's offset is fixed", status.clock.isDated ? 1 : 0),
    gauge(
      "clock_ahead_seconds",
      "How far the wall clock is ahead of the time by which events are dated",
      status.clock.wallAheadMs / 1_000,
    ),
    counter("clock_jumps_total", "Jumps of the wall clock", status.clock.jumps),
    gauge("mqtt_connections", "Open MQTT connections", broker.connections),
    counter("published_total", "Publishes acknowledged", broker.published),
    counter("refused_total", "Publishes refused, their connection closed", broker.refused),
    counter("denied_publishes_total", "Denied by the ACL", broker.deniedPublishes),
    counter("denied_subscribes_total", "Denied by the ACL", broker.deniedSubscribes),
    gauge(
      "access_files_refused",
      "Changed files that could not be used, what was before them is in force",
      status.access.refusedFiles,
    ),
    gauge("shared_client_ids", "Ids by which clients throw each other out", broker.sharedIds),
    ...certificateMetric(status),
    ...status.sources.flatMap(sourceMetrics),
    ...commandMetrics(status),
    ...filterMetrics(status.filter),
    ...alarmMetrics(status),
    counter("readings_total", "Readings decoded", intake.readings),
    counter("quarantined_total", "Publishes quarantined", intake.quarantined),
    ...routeMetrics(status),
    gauge("described_entries", "What devices told of themselves", intake.described),
    counter("described_given_up_total", "Of that, given up at its bound", intake.undescribed),
    counter("rebirths_asked_total", "Births that Sparkplug nodes were asked for", intake.asked),
    ...inspectionMetrics(status),
    counter("appended_total", "Events appended and synced", outbox.appended),
    counter("groups_total", "Group commits", outbox.groups),
    counter("poisonings_total", "Failed writes that closed the store", outbox.poisonings),
    counter("batches_total", "Batches published", pump.batches),
    counter("batch_bytes_total", "Compressed bytes of published batches", pump.bytes),
    counter("publish_failures_total", "Batches refused or unanswered", pump.failures),
    counter("go_backs_total", "Times a lane went back behind the mark", uplink.goBacks),
    counter("dials_total", "Connections that were tried", status.dial.dials),
    counter("failed_dials_total", "Of them, those that failed", status.dial.failedDials),
    counter("server_moves_total", "Times it went to a better server", status.dial.moves),
    counter("redials_total", "Connections given up that only seemed to be open", uplink.redials),
    counter("sent_events_total", "Events published, repeats included", pump.events),
    gauge("troubles", "What keeps events from being taken", uplink.troubles.length),
    ...budgetMetrics(uplink),
    counter("rollbacks_total", "Times the cloud was found rolled back", uplink.rollbacks),
  ];
}

function routeMetrics({ routes, intake }: EdgeStatus): Metric[] {
  if (routes === undefined) return [];
  const isRefused = routes.refused !== undefined;
  return [
    gauge("routes", "Routes of topics in force", routes.routes),
    gauge("routes_refused", "1 while the routes' file cannot be used", isRefused ? 1 : 0),
    counter("route_dropped_total", "Messages that their route drops whole", intake.dropped),
    counter("route_repeats_total", "Repeats by the key that a route names", intake.keyed),
  ];
}

function inspectionMetrics({ inspection }: EdgeStatus): Metric[] {
  const { topics, topicsRefusing, devices, devicesHeard } = inspection;
  return [
    gauge("topics", "Topics that are listed", topics),
    gauge("topics_refusing", "Of these, those whose last message was quarantined", topicsRefusing),
    gauge("devices", "Devices that are listed", devices),
    gauge("devices_heard", "Of these, those that published in the last minute", devicesHeard),
    counter("topics_beyond_total", "Messages on topics beyond the list", inspection.topicsBeyond),
    counter("devices_beyond_total", "Messages of devices beyond it", inspection.devicesBeyond),
    counter("metrics_beyond_total", "Metrics seen beyond the list", inspection.metricsBeyond),
    gauge("inspect_readers", "Readers of the live stream", inspection.readers),
    counter("inspect_dropped_total", "Messages that they were not shown", inspection.dropped),
  ];
}

function commandMetrics({ downlink: { figures, counters, trouble } }: EdgeStatus): Metric[] {
  const { done, failed, expired, refused } = counters;
  const ended = (state: string, count: number) =>
    counter("commands_ended_total", "Commands by their last word", count, { state });
  return [
    gauge("commands_open", "Commands that are not closed", figures.open),
    gauge("commands_unwanted", "Of these, those that no client takes", figures.unwanted),
    gauge("commands_fetching", "1 while commands can come", trouble === undefined ? 1 : 0),
    counter("commands_fetched_total", "Commands fetched, repeats included", counters.fetched),
    ...[ended("done", done), ended("failed", failed)],
    ...[ended("expired", expired), ended("refused", refused)],
  ];
}

function alarmMetrics({ alarms }: EdgeStatus): Metric[] {
  if (alarms?.rules === undefined) return [];
  const { rules, receivers } = alarms;
  const { judged, behind, missed, series, readingsBeyond, alarmsRefused, refused } = rules;
  return [
    gauge("alarms_open", "Alarms of local rules that are open", rules.openCount),
    counter("rules_judged_readings_total", "Readings that local rules judged", judged),
    gauge("rules_behind_events", "Events that wait for local rules", behind),
    counter("rules_missed_events_total", "Events given up before rules judged them", missed),
    gauge("rules_series", "Series that local rules know", series),
    counter("rules_beyond_readings_total", "Readings of more series than they may", readingsBeyond),
    counter("alarms_refused_total", "Alarms beyond the bound of those remembered", alarmsRefused),
    gauge("rules_refused", "1 while the rules' file cannot be used", refused === undefined ? 0 : 1),
    ...receivers.flatMap(({ receiver, delivered, retries, dead, outstanding }) => {
      const labels = { receiver };
      return [
        counter("receiver_delivered_total", "Notifications taken", delivered, labels),
        counter("receiver_retries_total", "Tries that failed", retries, labels),
        counter("receiver_dead_total", "Notifications given up", dead, labels),
        gauge("receiver_outstanding", "Notifications on their way", outstanding, labels),
      ];
    }),
  ];
}

function sourceMetrics({ name, isConnected, taken, tooLarge, dropped }: SourceStatus): Metric[] {
  const labels = { source: name };
  const up = isConnected ? 1 : 0;
  return [
    gauge("source_up", "1 while connected to the broker that is read from", up, labels),
    counter("source_taken_total", "Messages that became events", taken, labels),
    counter("source_lost_total", "Too large, or of QoS 0 and refused", tooLarge + dropped, labels),
  ];
}

function certificateMetric({ access }: EdgeStatus): Metric[] {
  const { certificateDaysLeft: days } = access;
  const help = "Days that the listener's certificate that ends first holds; below zero: expired";
  return days === undefined ? [] : [gauge("certificate_days_left", help, days)];
}

function ageSeconds({ takenAgoMs }: EdgeStatus): number {
  return takenAgoMs === undefined ? -1 : takenAgoMs / 1_000;
}

/** What the view, its clients and the receivers tell, as metrics. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { ReceiverStatus } from "../notify/nats-notifier.ts";
import type { DeadGroup } from "../views/dead-table.ts";
import { deadKinds } from "../views/dead-table.ts";
import type { ViewCounters } from "../views/fleet-view.ts";
import type { FeedStatus, ViewFeedStatus } from "../views/nats-view-feed.ts";

const { gauge, counter } = metricsOf("causeway_cloud_");

interface ClientCounts {
  readonly count: number;
  readonly dropped: number;
}

/** Counters of the view restart with it: they count since the journal's first message. */
export function viewMetrics(counters: ViewCounters): readonly Metric[] {
  return [
    counter("view_events_total", "Events in the journal", counters.events),
    counter("view_readings_total", "Readings in the journal", counters.readings),
    counter("view_late_total", "Events that came late", counters.late),
    counter("view_lost_total", "Events that gateways state as lost", counters.lost),
    counter("view_quarantined_total", "Events that are quarantined", counters.quarantined),
    counter("view_dead_total", "Items that cannot be read", counters.dead),
    counter("view_repeats_total", "Batches that brought nothing new", counters.repeats),
    counter("view_doubts_total", "Batches that will come again", counters.doubts),
    counter("view_evicted_series_total", "Series given up at the bound", counters.seriesEvicted),
    gauge("gateways", "Gateways seen", counters.gateways),
    gauge("series", "Series shown", counters.series),
    gauge("open_alerts", "Alerts that are firing", counters.alertsOpen),
  ];
}

/** Open ones, by what they are. */
export function letterMetrics(groups: readonly DeadGroup[]): readonly Metric[] {
  return deadKinds.map((kind) => {
    const own = groups.filter((group) => group.kind === kind);
    const open = own.reduce((sum, { count, counted }) => sum + count + counted, 0);
    return gauge("dead_letters_open", "Dead letters that nobody has settled", open, { kind });
  });
}

export function clientMetrics({ count, dropped }: ClientCounts): readonly Metric[] {
  return [
    gauge("stream_clients", "Open streams", count),
    counter("stream_dropped_total", "Slow clients cut", dropped),
  ];
}

export function feedMetrics({ events, alerts, derived }: ViewFeedStatus): readonly Metric[] {
  const of = (feed: string, status: FeedStatus) => [
    gauge("feed_sequence", "Last message read for the view", status.sequence, { feed }),
    gauge("feed_reading", "1 while it is read", status.waitingFor === undefined ? 1 : 0, { feed }),
    counter("feed_interruptions_total", "Readings broken off", status.interruptions, { feed }),
    counter("feed_rebuilds_total", "Times found rolled back", status.rebuilds, { feed }),
  ];
  return [...of("events", events), ...of("alerts", alerts), ...of("derived", derived)];
}

export function receiverMetrics(receivers: readonly ReceiverStatus[]): readonly Metric[] {
  return receivers.flatMap(({ receiver, delivered, retries, dead, ...status }) => [
    counter("notifications_total", "Notifications delivered", delivered, { receiver }),
    counter("notification_retries_total", "Tries that failed", retries, { receiver }),
    counter("notifications_dead_total", "Notifications refused or given up", dead, { receiver }),
    gauge("notifications_outstanding", "On their way", status.outstanding, { receiver }),
    gauge("notifier_alerts", "Alerts followed", status.alerts, { receiver }),
    counter("notifier_unfollowed_total", "Beyond the bound", status.unfollowed, { receiver }),
    gauge("receiver_up", "0 while it is waited for", status.waitingFor === undefined ? 1 : 0, {
      receiver,
    }),
  ]);
}

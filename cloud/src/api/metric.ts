/** What /metrics tells, as a list; http-metrics.ts writes it in Prometheus' form. */
import type { ReceiverStatus } from "../notify/nats-notifier.ts";
import type { ViewCounters } from "../views/fleet-view.ts";
import type { FeedStatus, ViewFeedStatus } from "../views/nats-view-feed.ts";

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
  /** The same keys in every metric of one name. */
  readonly labels?: Readonly<Record<string, string>>;
}

type Labels = Readonly<Record<string, string>>;

function gauge(name: string, help: string, value: number, labels: Labels = {}): Metric {
  return { name: `causeway_cloud_${name}`, help, kind: "gauge", value, labels };
}

function counter(name: string, help: string, value: number, labels: Labels = {}): Metric {
  return { name: `causeway_cloud_${name}`, help, kind: "counter", value, labels };
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

export function feedMetrics({ events, alerts }: ViewFeedStatus): readonly Metric[] {
  const of = (feed: string, status: FeedStatus) => [
    gauge("feed_sequence", "Last message read for the view", status.sequence, { feed }),
    gauge("feed_reading", "1 while it is read", status.waitingFor === undefined ? 1 : 0, { feed }),
    counter("feed_interruptions_total", "Readings broken off", status.interruptions, { feed }),
    counter("feed_rebuilds_total", "Times found rolled back", status.rebuilds, { feed }),
  ];
  return [...of("events", events), ...of("alerts", alerts)];
}

export function receiverMetrics(receivers: readonly ReceiverStatus[]): readonly Metric[] {
  return receivers.flatMap(({ receiver, delivered, retries, dead, late, waitingFor }) => [
    counter("notifications_total", "Transitions delivered", delivered, { receiver }),
    counter("notification_retries_total", "Tries that failed", retries, { receiver }),
    counter("notifications_dead_total", "Transitions refused or given up", dead, { receiver }),
    counter("notifications_late_total", "Late transitions, not sent", late, { receiver }),
    gauge("receiver_up", "0 while it is waited for", waitingFor === undefined ? 1 : 0, {
      receiver,
    }),
  ]);
}

/** The stage of sites as Prometheus metrics, and what /readyz says of it. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { SiteStageStatus } from "./site-stage.ts";

const { gauge, counter } = metricsOf("causeway_sites_");

/** So far behind the journal's clock it is told as not ready. */
export const lagMsMax = 60_000;

/** How far the newest tick that it has worked off lies back; 0 while no rule looks at sites. */
export function siteLagMs({ tickAt }: SiteStageStatus, nowMs: number): number {
  return tickAt === undefined ? 0 : Math.max(0, nowMs - tickAt);
}

export function siteReasons(status: SiteStageStatus, nowMs: number): readonly string[] {
  const { phase, lastFault } = status;
  if (phase === "standby") return [];
  if (phase !== "running") {
    return [`the stage of sites is ${phase}${lastFault === undefined ? "" : `: ${lastFault}`}`];
  }
  const lagMs = siteLagMs(status, nowMs);
  if (lagMs < lagMsMax) return [];
  return [`rules by site are ${Math.round(lagMs / 1_000)} s behind`];
}

export function siteMetrics(
  status: SiteStageStatus,
  refused: ReadonlyMap<string, number>,
  nowMs: number,
): readonly Metric[] {
  const seconds = siteLagMs(status, nowMs) / 1_000;
  return [
    gauge("running", "1 while what sites are told is read", status.phase === "running" ? 1 : 0),
    gauge("lag_seconds", "Age of the newest tick that rules by site have worked off", seconds),
    gauge("known", "Sites with a state", status.sites),
    gauge("stream_sequence", "Last message of ENGINE worked off", status.sequence),
    counter("commits_total", "Commits", status.commits),
    counter("messages_total", "Messages worked off", status.messages),
    counter("take_overs_total", "Times the stage was taken over", status.takeOvers),
    counter("alert_transitions_total", "Alerts that fired or were resolved", status.transitions),
    counter("derived_events_total", "Events that rules by site emitted", status.derived),
    counter(
      "derived_events_refused_total",
      "Derived events that one message had no room for",
      status.derivedRefused,
    ),
    ...[...refused].map(([rule, count]) =>
      counter(
        "rule_refused_total",
        "Readings and events that were not judged for want of room",
        count,
        { rule },
      ),
    ),
  ];
}

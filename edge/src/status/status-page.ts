/** The gateway's status as one page without scripts, and as Prometheus metrics. */
import type { BrokerStatus } from "../broker/broker.ts";
import type { GatewayStatus } from "../gateway.ts";

export interface EdgeStatus extends GatewayStatus {
  readonly broker: BrokerStatus;
  readonly version: string;
}

export function statusPage(status: EdgeStatus): string {
  const { uplink, outbox, intake, broker } = status;
  const taken =
    status.takenAgoMs === undefined
      ? "never yet"
      : `${Math.round(status.takenAgoMs / 1_000)} s ago`;
  const rows: readonly [string, string | number][] = [
    ["Link to the cloud", uplink.link],
    ["Troubles", uplink.troubles.join("; ") || "none"],
    ["Cap of the cloud", capText(uplink.capBytesPerSecond)],
    ["Events not yet taken by the cloud", uplink.untakenEvents],
    ["The cloud last took something", taken],
    ["Bytes in the outbox", outbox.bytes],
    ["Epoch", status.epoch],
    ["Events appended since the start", outbox.appended],
    ["Readings since the start", intake.readings],
    ["Quarantined since the start", intake.quarantined],
    ["MQTT connections", broker.connections],
    ["Clock", status.synchronised ? "set" : "not set: events are marked unsynchronised"],
    ["Version", status.version],
  ];
  const body = rows
    .map(
      ([name, value]) =>
        `<tr><th scope="row">${name}</th><td>${escapeHtml(String(value))}</td></tr>`,
    )
    .join("");
  const title = `Gateway ${escapeHtml(status.gateway)}`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="2">
<style>:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:42rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid #8884;font-weight:400}
td{font-variant-numeric:tabular-nums}</style></head>
<body><main><h1>${title}</h1><table>${body}</table></main></body></html>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
}

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
    gauge("causeway_edge_pending_bytes", "Bytes that wait for their sync", outbox.pendingBytes),
    gauge(
      "causeway_edge_taken_age_seconds",
      "Seconds since the cloud last took something, -1 for never",
      ageSeconds(status),
    ),
    gauge(
      "causeway_edge_clock_synchronised",
      "1 once the boot's offset is fixed",
      status.synchronised ? 1 : 0,
    ),
    gauge("causeway_edge_mqtt_connections", "Open MQTT connections", broker.connections),
    counter("causeway_edge_published_total", "Publishes acknowledged", broker.published),
    counter(
      "causeway_edge_refused_total",
      "Publishes refused, their connection closed",
      broker.refused,
    ),
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

function capText(cap: number | undefined): string {
  return cap === undefined ? "none" : `${cap} bytes per second`;
}

function ageSeconds({ takenAgoMs }: EdgeStatus): number {
  return takenAgoMs === undefined ? -1 : takenAgoMs / 1_000;
}

/** The gateway's status as one page: how it is, what comes in, and what it cannot read. */
import { fromText, readAs } from "../inspect/inspect-text.ts";
import { cutTo, printable } from "../inspect/printable.ts";
import type { DeviceList, DeviceView, TopicList, TopicView } from "../inspect/views.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { healthOf, sectionsOf } from "./edge-status.ts";
import type { RowHtml } from "./html.ts";
import { escapeHtml, fitting, pageBytesMax, pageHtml, rowHtml, sectionHtml } from "./html.ts";
import { bytesText, durationText } from "./outbox-figures.ts";

export interface Seen {
  readonly topics: TopicList;
  readonly devices: DeviceList;
}

/** For the frames of the two lists. */
const framesBytes = 400;
const topicCharactersShown = 80;
const detailCharactersShown = 120;
/** A longer topic has no page of its own: it would not fit into an address. */
const linkedCharactersMax = 512;

export function statusPage(status: EdgeStatus, { topics, devices }: Seen): string {
  const title = `Gateway ${escapeHtml(status.gateway)}`;
  const sections = sectionsOf(status).map(({ title: name, rows }) => {
    const escaped = rows.map(([row, value]): RowHtml => [escapeHtml(row), escapeHtml(value)]);
    return sectionHtml(escapeHtml(name), escaped);
  });
  const whole = (body: string) =>
    pageHtml(title, `${healthHtml(status)}${sections.join("")}${body}`);
  const room = pageBytesMax - Buffer.byteLength(whole("")) - framesBytes;
  const topicRows = fitting(topics.topics.map(topicRow).map(rowHtml), room / 2);
  const left = room - Buffer.byteLength(topicRows.join(""));
  const deviceRows = fitting(devices.devices.map(deviceRow).map(rowHtml), left);
  return whole(
    listHtml("Topics", topicRows, topics.total) +
      listHtml("Devices heard of", deviceRows, devices.total),
  );
}

function listHtml(title: string, rows: readonly string[], total: number): string {
  if (total === 0) return "";
  const more = total - rows.length;
  const rest = more > 0 ? rowHtml(["", `and ${more} more`]) : "";
  return `<section><h2>${title}</h2><dl>${rows.join("")}${rest}</dl></section>`;
}

function healthHtml(status: EdgeStatus): string {
  const { isHealthy, reasons } = healthOf(status);
  if (isHealthy) return `<p class="health good">Healthy</p>`;
  const list = reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join("");
  return `<div class="health bad" role="status">Unhealthy<ul>${list}</ul></div>`;
}

function topicRow(view: TopicView): RowHtml {
  const { topic, lastMinute, bytes, agoMs, result } = view;
  const name = escapeHtml(cutTo(printable(topic), topicCharactersShown));
  const link =
    topic.length > linkedCharactersMax
      ? name
      : `<a href="/inspect?topic=${escapeHtml(encodeURIComponent(topic))}">${name}</a>`;
  const by = escapeHtml(readAs(view));
  const how = `${by}, ${lastMinute}/min, ${bytesText(bytes.mean)}, ${agoText(agoMs)}`;
  const why = refusalText(view);
  if (why === undefined) return [link, how];
  const colour = result === "quarantined" ? ' class="bad"' : "";
  return [link, `${how}<br><span${colour}>${escapeHtml(why)}</span>`];
}

/** Undefined where nothing was refused. */
function refusalText({ reason, detail, refused, refusedAgoMs = 0 }: TopicView): string | undefined {
  if (reason === undefined) return undefined;
  const what = cutTo(printable(`${reason}: ${detail}`), detailCharactersShown);
  return `${refused} refused, ${agoText(refusedAgoMs)}: ${what}`;
}

function deviceRow(view: DeviceView): RowHtml {
  const { device, lastMinute, bytes, agoMs, metrics, moreMetrics } = view;
  const count = `metrics: ${metrics.length}${moreMetrics ? "+" : ""}`;
  const how = `${lastMinute}/min, ${bytesText(bytes.mean)}, ${count}, ${agoText(agoMs)}`;
  const from = cutTo(printable(fromText(view)), detailCharactersShown);
  const name = escapeHtml(cutTo(printable(device), topicCharactersShown));
  return [name, from === "" ? how : `${how}<br>${escapeHtml(from)}`];
}

function agoText(ms: number): string {
  return `${durationText(ms)} ago`;
}

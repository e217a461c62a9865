/** Topics with their newest payloads, raw beside mapped, as a page. */
import { decodedText } from "../inspect/decoded-line.ts";
import { rawText, readAs } from "../inspect/inspect-text.ts";
import type { Inspected } from "../inspect/inspected.ts";
import { cutTo, printable } from "../inspect/printable.ts";
import type { TopicList, TopicView } from "../inspect/views.ts";
import type { RowHtml } from "./html.ts";
import { escapeHtml, fitting, pageBytesMax, pageHtml, rowHtml } from "./html.ts";
import { bytesText, durationText } from "./outbox-figures.ts";

const rawCharactersShown = 1_000;
const linesShown = 25;
const lineCharactersShown = 160;
const topicCharactersShown = 300;
const restBytes = 200;

export function topicPage(gateway: string, { topics, total }: TopicList): string {
  const title = `What comes in at ${escapeHtml(gateway)}`;
  const back = `<p><a href="/">Status</a></p>`;
  const room = pageBytesMax - Buffer.byteLength(pageHtml(title, back)) - restBytes;
  const shown = fitting(topics.map(topicHtml), room);
  const more = total - shown.length;
  const rest = more > 0 ? `<p>and ${more} more</p>` : total === 0 ? "<p>Nothing came yet.</p>" : "";
  return pageHtml(title, `${back}${shown.join("")}${rest}`);
}

function topicHtml(view: TopicView): string {
  const { topic, device, client, lastMinute, lastHour, messages, refused, bytes } = view;
  const rows: readonly RowHtml[] = [
    ["Read as", escapeHtml(readAs(view))],
    ["Device", escapeHtml(printable(device ?? "none yet"))],
    ["From", escapeHtml(cutTo(printable(client), lineCharactersShown))],
    ["Messages", `${lastMinute} in a minute, ${lastHour} in an hour, ${messages} in all`],
    ["Size", `${bytesText(bytes.mean)}, ${bytesText(bytes.max)} at most`],
    ["Last heard", `${durationText(view.agoMs)} ago`],
    ["Refused", `${refused}`],
  ];
  const name = escapeHtml(cutTo(printable(topic), topicCharactersShown));
  const messagesHtml = [view.lastRefused, view.last].map(messageHtml).join("");
  return `<section><h2>${name}</h2><dl>${rows.map(rowHtml).join("")}</dl>${messagesHtml}</section>`;
}

function messageHtml(message: Inspected | undefined): string {
  if (message === undefined) return "";
  const { mapped, more = 0, reason, detail = "", cure = "" } = message;
  const raw = escapeHtml(rawText(message, rawCharactersShown));
  const told = mapped.filter(({ kind }) => kind !== "quarantined");
  const lines = told.slice(0, linesShown).map((line) => `<li>${lineHtml(decodedText(line))}</li>`);
  const left = told.length - lines.length + more;
  const rest = left > 0 ? `<li>and ${left} more</li>` : "";
  const why =
    reason === undefined
      ? ""
      : `<p class="bad">Quarantined: ${lineHtml(`${reason}: ${detail}`)}<br>${escapeHtml(cure)}</p>`;
  return `<pre>${raw}</pre>${lines.length > 0 ? `<ul>${lines.join("")}${rest}</ul>` : ""}${why}`;
}

function lineHtml(text: string): string {
  return escapeHtml(cutTo(printable(text), lineCharactersShown));
}

/** What `causeway-cloud tail` prints of a taken event. */
import { cloudEvent, derivedCloudEvent } from "@causeway/shared/cloudevents.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { AlarmEvent, Event, ReplyEvent } from "@causeway/shared/event.ts";
import type { DerivedEvent } from "@causeway/shared/rules/derived-event.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import type { Gap } from "../ingest/journal-reader.ts";
import { gapReason } from "../ingest/journal-reader.ts";

export type TailFormat = "text" | "json" | "cloudevents";

/** Where a tail begins to print; it always folds from the journal's first message. */
export type TailFrom = "start" | "now" | { readonly receivedAt: number };

export function parseFrom(text: string): TailFrom {
  if (text === "start" || text === "now") return text;
  const time = /^[0-9]+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isNaN(time)) return { receivedAt: time };
  throw new CodedError("CLI_USAGE", `--from ${text}: write start, now, ISO 8601 or ms since 1970`);
}

/**
 * A line per reading, per window of a roll-up of readings, or per event of another kind; none where
 * `kind` asks for others.
 */
export function tailLines(taken: TakenEvent, kind: string, format: TailFormat): readonly string[] {
  const isThinned = taken.event.kind === "rollup";
  const isAsked = kind === taken.event.kind || (kind === "reading" && isThinned);
  if (kind !== "all" && !isAsked) return [];
  if (format === "cloudevents") return [JSON.stringify(cloudEvent(taken, taken.event))];
  if (taken.event.kind === "reading") return readingLines(taken, format);
  return isThinned ? thinnedLines(taken, format) : [otherLine(taken, format)];
}

/** One line, whoever emitted it: a rule is not a device, so it stands apart from readings. */
export function derivedLine(event: DerivedEvent, format: TailFormat): string {
  if (format === "cloudevents") return JSON.stringify(derivedCloudEvent(event));
  const { value, unit = null, device, name, rule, reason } = event;
  const line = { ...event, unit, device: device === "" ? null : device };
  if (format === "json") return JSON.stringify(line);
  const shown = value === null ? "" : ` = ${value} ${unit ?? ""}`.trimEnd();
  return textLine(line, `${name}${shown} (${rule}: ${reason})`);
}

interface Line {
  readonly id: string;
  readonly gateway: string;
  readonly device: string | null;
  readonly receivedAt: number;
  readonly [field: string]: unknown;
}

function readingLines(taken: TakenEvent, format: TailFormat): readonly string[] {
  const { event, id, gateway, receivedAt, timeQuality, lane, late } = taken;
  if (event.kind !== "reading") return [];
  const { device, topic, tags, site } = event;
  const said = { ...(tags === undefined ? {} : { tags }), ...(site === undefined ? {} : { site }) };
  return event.readings.map((reading, index) => {
    const { metric, value, quality } = reading;
    const unit = reading.unit ?? null;
    const observedAt = reading.observedAt ?? event.observedAt;
    const own = { id: `${id}/${index}`, gateway, device, metric, value, unit, quality, observedAt };
    const reason = reading.reason === undefined ? {} : { reason: reading.reason };
    const { unitOriginal } = reading;
    const written = unitOriginal === undefined ? {} : { unitOriginal };
    const line = {
      ...own,
      receivedAt,
      timeQuality,
      lane,
      topic,
      late,
      ...reason,
      ...written,
      ...said,
    };
    return format === "json"
      ? JSON.stringify(line)
      : textLine(line, `${metric} = ${value} ${unit ?? ""}`);
  });
}

/** The mean stands for the value; what was no number has the last one. */
function thinnedLines(taken: TakenEvent, format: TailFormat): readonly string[] {
  const { event, id, gateway, receivedAt, timeQuality, lane, late } = taken;
  if (event.kind !== "rollup") return [];
  const { windowMs } = event;
  const bootAt = receivedAt - event.bootMs;
  const rows = event.series.flatMap((series) =>
    series.windows.map((window) => ({ series, window })),
  );
  return rows.map(({ series, window }, index) => {
    const { device, metric, unit = null } = series;
    const [number, count, bad, last, min, max, mean] = window;
    const observedAt = number * windowMs + (series.time === "boot" ? bootAt : 0);
    const value = mean ?? last;
    const own = { id: `${id}/${index}`, gateway, device, metric, value, unit, quality: "thinned" };
    const figures = { observedAt, windowMs, min, max, mean, last, count, bad };
    const line = { ...own, ...figures, receivedAt, timeQuality, lane, late };
    const what = `${metric} = ${value} ${unit ?? ""}`.trimEnd();
    const over = `mean of ${count} in ${windowMs / 1_000} s, ${min} to ${max}`;
    return format === "json" ? JSON.stringify(line) : textLine(line, `${what} (${over})`);
  });
}

function otherLine(taken: TakenEvent, format: TailFormat): string {
  const { id, gateway, receivedAt, timeQuality, lane, late, event } = taken;
  const { kind, device, topic, observedAt, bootMs: _boot, ...body } = event;
  const line = {
    id,
    gateway,
    device,
    kind,
    observedAt,
    receivedAt,
    timeQuality,
    lane,
    topic,
    late,
    ...body,
  };
  return format === "json" ? JSON.stringify(line) : textLine(line, eventText(event, body));
}

function eventText(event: Event, body: object): string {
  if (event.kind === "alarm") return alarmText(event);
  return event.kind === "reply" ? replyText(event) : otherText(event.kind, body);
}

function replyText({ command, name = "", state, detail, payload }: ReplyEvent): string {
  const answer = payload === undefined ? "" : shown(payload);
  const why = [detail, answer].filter(Boolean).join("; ");
  return `command ${command} ${name}: ${state}${why === "" ? "" : `: ${why}`}`;
}

function otherText(kind: string, body: object): string {
  return `${kind} ${JSON.stringify(body).slice(0, 120)}`;
}

function alarmText({ transitions }: AlarmEvent): string {
  const told = transitions.map(({ state, rule, device, metric, reason }) => {
    const place = [device, metric].filter(Boolean).join(" ");
    return `${state} ${rule}${place === "" ? "" : ` at ${place}`}: ${reason}`;
  });
  return `alarm ${told.join("; ")}`;
}

function textLine(line: Line, what: string): string {
  const time = new Date(line.receivedAt).toISOString();
  const late = line["late"] === true ? " (late)" : "";
  return `${time}  ${line.gateway}  ${line.device ?? "-"}  ${what.trimEnd()}${late}`;
}

const gapLinesMax = 20;

/** For stderr: what the journal lost though the engine has it, and how much more than is named. */
export function gapLines(gaps: readonly Gap[], format: TailFormat): readonly string[] {
  const named = gaps.slice(0, gapLinesMax).map(({ gateway, epoch, log, from, to }) => {
    const gap = { gateway, epoch, log, from, to, state: "lost", reason: gapReason };
    return format === "text"
      ? `the journal lost ${gateway} ${epoch} ${log} ${from}-${to}, which the engine has`
      : JSON.stringify(gap);
  });
  const others = gaps.slice(gapLinesMax);
  if (others.length === 0) return named;
  const events = others.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const more = { moreGaps: others.length, events };
  return [
    ...named,
    format === "text"
      ? `and ${others.length} stretches more, ${events} events in all`
      : JSON.stringify(more),
  ];
}

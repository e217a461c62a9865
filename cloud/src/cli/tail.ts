/** What `causeway-cloud tail` prints of a taken event. */
import { cloudEvent } from "@causeway/shared/cloudevents.ts";
import { CodedError } from "@causeway/shared/errors.ts";
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

/** A line per reading, or per event of another kind; none where `kind` asks for others. */
export function tailLines(taken: TakenEvent, kind: string, format: TailFormat): readonly string[] {
  if (kind !== "all" && kind !== taken.event.kind) return [];
  if (format === "cloudevents") return [JSON.stringify(cloudEvent(taken, taken.event))];
  return taken.event.kind === "reading" ? readingLines(taken, format) : [otherLine(taken, format)];
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
  const { device, topic } = event;
  return event.readings.map((reading, index) => {
    const { metric, value, quality } = reading;
    const unit = reading.unit ?? null;
    const observedAt = reading.observedAt ?? event.observedAt;
    const own = { id: `${id}/${index}`, gateway, device, metric, value, unit, quality, observedAt };
    const reason = reading.reason === undefined ? {} : { reason: reading.reason };
    const line = { ...own, receivedAt, timeQuality, lane, topic, late, ...reason };
    return format === "json"
      ? JSON.stringify(line)
      : textLine(line, `${metric} = ${value} ${unit ?? ""}`);
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
  return format === "json"
    ? JSON.stringify(line)
    : textLine(line, `${kind} ${JSON.stringify(body).slice(0, 120)}`);
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

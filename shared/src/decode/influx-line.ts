/**
 * Influx line protocol (docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol), as Telegraf
 * publishes it: topics with a level `influx` or `telegraf`, and any payload of which each line is one.
 *
 *   measurement[,tag=value …] field=value[,field=value …] [timestamp]
 *
 * The metric is `<measurement>.<field>`, with tags `<measurement>,tag=value.<field>`, since they tell
 * series apart. Values: a number, `5i`, `5u`, `"text"`, `t`, `true`, `f`, `false`; NaN is of bad quality. A
 * timestamp is in ns, us, ms or s, which its size tells. Telegraf's JSON (`name`, `tags`, `fields`,
 * `timestamp`, also as a list `metrics`) says the same on those topics.
 */
import type { DeviceId } from "../names.ts";
import { shown } from "../shown.ts";
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, textIn } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { deviceTimeOf } from "./time.ts";

export const influxLine: Adapter = {
  family: "influx-line",
  signature(levels) {
    const isInflux = levels.includes("influx") || levels[0] === "telegraf";
    const device = levels.filter((level) => level !== "influx").join("/");
    return isInflux ? { device: device === "" ? "influx" : device } : undefined;
  },
  decode({ topic, device }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const text = textIn(device, payload);
    if (typeof text !== "string") return text;
    return /^\s*\{/.test(text) ? decodeJson(device, text) : decodeLines(device, text);
  },
};

/** Telegraf's JSON: one metric, or `metrics`. */
function decodeJson(device: DeviceId, text: string): Decoded | undefined {
  const json = parseJson(text)?.value;
  if (!isObject(json)) return undefined;
  const metrics = Array.isArray(json["metrics"]) ? json["metrics"] : [json];
  if (metrics.length === 0 || !metrics.every(isMetric)) return undefined;
  const collector = new Collector();
  for (const { name, fields, tags, timestamp } of metrics as readonly JsonObject[]) {
    const before = collector.readings.length;
    const labels = Object.entries(isObject(tags) ? tags : {}).map(
      ([tag, value]) => `,${tag}=${value}`,
    );
    const series = `${name}${labels.join("")}`;
    collector.membersOf(series, fields as JsonObject, new Set());
    const time = deviceTimeOf(timestamp);
    if (collector.fault !== undefined) break;
    if (typeof time !== "number") continue;
    for (const reading of collector.readings.slice(before)) reading.observedAt = time;
  }
  return collector.done(device, null);
}

function isMetric(json: unknown): boolean {
  return isObject(json) && typeof json["name"] === "string" && isObject(json["fields"]);
}

const lineShape = /^[^\s,"]+(?:,[^\s=,"]+=[^\s,"]+)* [^\s=,"]+=[^\s]/;

/** Of a topic that does not say so. */
export function isInfluxLine(text: string): boolean {
  return lineShape.test(text.slice(0, 1_024)) && "fields" in (parseLine(firstLine(text)) ?? {});
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

export function decodeLines(device: DeviceId, text: string): Decoded {
  const collector = new Collector();
  for (const line of linesOf(text)) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const point = parseLine(line.replace(/\r$/, ""));
    if (point === undefined) {
      return refused(device, "not-understood", `${shown(line)} is no line protocol`);
    }
    const before = collector.readings.length;
    for (const [name, value] of point.fields) collector.put(`${point.series}.${name}`, value);
    const time = deviceTimeOf(point.time);
    if (collector.fault !== undefined) break;
    if (typeof time !== "number") continue;
    for (const reading of collector.readings.slice(before)) reading.observedAt = time;
  }
  return collector.done(device, null);
}

/** Apart by line feeds outside of quotes. */
function* linesOf(text: string): Generator<string> {
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === "\\") at++;
    else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "\n" && !isQuoted) {
      yield text.slice(from, at);
      from = at + 1;
    }
  }
  yield text.slice(from);
}

interface Point {
  readonly series: string;
  readonly fields: readonly (readonly [name: string, value: number | string | boolean])[];
  readonly time: string | undefined;
}

function parseLine(line: string): Point | undefined {
  const [series = "", fields = "", time, ...more] = split(line.trim(), " ");
  if (series === "" || more.length > 0) return undefined;
  if (time !== undefined && !/^-?\d{1,19}$/.test(time)) return undefined;
  const values: [string, number | string | boolean][] = [];
  for (const field of split(fields, ",")) {
    const [name = "", text = "", ...rest] = split(field, "=");
    const value = rest.length > 0 || name === "" ? undefined : fieldValue(text);
    if (value === undefined) return undefined;
    values.push([unescaped(name), value]);
  }
  return values.length === 0 ? undefined : { series: unescaped(series), fields: values, time };
}

function fieldValue(text: string): number | string | boolean | undefined {
  if (/^".*"$/s.test(text)) return text.slice(1, -1).replaceAll(/\\(["\\])/g, "$1");
  if (/^(?:t|true|T|True|TRUE)$/.test(text)) return true;
  if (/^(?:f|false|F|False|FALSE)$/.test(text)) return false;
  if (/^[+-]?(?:nan|inf|infinity)$/i.test(text)) return text;
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[iu]?$/.test(text)) return undefined;
  return Number(text.replace(/[iu]$/, ""));
}

/** At each separator that is neither escaped nor in quotes; several spaces are one. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === "\\") at++;
    else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === separator && !isQuoted) {
      if (separator !== " " || at > from) parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([, =\\])/g, "$1");
}

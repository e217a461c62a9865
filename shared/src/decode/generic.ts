/**
 * Topics that no family claims: what their payload shows without a doubt.
 *
 *   a list of SenML records, an OPC UA message      as those families read them
 *   a JSON object or array, or a line of such       paths of the device `<topic>`; `ts`, `time`,
 *                                                   `timestamp` or `datetime` is when. An object of
 *                                                   `value` and `unit` is one reading; so is each
 *                                                   element `{name, value[, unit, time]}` of an array
 *   CSV with names, Influx line protocol            as those families read them
 *   one number, boolean or line of text             the topic's last level is the metric, what stands
 *                                                   before it the device; `online` and `offline` at
 *                                                   `…/status`, `…/availability`, …, and a boolean
 *                                                   `…/online`, are presence too
 *
 * Anything else stays what it is: bytes with the reason why (`binary` where it is no text).
 */
import type { Reading } from "../event.ts";
import { readingsPerEventMax } from "../event.ts";
import type { DeviceId, MetricName } from "../names.ts";
import { shown } from "../shown.ts";
import type { Adapter, Target } from "./adapter.ts";
import { Collector, cleared, deviceNamed } from "./collect.ts";
import { decodeCsv, isCsv } from "./csv.ts";
import type { Decoded, Readings } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { decodeLines, isInfluxLine } from "./influx-line.ts";
import { parseJson } from "./json.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { decodeOpcUa } from "./opc-ua.ts";
import { availabilityMetric, cameOrWent } from "./presence-words.ts";
import { decodeSenml, recordsIn, senmlIn } from "./senml.ts";
import { utf8 } from "./text.ts";
import { deviceTimeOf } from "./time.ts";
import { withUnit } from "./units.ts";

/** In this order, whatever case they have. */
const timeNames = [
  ...["ts", "time", "timestamp", "datetime", "date_time", "@timestamp", "_time"],
  ...["observedat", "observed_at", "measuredat", "measured_at", "sampledat", "sampled_at"],
  ...["lastseen", "last_seen"],
];
const timeRanks = new Map(timeNames.map((name, rank) => [name, rank]));
const timeNameMax = 11;
const nameKeys = ["name", "metric", "key", "sensor", "tag", "variable", "field", "parameter"];
const presenceNames =
  /^(?:status|state|lwt|availability|available|online|connected|connection|\w+_status)$/i;
const textMax = 256;

export const generic: Adapter = {
  family: "generic",
  signature(levels) {
    return { device: levels.join("/") || "/", path: levels.at(-1) ?? "" };
  },
  decode(target, payload, { presentMs }) {
    const { device, topic } = target;
    if (payload.length === 0) return cleared(device, topic);
    const text = utf8(payload);
    if (text === undefined || hasControls(text)) {
      const records = text === undefined ? recordsIn(payload) : undefined;
      if (records !== undefined) return decodeSenml(device, records, presentMs);
      return refused(
        device,
        "binary",
        `${payload.length} bytes, which need a decoder of their own`,
      );
    }
    const json = parseJson(text);
    if (json !== undefined) return decodeJson(target, json.value, presentMs);
    if (isInfluxLine(text)) return decodeLines(device, text);
    if (isCsv(text)) return decodeCsv(device, text);
    if (/^\s*[[{]/.test(text)) {
      const rows = linesOfJson(text);
      if (rows !== undefined) return decodeRows(target, rows);
      return refused(device, "not-json", `${shown(text)} is no JSON`);
    }
    return plain(target, text);
  },
};

/** Each line an object; within bounds that readings have anyway. */
function linesOfJson(text: string): readonly JsonObject[] | undefined {
  const lines = text.trim().split("\n");
  if (lines.length < 2 || lines.length > readingsPerEventMax) return undefined;
  const rows: JsonObject[] = [];
  for (const line of lines) {
    const row = parseJson(line)?.value;
    if (!isObject(row)) return undefined;
    rows.push(row);
  }
  return rows;
}

function decodeJson(target: Target, json: unknown, presentMs: () => number | undefined): Decoded {
  const { device } = target;
  const records = senmlIn(json);
  if (records !== undefined) return decodeSenml(device, records, presentMs);
  if (typeof json !== "object" || json === null) {
    return plain(target, json as Scalar, true);
  }
  const opcUa = decodeOpcUa(device, json);
  if (opcUa !== undefined) return opcUa;
  if (!Array.isArray(json)) return decodeRows(target, [json as JsonObject]);
  if (json.length > 0 && json.every(isObject)) return decodeRows(target, json);
  const collector = new Collector();
  collector.flatten("", json);
  return collector.done(device, null);
}

type Scalar = string | number | boolean | null;

/** What looks like a number is one, but in quotes. */
function plain({ topic, device, path }: Target, value: Scalar, isQuoted = false): Decoded {
  const owner = deviceNamed(topic.slice(0, -path.length - 1)) ?? device;
  const text = typeof value === "string" ? value.trim() : "";
  if (typeof value === "string" && (text === "" || text.length > textMax || /[\r\n]/.test(text))) {
    return refused(device, "topic-unknown", "no adapter knows this topic");
  }
  const collector = new Collector();
  if (typeof value === "string" && !isQuoted) collector.plain(path, text);
  else collector.put(path, value);
  const decoded = collector.done(owner, null);
  return decoded.kind === "readings" ? withPresence(decoded, owner, path) : decoded;
}

/** As Shelly and ESPHome say it below any prefix, and many others. */
function withPresence(decoded: Readings, owner: DeviceId, path: string): Readings {
  const [reading] = decoded.readings;
  const { value } = reading;
  const isWord = typeof value === "string" && /^(?:online|offline)$/i.test(value);
  const isHere = path.toLowerCase() === "online" && typeof value === "boolean";
  if (!isHere && !(isWord && presenceNames.test(path))) return decoded;
  const online = isHere ? value : String(value).toLowerCase() === "online";
  if (path === "status") reading.metric = availabilityMetric as MetricName;
  return { ...decoded, presences: [cameOrWent(owner, online, "availability")] };
}

/** Elements of an array are rows, each with its own time. */
function decodeRows({ device }: Target, rows: readonly JsonObject[]): Decoded {
  const collector = new Collector();
  const [only] = rows.length === 1 ? rows : [];
  if (only !== undefined) {
    const observedAt = addObject(collector, only) ?? null;
    return collector.done(device, observedAt);
  }
  const areNamed = rows.every((row) => namedIn(row) !== undefined);
  for (const row of rows) {
    const before = collector.readings.length;
    const named = areNamed ? namedIn(row) : undefined;
    const time = named === undefined ? addObject(collector, row) : addNamed(collector, named);
    if (collector.fault !== undefined) break;
    if (typeof time === "number") stamp(collector.readings.slice(before), time);
  }
  return collector.done(device, null);
}

interface Named {
  readonly name: string;
  readonly value: Scalar;
  readonly unit: string | undefined;
  readonly time: number | null | undefined;
}

/** `{name, value}`, and nothing that the two would leave out. */
function namedIn(row: JsonObject): Named | undefined {
  const { value, unit } = row;
  const nameKey = nameKeys.find((key) => typeof row[key] === "string");
  if (nameKey === undefined || !isScalar(value)) return undefined;
  const timeKey = timeKeyIn(row);
  const isWhole = Object.keys(row).every((key) =>
    [nameKey, "value", "unit", timeKey].includes(key),
  );
  if (!isWhole || (unit !== undefined && typeof unit !== "string")) return undefined;
  const time = timeKey === undefined ? undefined : deviceTimeOf(row[timeKey]);
  return { name: row[nameKey] as string, value, unit, time };
}

function addNamed(collector: Collector, { name, value, unit, time }: Named) {
  const reading = collector.put(name, value);
  if (reading !== undefined && unit !== undefined) withUnit(reading, unit);
  return time;
}

function isScalar(value: unknown): value is Scalar {
  return value !== undefined && (typeof value !== "object" || value === null);
}

/** Its time; a member of such a name that is no time is a value. */
function addObject(collector: Collector, json: JsonObject): number | null | undefined {
  const timeKey = timeKeyIn(json);
  const single = unitIn(json, timeKey);
  if (single !== undefined) addNamed(collector, { ...single, name: "value", time: null });
  else {
    for (const [key, member] of Object.entries(json)) {
      if (key === timeKey) continue;
      const own = isObject(member) ? unitIn(member, undefined) : undefined;
      if (own === undefined) collector.flatten(key, member, 1);
      else addNamed(collector, { ...own, name: key, time: null });
    }
  }
  return timeKey === undefined ? undefined : deviceTimeOf(json[timeKey]);
}

/** `{value, unit}`, and otherwise only its time. */
function unitIn(json: JsonObject, timeKey: string | undefined) {
  const { value, unit } = json;
  if (typeof unit !== "string" || !isScalar(value)) return undefined;
  const isWhole = Object.keys(json).every((key) => ["value", "unit", timeKey].includes(key));
  return isWhole ? { value, unit } : undefined;
}

/** A small number may be anything, the time since the start for one. */
function timeKeyIn(json: JsonObject): string | undefined {
  let found: string | undefined;
  let best = timeNames.length;
  for (const key in json) {
    const rank = key.length > timeNameMax ? undefined : timeRanks.get(key.toLowerCase());
    if (rank === undefined || rank >= best) continue;
    const time = deviceTimeOf(json[key]);
    if (time === undefined || (time === null && typeof json[key] !== "string")) continue;
    [found, best] = [key, rank];
  }
  return found;
}

function stamp(readings: readonly Reading[], time: number): void {
  for (const reading of readings) reading.observedAt = time;
}

/** A frame of low bytes is valid UTF-8 as well. */
function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return true;
  }
  return false;
}

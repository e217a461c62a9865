/**
 * `devices/<device>/telemetry`: a JSON object of metrics, or an array of such objects.
 *
 *   { "ts": 1700000000000, "temperature": 21.5, "door": true }
 *   { "ts": "2023-11-14T22:13:20Z", "motor": { "rpm": 1480, "temp": { "value": 61, "unit": "Cel" } } }
 *
 * `ts` is ms since 1970 or ISO 8601 (without zone it is UTC). Nested objects and arrays become
 * paths (`motor.rpm`); an object with `value` and otherwise only `unit` or `quality` is one
 * reading. Bare NaN and Infinity, which many devices print, are values of bad quality.
 */
import type { Quality, Reading } from "../event.ts";
import { qualities, readingsPerEventMax, textCharactersMax } from "../event.ts";
import type { DeviceId } from "../names.ts";
import { isMetricName } from "../names.ts";
import { shown } from "../shown.ts";
import type { QuarantineReason, Readings, Refused } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import { utf8 } from "./text.ts";
import { timeOf } from "./time.ts";
import { withUnit } from "./units.ts";
import { readingOf } from "./value.ts";

export const nestingMax = 8;

type Fault = readonly [reason: QuarantineReason, detail: string];
type JsonObject = Readonly<Record<string, unknown>>;

export function decodeNative(device: DeviceId, payload: Uint8Array): Readings | Refused {
  if (payload.length === 0) return refused(device, "empty", "the payload is empty");
  const text = utf8(payload);
  if (text === undefined) return refused(device, "not-utf8", "the payload is no UTF-8 text");
  const json = parseJson(text);
  if (json === undefined) return refused(device, "not-json", `${shown(text)} is no JSON`);
  const read =
    Array.isArray(json.value) && json.value.length !== 1
      ? readMany(json.value)
      : readOne(Array.isArray(json.value) ? json.value[0] : json.value);
  if (!("readings" in read)) return refused(device, read[0], read[1]);
  if (!hasAny(read.readings)) return refused(device, "no-readings", "no metric in the payload");
  return { kind: "readings", device, observedAt: read.observedAt, readings: read.readings };
}

function hasAny(readings: Reading[]): readings is [Reading, ...Reading[]] {
  return readings.length > 0;
}

interface Read {
  readonly observedAt: number | null;
  readonly readings: Reading[];
}

/** Array elements keep their own times, on the readings, where there is more than one. */
function readMany(elements: readonly unknown[]): Read | Fault {
  const readings: Reading[] = [];
  for (const element of elements) {
    const read = readOne(element);
    if (!("readings" in read)) return read;
    for (const reading of read.readings) {
      if (read.observedAt !== null) reading.observedAt = read.observedAt;
      readings.push(reading);
    }
    if (readings.length > readingsPerEventMax) return tooMany();
  }
  return { observedAt: null, readings };
}

function readOne(value: unknown): Read | Fault {
  if (!isObject(value))
    return ["not-an-object", "expected a JSON object of metrics, or an array of such"];
  const observedAt = timeOf(value["ts"]);
  if (observedAt === undefined) {
    return ["bad-time", `ts ${shown(value["ts"])} is neither ms since 1970 nor ISO 8601`];
  }
  const readings: Reading[] = [];
  // Entries would be an array for each metric; what JSON.parse makes inherits nothing enumerable.
  for (const key in value) {
    if (key === "ts") continue;
    const fault = collect(key, value[key], 1, readings);
    if (fault !== undefined) return fault;
  }
  return { observedAt, readings };
}

function collect(path: string, value: unknown, depth: number, into: Reading[]): Fault | undefined {
  if (typeof value !== "object" || value === null) return collectValue(path, value, into);
  if (depth >= nestingMax) return ["too-deep", `${shown(path)}: nested deeper than ${nestingMax}`];
  if (isSingleReading(value)) return collectSingle(path, value, into);
  for (const [key, member] of Object.entries(value)) {
    const fault = collect(`${path}.${key}`, member, depth + 1, into);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function collectValue(path: string, value: unknown, into: Reading[]): Fault | undefined {
  if (!isMetricName(path)) return ["metric-name", `metric ${shown(path)}`];
  if (typeof value === "string" && value.length > textCharactersMax) {
    return ["text-too-long", `${path}: ${value.length} characters, at most ${textCharactersMax}`];
  }
  if (into.length >= readingsPerEventMax) return tooMany();
  into.push(readingOf(path, value as string | number | boolean | null));
  return undefined;
}

function collectSingle(path: string, value: JsonObject, into: Reading[]): Fault | undefined {
  const fault = collectValue(path, value["value"], into);
  const reading = into.at(-1);
  if (fault !== undefined || reading === undefined) return fault;
  const { unit, quality } = value;
  if (typeof unit === "string") withUnit(reading, unit);
  if (isQuality(quality) && reading.quality === "good" && quality !== "good") {
    reading.quality = quality;
    reading.reason = "device";
  }
  return undefined;
}

function isSingleReading(value: object): value is JsonObject {
  if (!("value" in value) || (typeof value.value === "object" && value.value !== null))
    return false;
  return Object.keys(value).every((key) => key === "value" || key === "unit" || key === "quality");
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isQuality(value: unknown): value is Quality {
  return qualities.some((quality) => quality === value);
}

function tooMany(): Fault {
  return ["too-many-readings", `more than ${readingsPerEventMax} readings in one message`];
}

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
import {
  qualities,
  readingsPerEventMax,
  textCharactersMax,
  timeMsMax,
  unitCharactersMax,
} from "../event.ts";
import type { DeviceId } from "../names.ts";
import { isMetricName } from "../names.ts";
import { shown } from "../shown.ts";
import type { Decoded, QuarantineReason } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { utf8 } from "./text.ts";
import { readingOf } from "./value.ts";

export const nestingMax = 8;

type Fault = readonly [reason: QuarantineReason, detail: string];
type JsonObject = Readonly<Record<string, unknown>>;

export function decodeNative(device: DeviceId, payload: Uint8Array): Decoded {
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
  if (typeof unit === "string" && unit.length <= unitCharactersMax) reading.unit = unit;
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

/**
 * Bare NaN and Infinity as whole tokens outside strings; the first alternative skips strings. A
 * string that never ends is skipped as well: to try again at each of its quotes is quadratic.
 */
const bareWords = /"(?:[^"\\]|\\[\s\S])*"?|[-+]?\b(?:NaN|nan|NAN|Infinity|inf|INF)\b/g;

/** Parsed JSON in a box, since JSON may be null; undefined where it is none. */
function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // Devices print what C's printf gives them; quoting it turns the word into bad quality.
  }
  if (!/nan|inf/i.test(text)) return undefined;
  try {
    return {
      value: JSON.parse(
        text.replace(bareWords, (token) => (token[0] === '"' ? token : `"${token}"`)),
      ),
    };
  } catch {
    return undefined;
  }
}

const isoPattern =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:[zZ]|([+-]\d{2}):?(\d{2})?)?)?$/;

/** ms since 1970; null where there is none, undefined where it cannot be read. */
export function timeOf(ts: unknown): number | null | undefined {
  if (ts === undefined || ts === null) return null;
  if (typeof ts === "number")
    return Number.isFinite(ts) && Math.abs(ts) <= timeMsMax ? Math.round(ts) : undefined;
  const match = typeof ts === "string" ? isoPattern.exec(ts) : null;
  if (match === null) return undefined;
  const [, day = "", time = "00:00", zoneHours, zoneMinutes = "00"] = match;
  // Date.parse takes 30 February for 2 March.
  const midnight = Date.parse(`${day}T00:00Z`);
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return undefined;
  const zone = zoneHours === undefined ? "Z" : `${zoneHours}:${zoneMinutes}`;
  const parsed = Date.parse(`${day}T${time}${zone}`);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** What `json`, `plain` and `bytes` make of a payload, and routes without an adapter where no family has the topic. */
import { Collector, cleared } from "../decode/collect.ts";
import type { Decoded } from "../decode/decoded.ts";
import { refused } from "../decode/decoded.ts";
import { parseJson } from "../decode/json.ts";
import { isObject } from "../decode/memory.ts";
import { utf8 } from "../decode/text.ts";
import { deviceTimeOf } from "../decode/time.ts";
import { withUnit } from "../decode/units.ts";
import { qualities, textCharactersMax } from "../event.ts";
import type { DeviceId } from "../names.ts";
import { shown } from "../shown.ts";
import { unnamed } from "./mapped-readings.ts";

export const plainAdapters = ["json", "plain", "bytes"] as const;
export type PlainAdapter = (typeof plainAdapters)[number];

const depthMax = 16;
const timeNames = ["ts", "time", "timestamp", "Time", "Timestamp"];
/** What is longer, or has lines, is no word of a device. */
const wordCharactersMax = 1_024;

export function decodePlainMessage(
  as: PlainAdapter,
  device: DeviceId,
  topic: string,
  payload: Uint8Array,
  hasOwnTime: boolean,
): Decoded {
  if (payload.length === 0) return cleared(device, topic);
  if (as === "bytes") return bytes(device, payload);
  const text = utf8(payload);
  if (text === undefined) return refused(device, "not-utf8", "the payload is no UTF-8 text");
  if (as === "plain") return word(device, text);
  const json = parseJson(text);
  if (json === undefined) return refused(device, "not-json", `${shown(text)} is no JSON`);
  return decodeJson(device, json.value, hasOwnTime);
}

/** Undefined where it is longer than a word. */
export function decodeWord(device: DeviceId, payload: Uint8Array): Decoded | undefined {
  const text = payload.length > wordCharactersMax ? undefined : utf8(payload);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no word has
  return text === undefined || /[\0-\x1f\x7f]/.test(text.trim()) ? undefined : word(device, text);
}

function word(device: DeviceId, text: string): Decoded {
  const collector = new Collector();
  collector.plain(unnamed, text);
  return collector.done(device, null);
}

function bytes(device: DeviceId, payload: Uint8Array): Decoded {
  if (2 * payload.length > textCharactersMax)
    return refused(
      device,
      "text-too-long",
      `${payload.length} bytes, at most ${textCharactersMax / 2}`,
    );
  const collector = new Collector();
  const reading = collector.put(unnamed, "");
  if (reading !== undefined) reading.value = Buffer.from(payload).toString("hex");
  return collector.done(device, null);
}

/** Elements of an array are rows, each with its own time, where all of them are objects. */
export function decodeJson(device: DeviceId, json: unknown, hasOwnTime: boolean): Decoded {
  const collector = new Collector();
  if (Array.isArray(json) && json.length > 0 && json.every(isObject)) {
    for (const row of json) {
      const before = collector.readings.length;
      const time = rowOf(collector, row, hasOwnTime);
      if (typeof time !== "number") continue;
      for (const reading of collector.readings.slice(before)) reading.observedAt ??= time;
    }
    return collector.done(device, null);
  }
  const time = isObject(json) ? rowOf(collector, json, hasOwnTime) : undefined;
  if (!isObject(json)) flatten(collector, "", json, 0);
  return collector.done(device, time ?? null);
}

/** Its time. */
function rowOf(
  collector: Collector,
  row: Readonly<Record<string, unknown>>,
  hasOwnTime: boolean,
): number | null | undefined {
  const name = hasOwnTime ? undefined : timeNames.find((one) => isTime(row, one));
  const members = Object.entries(row).filter(([key]) => key !== name);
  const rest = name === undefined ? row : Object.fromEntries(members);
  if (isSingle(rest)) flatten(collector, "", rest, 0);
  else for (const [key, member] of members) flatten(collector, key, member, 1);
  return name === undefined ? undefined : deviceTimeOf(row[name]);
}

function isTime(row: Readonly<Record<string, unknown>>, name: string): boolean {
  return Object.hasOwn(row, name) && deviceTimeOf(row[name]) !== undefined;
}

function flatten(collector: Collector, path: string, value: unknown, depth: number): void {
  if (collector.fault !== undefined) return;
  if (depth < depthMax && isSingle(value)) {
    const reading = collector.put(path || unnamed, value["value"] as string);
    if (reading === undefined) return;
    const { unit, quality } = value;
    if (typeof unit === "string") withUnit(reading, unit);
    const own = qualities.find((one) => one === quality);
    if (own === undefined || own === "good" || reading.quality !== "good") return;
    reading.quality = own;
    reading.reason = "device";
  } else if (depth < depthMax && typeof value === "object" && value !== null) {
    const before = path === "" ? "" : `${path}.`;
    for (const [key, member] of Object.entries(value))
      flatten(collector, `${before}${key}`, member, depth + 1);
  } else collector.flatten(path || unnamed, value, depth);
}

/** An object with `value`, and otherwise only `unit` or `quality`, is one reading. */
function isSingle(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isObject(value) || !Object.hasOwn(value, "value")) return false;
  if (typeof value["value"] === "object" && value["value"] !== null) return false;
  return Object.keys(value).every((key) => key === "value" || key === "unit" || key === "quality");
}

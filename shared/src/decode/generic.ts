/**
 * Topics that no family claims: what their payload shows without a doubt.
 *
 *   a list of SenML records, an OPC UA message      as those families read them
 *   a JSON object, or an array of such              paths of the device `<topic>`; `ts`, `time` or
 *                                                   `timestamp` is when
 *   one JSON number or boolean                      the topic's last level is the metric, what stands
 *                                                   before it the device
 *   CSV with names, Influx line protocol            as those families read them
 *
 * Anything else stays what it is: bytes with the reason why (`binary` where it is no text).
 */
import type { Reading } from "../event.ts";
import { shown } from "../shown.ts";
import type { Adapter, Target } from "./adapter.ts";
import { Collector, cleared, deviceNamed } from "./collect.ts";
import { decodeCsv, isCsv } from "./csv.ts";
import type { Decoded } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { decodeLines, isInfluxLine } from "./influx-line.ts";
import { parseJson } from "./json.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { decodeOpcUa } from "./opc-ua.ts";
import { decodeSenml, recordsIn, senmlIn } from "./senml.ts";
import { utf8 } from "./text.ts";
import { deviceTimeOf } from "./time.ts";

const timeNames = ["ts", "time", "timestamp", "Time", "Timestamp"];

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
    if (/^\s*[[{]/.test(text)) return refused(device, "not-json", `${shown(text)} is no JSON`);
    return refused(device, "topic-unknown", "no adapter knows this topic");
  },
};

function decodeJson(target: Target, json: unknown, presentMs: () => number | undefined): Decoded {
  const { device } = target;
  const records = senmlIn(json);
  if (records !== undefined) return decodeSenml(device, records, presentMs);
  if (typeof json === "number" || typeof json === "boolean") return plain(target, json);
  if (Array.isArray(json) ? !json.some(isObject) : !isObject(json)) {
    return refused(device, "topic-unknown", "no adapter knows this topic");
  }
  return decodeOpcUa(device, json) ?? decodeObjects(target, json);
}

function plain({ topic, device, path }: Target, value: number | boolean): Decoded {
  const collector = new Collector();
  collector.put(path, value);
  return collector.done(deviceNamed(topic.slice(0, -path.length - 1)) ?? device, null);
}

/** Elements of an array are rows, each with its own time, where all of them are objects. */
function decodeObjects({ device }: Target, json: unknown): Decoded {
  const collector = new Collector();
  if (isObject(json)) {
    const observedAt = addObject(collector, json) ?? null;
    return collector.done(device, observedAt);
  }
  const elements = json as readonly unknown[];
  if (!elements.every(isObject)) {
    collector.flatten("", elements);
    return collector.done(device, null);
  }
  for (const element of elements) {
    const before = collector.readings.length;
    const time = addObject(collector, element);
    if (collector.fault !== undefined) break;
    if (typeof time === "number") stamp(collector.readings.slice(before), time);
  }
  return collector.done(device, null);
}

/** Its time; a member of such a name that is no time is a value. */
function addObject(collector: Collector, json: JsonObject): number | null | undefined {
  const name = timeNames.find((each) => deviceTimeOf(json[each]) !== undefined);
  collector.members(json, ...(name === undefined ? [] : [name]));
  return name === undefined ? undefined : deviceTimeOf(json[name]);
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

/**
 * Homie 4 and 5 (homieiot.github.io, homieiot/convention).
 *
 *   homie/<device>/…, homie/5/<device>/…
 *     <node>/<property>             a value, by the data type that the device states
 *     <node>/<property>/set         a command, told under that name; `$target` is where it is going
 *     $state                        ready, alert: it is there; lost, disconnected: it is gone
 *     <node>/<property>/$datatype, $unit, …   (4) and $description (5, JSON) are told and learnt
 *     $log/<level>, $alert/<id>, $nodes, …    told by their topic
 *
 * The metric is the topic below the device. An integer or a float is a number, a boolean one, all other
 * types are text, `007` too; before the type is known, what looks like a number is one. A value that
 * is not of its type is uncertain.
 */
import type { Reading } from "../event.ts";
import { unitCharactersMax } from "../event.ts";
import type { Adapter, Target } from "./adapter.ts";
import { Collector, cleared, jsonIn, textIn } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import type { JsonObject, Learnt, Memory } from "./memory.ts";
import { isObject } from "./memory.ts";
import { cameOrWent } from "./presence-words.ts";
import { withUnit } from "./units.ts";

const propertiesMax = 1_024;
const here: ReadonlyMap<string, boolean> = new Map([
  ["ready", true],
  ["alert", true],
  ["lost", false],
  ["disconnected", false],
]);
const numeric = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const attributePattern = /^([^$]+)\/\$(datatype|unit)$/;

export const homie: Adapter = {
  family: "homie",
  signature([root, ...levels]) {
    if (root !== "homie" || levels.length < 2) return undefined;
    const is5 = levels[0] === "5";
    const [device = "", ...path] = is5 ? levels.slice(1) : levels;
    const isTold = path.length > 0 && device !== "";
    return isTold ? { device, path: path.join("/"), what: is5 ? "5" : "4" } : undefined;
  },
  decode(target, payload, { memory }) {
    const { device, path } = target;
    if (payload.length === 0) return emptied(target, memory);
    if (path === "$description") return description(target, payload);
    const text = textIn(device, payload);
    if (typeof text !== "string") return text;
    // A lone U+0000 is the empty text, since nothing at all would clear the topic.
    const value = text === "\0" ? "" : text;
    const attribute = attributePattern.exec(path);
    const collector = new Collector();
    if (/\$(?:settable|retained)$/.test(path)) collector.plain(path, value);
    else if (/(?:^|\/)\$(?!target$|stats)/.test(path)) collector.put(path, value);
    else addValue(collector, target, value, memory);
    const decoded = collector.done(device, null);
    if (decoded.kind === "quarantined") return decoded;
    if (attribute !== null && target.what === "4")
      return { ...decoded, learnt: learnt(target, attribute, value, memory) };
    const online = path === "$state" ? here.get(value) : undefined;
    if (online === undefined) return decoded;
    return { ...decoded, presences: [cameOrWent(device, online, `homie-${value}`)] };
  },
};

/** What an attribute told goes with it. */
function emptied(target: Target, memory: Memory): Decoded {
  const { device, topic, path, what } = target;
  const told = cleared(device, topic);
  if (path === "$state") {
    return { ...told, presences: [cameOrWent(device, false, "removed")] };
  }
  if (path === "$description" && what === "5") {
    return { ...told, learnt: [{ key: keyOf(target, ""), value: undefined }] };
  }
  const [, property = "", name = ""] = (what === "4" && attributePattern.exec(path)) || [];
  if (property === "") return told;
  const { [name as keyof Property]: _gone, ...others } = propertyIn(memory, target, property);
  const value = Object.keys(others).length === 0 ? undefined : others;
  return { ...told, learnt: [{ key: keyOf(target, property), value }] };
}

interface Property {
  readonly datatype?: string;
  readonly unit?: string;
}

/** Version 5 describes a device at once, version 4 a property at a time. */
function keyOf({ device, what }: Target, property: string): string {
  return what === "5" ? `homie/5/${device}` : `homie/4/${device}/${property}`;
}

function propertyIn(memory: Memory, target: Target, property: string): Property {
  const known = memory.get(keyOf(target, property));
  const all = isObject(known) ? known : {};
  const own = target.what === "4" ? all : Object.hasOwn(all, property) ? all[property] : {};
  const { datatype, unit } = isObject(own) ? own : {};
  return {
    ...(typeof datatype === "string" ? { datatype } : {}),
    ...(typeof unit === "string" ? { unit } : {}),
  };
}

function learnt(
  target: Target,
  [, property = "", name = ""]: RegExpExecArray,
  value: string,
  memory: Memory,
): readonly Learnt[] {
  if (value.length > unitCharactersMax) return [];
  const known = propertyIn(memory, target, property);
  return [{ key: keyOf(target, property), value: { ...known, [name]: value } }];
}

function addValue(collector: Collector, target: Target, text: string, memory: Memory): void {
  const property = target.path.replace(/\/(?:set|\$target)$/, "");
  const { datatype, unit } = propertyIn(memory, target, property);
  const reading = typed(collector, target.path, text, datatype);
  if (reading !== undefined && unit !== undefined && unit !== "") withUnit(reading, unit);
}

function typed(
  collector: Collector,
  metric: string,
  text: string,
  datatype: string | undefined,
): Reading | undefined {
  if (datatype === undefined) return collector.plain(metric, text);
  const isNumber = datatype === "integer" || datatype === "float" || datatype === "percent";
  if (!isNumber && datatype !== "boolean") {
    return collector.put(metric, text, (name, value) => ({ metric: name, value, quality: "good" }));
  }
  if (isNumber && numeric.test(text)) return collector.put(metric, Number(text));
  if (!isNumber && (text === "true" || text === "false")) {
    return collector.put(metric, text === "true");
  }
  const reading = collector.put(metric, text);
  if (reading?.quality !== "good") return reading;
  reading.quality = "uncertain";
  reading.reason = `not-${datatype}`;
  return reading;
}

/** Version 5 describes all of a device at once. */
function description(target: Target, payload: Uint8Array): Decoded | undefined {
  const json = jsonIn(target.device, payload);
  if (json.kind !== "json") return json;
  if (!isObject(json.value)) return undefined;
  const collector = new Collector();
  collector.members(json.value);
  const decoded = collector.done(target.device, null);
  if (decoded.kind === "quarantined") return decoded;
  return { ...decoded, learnt: propertiesOf(target, json.value) };
}

function propertiesOf(target: Target, { nodes }: JsonObject): readonly Learnt[] {
  const found = new Map<string, Property>();
  for (const [node, about] of isObject(nodes) ? Object.entries(nodes) : []) {
    const properties = isObject(about) ? about["properties"] : undefined;
    for (const [name, property] of isObject(properties) ? Object.entries(properties) : []) {
      if (!isObject(property) || found.size >= propertiesMax) continue;
      const { datatype, unit } = property;
      found.set(`${node}/${name}`, {
        ...(typeof datatype === "string" ? { datatype: datatype.slice(0, 64) } : {}),
        ...(typeof unit === "string" ? { unit: unit.slice(0, unitCharactersMax) } : {}),
      });
    }
  }
  return [{ key: keyOf(target, ""), value: Object.fromEntries(found) }];
}

/**
 * Sparkplug B 3.0 (sparkplug.eclipse.org/specification/version/3.0).
 *
 *   spBv1.0/<group>/<NBIRTH|NDATA|NDEATH|NCMD>/<node>             of the device `<group>/<node>`
 *   spBv1.0/<group>/<DBIRTH|DDATA|DDEATH|DCMD>/<node>/<device>    of `<group>/<node>/<device>`
 *   spBv1.0/STATE/<host>, STATE/<host>                            of a host application
 *
 *   P1  A birth tells names, aliases, data types and units; they are kept over restarts, and forgotten
 *       with the next birth.
 *   P2  An alias that no birth told names nothing: what has one is kept as bytes, and a rebirth asked.
 *   P3  `seq` counts from a birth on, modulo 256, over a node and its devices. A gap is noted, and a
 *       rebirth asked.
 *   P4  The death of a node is that of its devices. One with another `bdSeq` than the birth's is of a
 *       session before, and says nothing about who is there.
 *
 * A compressed payload is inflated, to 1 MiB at most. Metrics have their own time. Sets, templates and
 * arrays become paths, bytes base64. A metric that is null is bad; a property `Quality` (192 good, 0 bad,
 * else uncertain) is its quality.
 */
import type { Reading } from "../event.ts";
import type { DeviceId } from "../names.ts";
import { isDeviceId } from "../names.ts";
import { shown } from "../shown.ts";
import type { Adapter, Context, Target } from "./adapter.ts";
import { below, Collector, textIn } from "./collect.ts";
import type { Ask, Decoded, Note, Presence, Refused } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import type { Learnt, Memory } from "./memory.ts";
import { isObject } from "./memory.ts";
import { availability, cameOrWent } from "./presence-words.ts";
import type { BirthRow } from "./sparkplug-births.ts";
import { birthKey, birthOf, nameOf, rowOf, unitOf } from "./sparkplug-births.ts";
import type { SparkplugMetric, SparkplugPayload } from "./sparkplug-payload.ts";
import { arrayOf, readSparkplug, rebirthCommand, scalarOf, wholeOf } from "./sparkplug-payload.ts";
import { msOf, whenIn } from "./time.ts";
import { withUnit } from "./units.ts";

const types = /^(?:[ND](?:BIRTH|DATA|DEATH|CMD))$/;
const devicesMax = 1_024;
const depthMax = 8;
const [dataSet, bytes, file, template, firstArray] = [16, 17, 18, 19, 22];

export const sparkplug: Adapter = {
  family: "sparkplug-b",
  signature(levels) {
    const isHost = levels[0] === "STATE" && levels.length === 2;
    if (isHost || (levels[0] === "spBv1.0" && levels[1] === "STATE")) {
      return { device: levels.slice(-2).join("/"), what: "STATE" };
    }
    const [root, group = "", what = "", node = "", device] = levels;
    if (root !== "spBv1.0" || !types.test(what) || node === "") return undefined;
    const isOfDevice = what.startsWith("D");
    if (isOfDevice !== (device !== undefined) || levels.length > 5) return undefined;
    const path = `${group}/${node}`;
    return { device: isOfDevice ? `${path}/${device}` : path, path, what };
  },
  decode(target, payload, context) {
    const { device, what } = target;
    if (what === "STATE") return hostState(device, payload);
    const read = readSparkplug(payload);
    if (read === undefined) return refused(device, "not-understood", "no Sparkplug payload");
    if (what.endsWith("CMD")) return commanded(target, read);
    if (what.endsWith("DEATH")) return died(target, read, context.memory);
    return what.endsWith("BIRTH")
      ? born(target, read, context.memory)
      : told(target, read, context);
  },
};

/** What was learnt of a node, besides its birth. */
interface NodeRecord {
  readonly bdSeq: number | null;
  readonly devices: readonly string[];
}

const nodeKey = (node: string) => `sparkplug/node/${node}`;
const seqKey = (node: string) => `sparkplug/seq/${node}`;

function nodeIn(memory: Memory, node: string): NodeRecord | undefined {
  const known = memory.get(nodeKey(node));
  return isObject(known) && Array.isArray(known["devices"])
    ? (known as unknown as NodeRecord)
    : undefined;
}

function timeOfPayload(payload: SparkplugPayload): number | null {
  return msOf(wholeOf(payload, "timestamp") ?? Number.NaN) ?? null;
}

/** {"online": true, "timestamp": …}; before version 3 the word alone. */
function hostState(device: DeviceId, payload: Uint8Array): Decoded | undefined {
  const text = textIn(device, payload);
  const json = typeof text === "string" ? parseJson(text)?.value : undefined;
  if (!isObject(json)) return availability(device, payload);
  const { observedAt, skipped } = whenIn(json, "timestamp");
  const collector = new Collector();
  collector.members(json, ...skipped);
  const decoded = collector.done(device, observedAt);
  const { online } = json;
  if (decoded.kind !== "readings" || typeof online !== "boolean") return decoded;
  return { ...decoded, presences: [cameOrWent(device, online, "host-state")] };
}

/** A command is no value of the device. */
function commanded({ device, what }: Target, payload: SparkplugPayload): Decoded {
  const collector = new Collector();
  for (const metric of payload.metrics)
    addMetric(collector, metric.name ?? "", metric, undefined, 0);
  return collector.done(below(device, what), timeOfPayload(payload));
}

/** P1 */
function born({ device, path, what }: Target, payload: SparkplugPayload, memory: Memory): Decoded {
  const collector = new Collector();
  for (const metric of payload.metrics) {
    if (metric.name) addMetric(collector, metric.name, metric, rowOf(metric), 0);
  }
  const decoded = collector.done(device, timeOfPayload(payload));
  if (decoded.kind === "quarantined") return decoded;
  const learnt: Learnt[] = [{ key: birthKey(device), value: payload.metrics.map(rowOf) }];
  const seq = wholeOf(payload, "seq");
  if (seq !== undefined) learnt.push({ key: seqKey(path), value: seq });
  if (what === "NBIRTH") {
    const bdSeq = collector.readings.find(({ metric }) => metric === "bdSeq")?.value;
    const record = { bdSeq: typeof bdSeq === "number" ? bdSeq : null, devices: [] };
    learnt.push({ key: nodeKey(path), value: record });
  } else {
    const record = withDevice(nodeIn(memory, path), device.slice(path.length + 1));
    learnt.push({ key: nodeKey(path), value: record });
  }
  return { ...decoded, presences: [cameOrWent(device, true, "birth")], learnt };
}

/** P4 */
function died({ device, path, what }: Target, payload: SparkplugPayload, memory: Memory): Decoded {
  const collector = new Collector();
  for (const metric of payload.metrics)
    addMetric(collector, metric.name ?? "", metric, undefined, 0);
  const observedAt = timeOfPayload(payload);
  const record = nodeIn(memory, path);
  const bdSeq = collector.readings.find(({ metric }) => metric === "bdSeq")?.value;
  const known = record?.bdSeq ?? null;
  const isStale =
    what === "NDEATH" && typeof bdSeq === "number" && known !== null && known !== bdSeq;
  const others = what === "NDEATH" && !isStale ? (record?.devices ?? []) : [];
  const gone = [device, ...others.map((name) => `${path}/${name}`)].filter(isDeviceId);
  const [first, ...more] = gone.map((name): Presence => cameOrWent(name, false, "death"));
  const decoded = collector.done(device, observedAt);
  if (isStale || first === undefined || decoded.kind === "quarantined") return decoded;
  const presences: [Presence, ...Presence[]] = [first, ...more];
  const learnt = seqLearnt(path, payload);
  if (decoded.kind !== "readings") return { kind: "presences", observedAt, presences, learnt };
  return { ...decoded, presences, learnt };
}

function told(target: Target, payload: SparkplugPayload, { memory, presentMs }: Context): Decoded {
  const { device, path } = target;
  const birth = birthOf(memory, device);
  const ofNode = device === path ? birth : birthOf(memory, path);
  const collector = new Collector();
  const unknown: number[] = [];
  for (const metric of payload.metrics) {
    const alias = wholeOf(metric, "alias");
    const row = nameOf(birth, metric.name, alias) ?? nameOf(ofNode, metric.name, alias);
    const name = metric.name || row?.[0];
    if (name !== undefined) addMetric(collector, name, metric, row, 0);
    else unknown.push(alias ?? -1);
  }
  const gap = gapOf(path, payload, memory);
  const isUnborn = unknown.length > 0;
  const left = isUnborn ? aliasUnknown(device, unknown) : undefined;
  const ask = gap === undefined && !isUnborn ? undefined : rebirth(path, presentMs());
  const besides = {
    learnt: seqLearnt(path, payload),
    ...(gap === undefined ? {} : { notes: [gap] }),
    ...(ask === undefined ? {} : { ask }),
  };
  // P2
  if (left !== undefined && collector.readings.length === 0) return { ...left, ...besides };
  const decoded = collector.done(device, timeOfPayload(payload));
  return { ...decoded, ...besides, ...(left === undefined ? {} : { left }) };
}

function aliasUnknown(device: DeviceId, aliases: readonly number[]): Refused {
  const named = aliases.slice(0, 8).join(", ");
  return refused(device, "alias-unknown", `no birth tells alias ${named}`);
}

function rebirth(node: string, presentMs: number | undefined): Ask {
  const [group = "", name = ""] = node.split("/");
  const topic = `spBv1.0/${group}/NCMD/${name}`;
  return { topic, payload: rebirthCommand(presentMs), key: node };
}

function seqLearnt(node: string, payload: SparkplugPayload): readonly Learnt[] {
  const seq = wholeOf(payload, "seq");
  return seq === undefined ? [] : [{ key: seqKey(node), value: seq }];
}

/** P3 */
function gapOf(node: string, payload: SparkplugPayload, memory: Memory): Note | undefined {
  const [seq, last] = [wholeOf(payload, "seq"), memory.get(seqKey(node))];
  if (seq === undefined || typeof last !== "number" || seq === (last + 1) % 256) return undefined;
  return { name: "sequence-gap", detail: `${shown(node)}: seq ${seq} came after ${last}` };
}

function addMetric(
  collector: Collector,
  name: string,
  metric: SparkplugMetric,
  row: BirthRow | undefined,
  depth: number,
): void {
  const before = collector.readings.length;
  const datatype = metric.datatype || (row?.[2] ?? 0);
  addValue(collector, name, metric, datatype, depth);
  const time = msOf(wholeOf(metric, "timestamp") ?? Number.NaN);
  const unit = unitOf(metric) ?? row?.[3];
  const quality = numberProperty(metric, "Quality");
  for (let at = before; at < collector.readings.length; at++) {
    const reading = collector.readings[at] as Reading;
    if (time !== undefined) reading.observedAt ??= time;
    if (typeof unit === "string") withUnit(reading, unit);
    if (quality === undefined || quality === 192 || reading.quality !== "good") continue;
    reading.quality = quality === 0 ? "bad" : "uncertain";
    reading.reason = quality === 500 ? "stale" : `quality-${quality}`;
  }
}

function addValue(
  collector: Collector,
  name: string,
  metric: SparkplugMetric,
  datatype: number,
  depth: number,
): void {
  const { bytesValue, datasetValue, templateValue } = metric;
  if (metric.isNull === true) collector.put(name, null);
  else if (datasetValue != null) {
    const { columns, types, rows } = datasetValue;
    for (const [at, { elements }] of rows.entries()) {
      for (const [column, element] of elements.entries()) {
        const value = scalarOf(element, types[column] ?? 0) ?? null;
        collector.put(`${name}.${at}.${columns[column] ?? column}`, value);
      }
      if (collector.fault !== undefined) return;
    }
  } else if (templateValue != null && depth < depthMax) {
    for (const each of templateValue.metrics) {
      addMetric(collector, `${name}.${each.name ?? ""}`, each, undefined, depth + 1);
    }
  } else if (bytesValue != null && bytesValue.length > 0) {
    if (datatype >= firstArray) collector.flatten(name, arrayOf(bytesValue, datatype));
    else collector.put(name, Buffer.from(bytesValue).toString("base64"));
  } else if (datatype !== dataSet && datatype !== template && datatype < firstArray) {
    const isEmpty = datatype === bytes || datatype === file;
    collector.put(name, scalarOf(metric, datatype) ?? (isEmpty ? "" : null));
  }
}

function numberProperty({ properties }: SparkplugMetric, name: string): number | undefined {
  if (properties == null) return undefined;
  const property = properties.values[properties.keys.indexOf(name)];
  const value = property === undefined ? undefined : scalarOf(property, property.type ?? 0);
  return typeof value === "number" ? value : undefined;
}

/** A birth of a device is noted with its node, so that the node's death is its own. */
function withDevice(record: NodeRecord | undefined, device: string): NodeRecord {
  const { bdSeq = null, devices = [] } = record ?? {};
  const isKnown = devices.includes(device) || devices.length >= devicesMax;
  return { bdSeq, devices: isKnown ? devices : [...devices, device] };
}

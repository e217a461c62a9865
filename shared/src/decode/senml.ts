/**
 * SenML, JSON and CBOR (RFC 8428, units RFC 8798).
 *
 *   any topic with a level `senml`, and any payload that is a list of SenML records
 *
 * Records are resolved (§4.6): base name, time, unit, value and sum hold until they change. The whole
 * name is the metric, so that one message may tell of several devices. A time below 2^28 is relative
 * to now (§4.5.3). A sum is `<name>.sum`; data is base64url. A version above 10, or a field that ends
 * in `_` and is not known, must not be ignored (§4.4), so the message is refused.
 */
import type { Reading } from "../event.ts";
import type { DeviceId } from "../names.ts";
import { shown } from "../shown.ts";
import type { Adapter } from "./adapter.ts";
import { readCbor } from "./cbor.ts";
import { Collector, cleared } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { utf8 } from "./text.ts";
import { msOf } from "./time.ts";
import { withUnit } from "./units.ts";

const versionMax = 10;
const relativeBelow = 2 ** 28;
const labels: ReadonlyMap<unknown, string> = new Map(
  Object.entries({
    ...{ "-1": "bver", "-2": "bn", "-3": "bt", "-4": "bu", "-5": "bv", "-6": "bs" },
    ...{ 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd" },
  }).map(([label, name]) => [Number(label), name]),
);
const known = new Set(labels.values());
const valueNames = ["v", "vs", "vb", "vd"] as const;

export const senml: Adapter = {
  family: "senml",
  signature(levels) {
    return levels.some((level) => level.toLowerCase() === "senml")
      ? { device: levels.join("/") }
      : undefined;
  },
  decode({ topic, device }, payload, { presentMs }) {
    if (payload.length === 0) return cleared(device, topic);
    const records = recordsIn(payload, true);
    return records === undefined ? undefined : decodeSenml(device, records, presentMs);
  },
};

type Records = readonly JsonObject[];

/** Undefined where the payload is no list of SenML records; `isSure` where the topic says that it is. */
export function recordsIn(payload: Uint8Array, isSure = false): Records | undefined {
  const first = payload[0] as number;
  const isCbor = first >= 0x80 && first <= 0x9f;
  const list = isCbor ? readCbor(payload)?.value : parseJson(utf8(payload) ?? "")?.value;
  return senmlIn(isCbor && Array.isArray(list) ? list.map(named) : list, isSure);
}

/** Numbers stand for names in CBOR (§6). */
function named(record: unknown): unknown {
  if (!(record instanceof Map)) return record;
  const entries = [...record].map(([label, value]) => [labels.get(label) ?? String(label), value]);
  return Object.fromEntries(entries);
}

/** Each record is known by its fields; in a topic of its own it may have others (§4.4). */
export function senmlIn(list: unknown, isSure = false): Records | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const isAll = list.every(
    (record) =>
      isObject(record) &&
      Object.keys(record).length > 0 &&
      Object.keys(record).every((name) => isSure || known.has(name) || name.endsWith("_")),
  );
  const [first] = list;
  const isNamed = isAll && isObject(first) && ("n" in first || "bn" in first);
  return isNamed ? (list as Records) : undefined;
}

interface Base {
  name: string;
  time: number;
  unit: unknown;
  value: number;
  sum: number;
}

export function decodeSenml(
  device: DeviceId,
  records: Records,
  presentMs: () => number | undefined,
): Decoded {
  const collector = new Collector();
  const base: Base = { name: "", time: 0, unit: undefined, value: 0, sum: 0 };
  for (const record of records) {
    const fault = unknownIn(record);
    if (fault !== undefined) return refused(device, "not-understood", fault);
    rebase(base, record);
    const before = collector.readings.length;
    const wrong = addRecord(collector, base, record);
    if (wrong !== undefined) return refused(device, "not-understood", wrong);
    const time = numberOf(record["t"]) + base.time;
    for (const reading of collector.readings.slice(before)) stamp(reading, time, presentMs);
    if (collector.fault !== undefined) break;
  }
  return collector.done(device, null);
}

function unknownIn(record: JsonObject): string | undefined {
  if (numberOf(record["bver"]) > versionMax) return `version ${shown(record["bver"])}`;
  const must = Object.keys(record).find((name) => name.endsWith("_"));
  return must === undefined ? undefined : `the field ${shown(must)} must be understood`;
}

function rebase(base: Base, { bn, bt, bu, bv, bs }: JsonObject): void {
  if (typeof bn === "string") base.name = bn;
  if (bt !== undefined) base.time = numberOf(bt);
  if (bu !== undefined) base.unit = bu;
  if (bv !== undefined) base.value = numberOf(bv);
  if (bs !== undefined) base.sum = numberOf(bs);
}

function addRecord(collector: Collector, base: Base, record: JsonObject): string | undefined {
  const { n = "", u = base.unit, s } = record;
  const name = `${base.name}${typeof n === "string" ? n : ""}`;
  const given = valueNames.filter((each) => record[each] !== undefined);
  if (given.length > 1) return `${shown(name)} has ${given.join(" and ")}`;
  const [kind] = given;
  const isSum = typeof s === "number" || (record["bs"] !== undefined && kind === undefined);
  if (kind !== undefined) {
    const value = recordValue(kind, record[kind], base);
    if (value === undefined) return `${shown(name)}: ${kind} is ${shown(record[kind])}`;
    withUnitOf(collector.put(name, value), u);
  }
  if (isSum) withUnitOf(collector.put(`${name}.sum`, numberOf(s) + base.sum), u);
  // §4.2: without a value of its own a record has the base value.
  const isBaseOnly = kind === undefined && !isSum && record["n"] !== undefined;
  if (isBaseOnly && base.value !== 0) withUnitOf(collector.put(name, base.value), u);
  return undefined;
}

function recordValue(kind: (typeof valueNames)[number], value: unknown, base: Base) {
  if (kind === "v") {
    // Bare NaN has been quoted.
    if (typeof value === "string" || value === null) return value;
    return typeof value === "number" ? value + base.value : undefined;
  }
  if (kind === "vb") return typeof value === "boolean" ? value : undefined;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64url");
  return typeof value === "string" ? value : undefined;
}

function withUnitOf(reading: Reading | undefined, unit: unknown): void {
  if (reading !== undefined && typeof unit === "string") withUnit(reading, unit);
}

function stamp(reading: Reading, seconds: number, presentMs: () => number | undefined): void {
  const isRelative = seconds < relativeBelow;
  // Now is when it was received.
  if (seconds === 0) return;
  const since = isRelative ? presentMs() : 0;
  const time = since === undefined ? undefined : msOf(since + seconds * 1_000);
  if (time !== undefined) reading.observedAt = time;
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

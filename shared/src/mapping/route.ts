/**
 * One route, compiled: a message on its topic -> what the route says that it is.
 *
 *   P1  First the message is decoded: by the route's expressions, by the family that it names, as JSON,
 *       plain text or bytes, or as it would be without the route.
 *   P2  Then, in this order: metric, rename, drop, scale, unit, quality, time. Each after `rename` goes
 *       by the new names; time and idempotency key by the names that were decoded.
 *   P3  What cannot be done as the route says is quarantined whole, as `mapping` with the detail:
 *       half of a message would look like all of it.
 */
import type { Adapter, Context } from "../decode/adapter.ts";
import { Collector, cleared, deviceNamed } from "../decode/collect.ts";
import type { Decoded, Presence, Readings, Refused } from "../decode/decoded.ts";
import { refused } from "../decode/decoded.ts";
import { generic } from "../decode/generic.ts";
import { isObject } from "../decode/memory.ts";
import { decodeOpcUa } from "../decode/opc-ua.ts";
import { senmlIn } from "../decode/senml.ts";
import type { Quality, Reading } from "../event.ts";
import type { DeviceId } from "../names.ts";
import { isDeviceId } from "../names.ts";
import { shown } from "../shown.ts";
import type { Expression } from "./expression.ts";
import { Message } from "./expression.ts";
import type { MappedMetric } from "./mapped-readings.ts";
import {
  collectMapped,
  collectMetrics,
  faultOfQuality,
  qualityOf,
  unnamed,
} from "./mapped-readings.ts";
import type { PlainAdapter } from "./plain-message.ts";
import { decodeJson, decodePlainMessage, decodeWord } from "./plain-message.ts";
import type { Change } from "./reading-changes.ts";
import type { ReadTime } from "./route-time.ts";
import type { Template } from "./template.ts";
import type { Parts, TopicPattern } from "./topic-pattern.ts";

/** How routes are known where only their readings matter. */
export interface Route {
  /** Its place in the file, from 0. */
  readonly index: number;
  /** Its name, or its topic. */
  readonly name: string;
  readonly tags: string[];
  readonly site: string | undefined;
  readonly hasKey: boolean;
}

/** Decodes a message as if there were no routes. */
export type DecodeUsually = (topic: string, payload: Uint8Array, context: Context) => Decoded;
/** The family that has the topic; undefined where only its payload could tell. */
export type FamilyOf = (topic: string) => string | undefined;

export type Named = Template | Expression;

export type Way =
  | { readonly kind: "usual" }
  | { readonly kind: "plain"; readonly as: PlainAdapter }
  | { readonly kind: "family"; readonly adapter: Adapter; readonly as: Template | undefined }
  | { readonly kind: "value"; readonly value: Expression }
  | { readonly kind: "metrics"; readonly metrics: readonly MappedMetric[] };

export type TimeOf =
  | { readonly kind: "field"; readonly field: string; readonly read: ReadTime }
  | { readonly kind: "value"; readonly value: Expression; readonly read: ReadTime };

export interface RouteParts {
  readonly route: Route;
  readonly pattern: TopicPattern;
  readonly way: Way;
  readonly device: Named | undefined;
  readonly metric: Named | undefined;
  readonly change: Change;
  readonly quality: Expression | undefined;
  readonly time: TimeOf | undefined;
  readonly key: string | Expression | undefined;
  readonly readTime: ReadTime;
}

/** A topic of the route. */
export interface RoutedTopic {
  readonly route: Route;
  decode(payload: Uint8Array, context: Context, usual: Usual): Decoded;
}

export interface Usual {
  readonly decode: DecodeUsually;
  readonly familyOf: FamilyOf;
}

export function routedTopic(
  compiled: RouteParts,
  topic: string,
  levels: readonly string[],
  parts: Parts,
): RoutedTopic {
  const { route } = compiled;
  return {
    route,
    decode: (payload, context, usual) => {
      const message = new Message(topic, levels, parts, payload);
      return { ...decode(compiled, message, context, usual), route };
    },
  };
}

function decode(route: RouteParts, message: Message, context: Context, usual: Usual): Decoded {
  const device = deviceOf(route, message);
  if (typeof device === "object") return device;
  const { way } = route;
  const { topic, raw } = message;
  // Where no family has the topic, the route says enough of it to read more than without.
  const isAny = way.kind === "usual" && device !== undefined && usual.familyOf(topic) === undefined;
  if (way.kind === "usual" && !isAny) {
    const found = usual.decode(topic, raw, context);
    return finish(route, message, device === undefined ? found : renamed(found, device));
  }
  if (way.kind === "family") {
    const found = byFamily(way, device, message, context);
    return finish(route, message, device === undefined ? found : renamed(found, device));
  }
  if (device === undefined) return refused(null, "device-name", `device ${shown(topic)}`);
  if (raw.length === 0) return cleared(device, topic);
  const hasOwnTime = route.time?.kind === "field";
  const found =
    way.kind === "usual"
      ? decodeAny(device, message, context, hasOwnTime)
      : way.kind === "plain"
        ? decodePlainMessage(way.as, device, topic, raw, hasOwnTime)
        : byExpressions(way, device, message, route.readTime);
  return finish(route, message, found);
}

type Expressions = Extract<Way, { kind: "value" | "metrics" }>;

function byExpressions(
  way: Expressions,
  device: DeviceId,
  message: Message,
  readTime: ReadTime,
): Decoded {
  const collector = new Collector();
  const fault =
    way.kind === "metrics"
      ? collectMetrics(collector, way.metrics, message)
      : collectValue(collector, way.value, message, readTime);
  if (fault !== undefined) return refused(device, "mapping", fault);
  const { readings } = collector;
  if (collector.fault !== undefined) return refused(device, ...collector.fault);
  return readingsOf(device, null, readings);
}

function collectValue(
  collector: Collector,
  value: Expression,
  message: Message,
  readTime: ReadTime,
): string | undefined {
  const found = value.evaluate(message);
  if (found.kind === "failed") return found.detail;
  return collectMapped(collector, found.value, readTime);
}

function readingsOf(
  device: DeviceId,
  observedAt: number | null,
  [first, ...others]: readonly Reading[],
): Decoded {
  if (first === undefined) return { kind: "told", device, name: "dropped", detail: "by its route" };
  return { kind: "readings", device, observedAt, readings: [first, ...others] };
}

/** JSON, what a family shows by its payload alone, or a word. */
function decodeAny(
  device: DeviceId,
  message: Message,
  context: Context,
  hasOwnTime: boolean,
): Decoded {
  const { topic, raw } = message;
  const json = message.json();
  if (json !== undefined && !hasFamily(device, json.value))
    return decodeJson(device, json.value, hasOwnTime);
  const target = { topic, device, path: unnamed, what: "" };
  const found = generic.decode(target, raw, context);
  if (found !== undefined && found.kind !== "quarantined") return renamed(found, device);
  return decodeWord(device, raw) ?? found ?? refused(device, "not-understood", "no text");
}

function hasFamily(device: DeviceId, json: unknown): boolean {
  return senmlIn(json) !== undefined || decodeOpcUa(device, json) !== undefined;
}

function byFamily(
  { adapter, as }: Extract<Way, { kind: "family" }>,
  own: DeviceId | undefined,
  { topic, levels, parts, raw }: Message,
  context: Context,
): Decoded {
  const seen = as?.fill(parts) ?? topic;
  const sign = adapter.signature(as === undefined ? levels : seen.split("/"));
  const device = (sign === undefined ? undefined : deviceNamed(sign.device)) ?? own;
  if (device === undefined) return refused(null, "device-name", `device ${shown(topic)}`);
  const target = { topic: seen, device, path: sign?.path ?? "", what: sign?.what ?? "" };
  const unknown = `the payload is none of ${adapter.family}`;
  return adapter.decode(target, raw, context) ?? refused(device, "not-understood", unknown);
}

/** Undefined where the route does not say; refused where what it says is no name. */
function deviceOf({ device }: RouteParts, message: Message): DeviceId | Refused | undefined {
  const { parts } = message;
  if (device === undefined && !Object.hasOwn(parts, "device")) return undefined;
  const name = device === undefined ? parts["device"] : nameOf(device, message, "");
  if (typeof name === "object") return refused(null, "mapping", `device: ${name.detail}`);
  return name !== undefined && isDeviceId(name)
    ? name
    : refused(null, "device-name", `device ${shown(name)}`);
}

function nameOf(named: Named, message: Message, decoded: string): string | { detail: string } {
  if ("fill" in named) return named.fill(message.parts, decoded);
  const found = named.evaluate(message);
  if (found.kind === "failed") return { detail: found.detail };
  const { value } = found;
  if (typeof value === "string" || typeof value === "number") return `${value}`;
  return { detail: `${shown(value)} is no name` };
}

/** As of another device, whatever it says. */
function renamed(decoded: Decoded, device: DeviceId): Decoded {
  const ofDevice = (presences: readonly Presence[]) => presences.map((one) => ({ ...one, device }));
  if (decoded.kind === "presences") {
    const [first, ...others] = decoded.presences;
    return { ...decoded, presences: [{ ...first, device }, ...ofDevice(others)] };
  }
  const { presences, left } = decoded;
  return {
    ...decoded,
    device,
    ...(presences === undefined ? {} : { presences: ofDevice(presences) }),
    ...(left === undefined ? {} : { left: { ...left, device } }),
  };
}

function finish(route: RouteParts, message: Message, decoded: Decoded): Decoded {
  return decoded.kind === "readings" ? finishReadings(route, message, decoded) : decoded;
}

function finishReadings(route: RouteParts, message: Message, decoded: Readings): Decoded {
  const { device } = decoded;
  const fail = (detail: string) => refused(device, "mapping", detail);
  const key = keyOf(route, message, decoded.readings);
  if (typeof key === "object") return fail(`idempotencyKey: ${key.detail}`);
  const timed = withTime(route, message, decoded);
  if ("kind" in timed) return timed;
  const { observedAt, readings } = timed;
  const quality = route.quality?.evaluate(message);
  if (quality?.kind === "failed") return fail(`quality: ${quality.detail}`);
  const own = quality === undefined ? "good" : qualityOf(quality.value);
  if (own === undefined) return fail(`quality: ${faultOfQuality(quality?.value)}`);
  const names = new Map<string, string>();
  const changed: Reading[] = [];
  for (const reading of readings) {
    const name = metricOf(route, message, reading.metric);
    if (typeof name === "object") return fail(`metric: ${name.detail}`);
    const other = names.get(name) ?? reading.metric;
    if (other !== reading.metric)
      return fail(
        `${shown(other)} and ${shown(reading.metric)} are both named ${shown(name)}: write {*} for their own names`,
      );
    names.set(name, reading.metric);
    const one = route.change(reading, name);
    if (one === undefined) continue;
    if (typeof one === "string") return refused(device, "metric-name", `metric ${shown(one)}`);
    if (rank[own] > rank[one.quality]) {
      one.quality = own;
      one.reason ??= "device";
    }
    changed.push(one);
  }
  const { readings: _r, kind: _k, device: _d, observedAt: _o, ...besides } = decoded;
  return {
    ...besides,
    ...readingsOf(device, observedAt, changed),
    ...(key === undefined ? {} : { key }),
  };
}

const rank: Readonly<Record<Quality, number>> = { good: 0, uncertain: 1, bad: 2 };

/** What has no name of its own is called by the topic; what has one keeps it, below what the route says. */
function metricOf(
  route: RouteParts,
  message: Message,
  decoded: string,
): string | { detail: string } {
  if (route.metric !== undefined) return nameOf(route.metric, message, decoded);
  const { way, pattern } = route;
  if (way.kind === "family" || way.kind === "metrics") return decoded;
  const named = message.parts["metric"];
  if (named !== undefined && decoded !== named)
    return decoded === unnamed ? named : `${named}.${decoded}`;
  if (decoded !== unnamed || pattern.endsInName) return decoded;
  return message.levels.at(-1) ?? decoded;
}

interface Timed {
  readonly observedAt: number | null;
  readonly readings: readonly Reading[];
}

function withTime(route: RouteParts, message: Message, decoded: Readings): Timed | Refused {
  const { device, observedAt, readings } = decoded;
  const { time } = route;
  if (time === undefined) return { observedAt, readings };
  const bad = (value: unknown) => refused(device, "bad-time", `${shown(value)} is no time`);
  if (time.kind === "value") {
    const found = time.value.evaluate(message);
    if (found.kind === "failed") return refused(device, "mapping", `time: ${found.detail}`);
    if (found.value === null) return { observedAt: null, readings };
    const at = found.value instanceof Date ? found.value.getTime() : time.read(found.value);
    return at === undefined ? bad(found.value) : { observedAt: at, readings };
  }
  const others = readings.filter(({ metric }) => metric !== time.field);
  const told = readings.filter(({ metric }) => metric === time.field);
  if (told.length === 0) {
    const value = memberAt(message.json()?.value, time.field);
    if (value === undefined || value === null) return { observedAt, readings };
    const at = time.read(value);
    return at === undefined ? bad(value) : { observedAt: at, readings };
  }
  const times = told.map(({ value }) => time.read(value));
  const fault = times.indexOf(undefined);
  if (fault >= 0) return bad(told[fault]?.value);
  if (times.length === 1) return { observedAt: times[0] ?? null, readings: others };
  return inRows(device, others, times);
}

/** Of several rows each has its own time: the second of a metric has the second time. */
function inRows(
  device: DeviceId,
  readings: readonly Reading[],
  times: readonly (number | null | undefined)[],
): Timed | Refused {
  const seen = new Map<string, number>();
  for (const reading of readings) {
    const row = seen.get(reading.metric) ?? 0;
    seen.set(reading.metric, row + 1);
    const at = times[row];
    if (typeof at === "number") reading.observedAt = at;
  }
  for (const [metric, rows] of seen) {
    if (rows === times.length) continue;
    const detail = `${rows} of ${shown(metric)} have ${times.length} times`;
    return refused(device, "mapping", `time: ${detail}: write a mapping`);
  }
  return { observedAt: null, readings };
}

/** Undefined where the message has none: then it is new. */
function keyOf(
  { key }: RouteParts,
  message: Message,
  readings: readonly Reading[],
): string | { detail: string } | undefined {
  if (key === undefined) return undefined;
  let found: unknown;
  if (typeof key === "string") {
    found = readings.find(({ metric }) => metric === key)?.value;
    found ??= memberAt(message.json()?.value, key);
  } else {
    const evaluated = key.evaluate(message);
    if (evaluated.kind === "failed") return evaluated;
    found = evaluated.value instanceof Date ? evaluated.value.getTime() : evaluated.value;
  }
  if (found === undefined || found === null) return undefined;
  const isPlain = ["number", "string", "boolean"].includes(typeof found);
  if (isPlain) return `${found}`.slice(0, keyCharactersMax);
  return { detail: `${shown(found)} is no sequence and no time` };
}

const keyCharactersMax = 256;

/** Of an object, by its name, or by a path with dots. */
function memberAt(json: unknown, path: string): unknown {
  let at = json;
  if (isObject(at) && Object.hasOwn(at, path)) return at[path];
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}

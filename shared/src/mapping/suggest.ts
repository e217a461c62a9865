/**
 * A route for a topic that came without one, made of what was seen on it. It only says what there is no
 * doubt about: a level of the topic for the device, one for the metric where the payload names none, the
 * field that is a time, and units that a name spells out. It loads as it stands and passes its example.
 */
import { stringify } from "yaml";
import type { Context } from "../decode/adapter.ts";
import { Decoder } from "../decode/decode.ts";
import type { Decoded } from "../decode/decoded.ts";
import { generic } from "../decode/generic.ts";
import { parseJson } from "../decode/json.ts";
import { isObject } from "../decode/memory.ts";
import { utf8 } from "../decode/text.ts";
import { deviceTimeOf } from "../decode/time.ts";
import { isDeviceId } from "../names.ts";
import { faultsOfRouteExamples } from "./route-examples.ts";
import type { RouteSettings } from "./route-settings.ts";
import { routeSchema } from "./route-settings.ts";
import { timeReader } from "./route-time.ts";
import { compileRoutes, faultsOfRoutes } from "./routes.ts";
import { parseTopicPattern } from "./topic-pattern.ts";

const payloadBytesMax = 4_096;
const expectedMax = 256;
const presentMs = Date.UTC(2026, 0, 5);

/** What a topic calls a kind of message, not a device. */
const kindWords =
  "up uplink down state status stat tele data telemetry value values reading readings measurement " +
  "measurements sensor sensors json csv raw payload message msg event events report update get out " +
  "publish attribute attributes";
const kinds = new RegExp(`^(?:${kindWords.replaceAll(" ", "|")})$`, "i");
/** What counts devices rather than names a thing. */
const numbered = /\d|^[0-9a-f]{6,}$/i;
const timeName =
  /(?:^|[._-])(?:ts|time|timestamp|datetime|date_?time|when)$|(?:_at|[a-z]At|[a-z]Time)$/;
/** Those that are read without being named. */
const usualTimes = new Set(["ts", "time", "timestamp", "Time", "Timestamp"]);
const formats = [
  ...["DD.MM.YYYY HH:mm:ss", "DD.MM.YYYY HH:mm", "YYYY/MM/DD HH:mm:ss", "YYYYMMDDHHmmss"],
  ...["DD/MM/YYYY HH:mm:ss", "MM/DD/YYYY HH:mm:ss"],
];
const plausible = { from: Date.UTC(2010, 0), until: Date.UTC(2100, 0) };

const units: readonly (readonly [RegExp, string])[] = [
  [/(?:^|[._-])(?:celsius|deg_?c)$/i, "Cel"],
  [/(?:^|[._-])(?:percent|pct)$/i, "%"],
  [/(?:^|[._-])kwh$/i, "kWh"],
  [/(?:^|[._-])hpa$/i, "hPa"],
  [/(?:^|[._-])(?:volts?)$/i, "V"],
  [/(?:^|[._-])(?:watts?)$/i, "W"],
  [/(?:^|[._-])(?:lux)$/i, "lx"],
  [/(?:^|[._-])ppm$/i, "ppm"],
  [/(?:^|[._-])rpm$/i, "1/min"],
];

/** The YAML of one element of `routes:`; undefined where nothing can be said of the topic. */
export function suggest(topic: string, payloads: readonly Uint8Array[]): string | undefined {
  const [payload = new Uint8Array()] = payloads.filter(({ length }) => length > 0);
  const read = readOf(payload);
  const way = wayFor(topic, read);
  const named = levelsFor(topic, read.kind !== "object" && way !== "family");
  if (named === undefined) return undefined;
  const bare: RouteSettings = {
    topic: named.pattern,
    ...(way === "family" || way === undefined ? {} : { adapter: way }),
    ...named.names,
  };
  const values = payloads
    .map((one) => readOf(one))
    .flatMap(({ json }) => (isObject(json) ? [json] : []));
  const route = { ...bare, ...timeFor(values), ...unitsFor(bare, topic, payload) };
  const example = exampleFor(route, topic, payload);
  for (const one of [
    { ...route, ...example },
    route,
    { ...bare, ...exampleFor(bare, topic, payload) },
    bare,
  ])
    if (isGood(one)) return yamlOf(one);
  return undefined;
}

interface Read {
  readonly kind: "object" | "value" | "bytes";
  readonly text: string | undefined;
  readonly json: unknown;
}

function readOf(payload: Uint8Array): Read {
  const text = utf8(payload);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a frame of low bytes is text as well
  if (text === undefined || /[\0-\x08\x0e-\x1f]/.test(text))
    return { kind: "bytes", text: undefined, json: undefined };
  const json = parseJson(text)?.value;
  const isMany = typeof json === "object" && json !== null;
  return { kind: isMany || text.includes("\n") ? "object" : "value", text, json };
}

/** `family` where one has the topic, or shows in the payload. */
function wayFor(topic: string, { kind, json }: Read): RouteSettings["adapter"] | "family" {
  const { family } = new Decoder().about(topic);
  if (family !== undefined && family !== generic.family) return "family";
  if (kind === "bytes") return "bytes";
  return kind === "value" && json === undefined ? "plain" : undefined;
}

interface Named {
  readonly pattern: string;
  readonly names: { readonly device?: string };
}

function levelsFor(topic: string, hasNoName: boolean): Named | undefined {
  const levels = topic.split("/");
  // A level of its own would stand for every topic of one level.
  if (levels.length === 1)
    return isDeviceId(topic) && !/[{}]/.test(topic)
      ? { pattern: topic, names: { device: topic } }
      : undefined;
  const usable = [...levels.keys()].filter((at) => isDeviceId(levels[at] ?? ""));
  const metric = hasNoName && usable.length > 1 ? usable.at(-1) : undefined;
  const others = usable.filter((at) => at !== metric && !kinds.test(levels[at] ?? ""));
  const candidates = others.length > 0 ? others : usable.filter((at) => at !== metric);
  const device = candidates.findLast((at) => numbered.test(levels[at] ?? "")) ?? candidates.at(-1);
  if (device === undefined) return undefined;
  const written = levels.map((level, at) => {
    if (at === device) return "{device}";
    if (at === metric) return "{metric}";
    return /[{}]/.test(level) ? "+" : level;
  });
  const pattern = written.join("/");
  return typeof parseTopicPattern(pattern) === "string" ? undefined : { pattern, names: {} };
}

/** A field that is a time in each of the payloads that have it. */
function timeFor(
  values: readonly Readonly<Record<string, unknown>>[],
): Pick<RouteSettings, "time"> {
  const fields = new Set(values.flatMap((json) => Object.keys(json)));
  for (const name of usualTimes)
    if (values.some((json) => deviceTimeOf(json[name]) !== undefined)) return {};
  for (const field of fields) {
    if (!timeName.test(field)) continue;
    const found = values.flatMap((json) => (Object.hasOwn(json, field) ? [json[field]] : []));
    const fits = ["auto", ...formats].filter((format) => isTime(format, found));
    const [format] = fits;
    // 03/04 is a day in March or one in April.
    if (format === undefined || (format !== "auto" && fits.length > 1)) continue;
    return { time: { field, format, zone: "UTC" } };
  }
  return {};
}

function isTime(format: string, values: readonly unknown[]): boolean {
  const read = timeReader(format, "UTC");
  if (typeof read === "string") return false;
  return values.every((value) => {
    const at = read(value);
    return typeof at === "number" && at >= plausible.from && at < plausible.until;
  });
}

function unitsFor(
  route: RouteSettings,
  topic: string,
  payload: Uint8Array,
): Pick<RouteSettings, "unit"> {
  const decoded = decodedBy(route, topic, payload);
  if (decoded?.kind !== "readings") return {};
  const found = decoded.readings.flatMap(({ metric, unit, value }) => {
    const symbol = units.find(([name]) => name.test(metric))?.[1];
    const isPlain = unit === undefined && typeof value === "number" && !metric.includes("*");
    return isPlain && symbol !== undefined ? [[metric, symbol] as const] : [];
  });
  return found.length === 0 ? {} : { unit: Object.fromEntries(found) };
}

function exampleFor(
  route: RouteSettings,
  topic: string,
  payload: Uint8Array,
): Pick<RouteSettings, "examples"> {
  const decoded = decodedBy(route, topic, payload);
  if (decoded === undefined || payload.length > payloadBytesMax || payload.length === 0) return {};
  const { text } = readOf(payload);
  const base64 = Buffer.from(payload).toString("base64");
  const given = { topic, ...(text === undefined ? { base64 } : { payload: text }) };
  if (decoded.kind === "quarantined")
    return { examples: [{ given, expect: { quarantined: decoded.reason } }] };
  const {
    readings = [],
    observedAt = null,
    device = null,
  } = decoded.kind === "readings" ? decoded : {};
  if (readings.length > expectedMax) return {};
  const expect = readings.map(({ metric, value, unit, quality, observedAt: own }) => {
    const at = own ?? observedAt;
    return {
      ...(device === null ? {} : { device }),
      ...{ metric, value },
      ...(unit === undefined ? {} : { unit }),
      ...(quality === "good" ? {} : { quality }),
      ...(at === null ? {} : { time: new Date(at).toISOString() }),
    };
  });
  return { examples: [{ given, expect }] };
}

function decodedBy(route: RouteSettings, topic: string, payload: Uint8Array): Decoded | undefined {
  if (faultsOfRoutes([route]).length > 0) return undefined;
  const context: Context = { memory: new Map(), presentMs: () => presentMs };
  return new Decoder(compileRoutes({ routes: [route] })).decode(topic, payload, context);
}

function isGood(route: RouteSettings): boolean {
  const parsed = routeSchema.safeParse(route);
  if (!parsed.success || faultsOfRoutes([route]).length > 0) return false;
  return faultsOfRouteExamples({ routes: [route] }).length === 0;
}

function yamlOf(route: RouteSettings): string {
  return stringify([route], { lineWidth: 0, aliasDuplicateObjects: false });
}

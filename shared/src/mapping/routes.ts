/**
 * Routes, compiled once when they are loaded. The first whose topic fits has the message; what no
 * route has is decoded by its family, or refused where no family claims its topic and that is wanted.
 */
import { z } from "zod";
import type { Adapter } from "../decode/adapter.ts";
import { adapters } from "../decode/decode.ts";
import type { CelFault } from "../rules/cel-environment.ts";
import type { SettingsFault } from "../settings.ts";
import type { Expression } from "./expression.ts";
import { parseExpression } from "./expression.ts";
import type { MappedMetric } from "./mapped-readings.ts";
import { plainAdapters } from "./plain-message.ts";
import { changeOf } from "./reading-changes.ts";
import type { Named, Route, RoutedTopic, RouteParts, TimeOf, Way } from "./route.ts";
import { routedTopic } from "./route.ts";
import type { RouteSettings } from "./route-settings.ts";
import { routeSchema, routesMax, type unknownTopicsWays } from "./route-settings.ts";
import type { ReadTime } from "./route-time.ts";
import { timeReader } from "./route-time.ts";
import type { Template } from "./template.ts";
import { decodedMark, parseTemplate } from "./template.ts";
import type { TopicPattern } from "./topic-pattern.ts";
import { covers, parseTopicPattern } from "./topic-pattern.ts";

export interface Routes {
  readonly all: readonly Route[];
  readonly unknownTopics: (typeof unknownTopicsWays)[number];
  /** Undefined where no route has the topic. */
  find(topic: string): RoutedTopic | undefined;
}

export interface RoutesDocument {
  readonly routes: readonly RouteSettings[];
  readonly unknownTopics?: Routes["unknownTopics"] | undefined;
}

/** Of settings without faults; throws the first otherwise. */
export function compileRoutes({ routes, unknownTopics = "generic" }: RoutesDocument): Routes {
  const parts = routes.map((settings, index) => {
    const { route, faults } = compileRoute(settings, index);
    if (route === undefined) throw new Error(faults[0]?.message);
    return route;
  });
  const find = (topic: string) => {
    const levels = topic.split("/");
    for (const route of parts) {
      const found = route.pattern.match(topic, levels);
      if (found !== undefined) return routedTopic(route, topic, levels, found);
    }
    return undefined;
  };
  return { all: parts.map(({ route }) => route), unknownTopics, find };
}

/** What is wrong beyond their schema; paths begin with the number of the route. */
export function faultsOfRoutes(routes: readonly RouteSettings[]): readonly SettingsFault[] {
  const before: { readonly name: string; readonly filter: string }[] = [];
  return routes.flatMap((settings, index) => {
    const { faults, route } = compileRoute(settings, index);
    const { filter } = route?.pattern ?? {};
    const first = before.find((one) => filter !== undefined && covers(one.filter, filter));
    if (filter !== undefined) before.push({ name: settings.name ?? settings.topic, filter });
    const told = faults.map((fault) => ({ ...fault, path: [index, ...fault.path] }));
    if (first === undefined) return told;
    const message = `no message reaches it: route ${first.name} has all of its topics; put this one before it`;
    return [...told, { path: [index, "topic"], message }];
  });
}

/** A list of such routes, with all that is wrong in it told at its place. */
export function routesSchemaOf<Schema extends z.ZodType<RouteSettings, unknown>>(route: Schema) {
  return z
    .array(route)
    .max(routesMax)
    .check(({ value, issues }) => {
      for (const { path, message, index: offset } of faultsOfRoutes(value)) {
        const params = offset === undefined ? {} : { params: { offset } };
        issues.push({ code: "custom", path: [...path], message, input: value, ...params });
      }
    });
}

export const routesSchema = routesSchemaOf(routeSchema);

interface Compiled {
  readonly route: RouteParts | undefined;
  readonly faults: readonly SettingsFault[];
}

const families: ReadonlyMap<string, Adapter> = new Map(
  adapters.map((adapter) => [adapter.family, adapter]),
);

class Faults {
  readonly all: SettingsFault[] = [];

  tell(path: SettingsFault["path"], fault: string | CelFault): undefined {
    if (typeof fault === "string") this.all.push({ path, message: fault });
    else this.all.push({ path, message: fault.message, index: fault.offset });
  }

  expression(path: SettingsFault["path"], source: string): Expression | undefined {
    const parsed = parseExpression(source);
    return "message" in parsed ? this.tell(path, parsed) : parsed;
  }
}

function compileRoute(settings: RouteSettings, index: number): Compiled {
  const faults = new Faults();
  const pattern = parseTopicPattern(settings.topic);
  if (typeof pattern === "string") {
    faults.tell(["topic"], pattern);
    return { route: undefined, faults: faults.all };
  }
  const way = wayOf(settings, pattern, faults);
  const device = namedOf("device", settings.device, pattern.names, faults);
  const metric = namedOf("metric", settings.metric, [...pattern.names, decodedMark], faults);
  const isOwn = way !== undefined && way.kind !== "usual" && way.kind !== "family";
  if (isOwn && settings.device === undefined && !pattern.names.includes("device"))
    faults.tell([], "say whose readings they are: name a level {device}, or write device: …");
  const zone = typeof settings.time === "object" ? settings.time.zone : "UTC";
  const time = timeOf(settings, faults);
  const { quality, idempotencyKey } = settings;
  const readTime = timeReader("auto", zone);
  const route: RouteParts = {
    route: {
      index,
      name: settings.name ?? settings.topic,
      tags: settings.tags ?? [],
      site: settings.site,
      hasKey: idempotencyKey !== undefined,
    },
    pattern,
    way: way ?? { kind: "usual" },
    device,
    metric,
    change: changeOf(settings),
    quality: quality === undefined ? undefined : faults.expression(["quality"], quality),
    time,
    key:
      typeof idempotencyKey === "object"
        ? faults.expression(["idempotencyKey", "cel"], idempotencyKey.cel)
        : idempotencyKey,
    readTime: readTime as ReadTime,
  };
  faultsOfRename(settings, faults);
  return { route: faults.all.length === 0 ? route : undefined, faults: faults.all };
}

function wayOf(
  { adapter, as, mapping }: RouteSettings,
  pattern: TopicPattern,
  faults: Faults,
): Way | undefined {
  if (adapter !== undefined && mapping !== undefined)
    return faults.tell(["mapping"], "adapter and mapping both decode: leave one of them out");
  if (as !== undefined && (adapter === undefined || !families.has(adapter)))
    return faults.tell(["as"], "belongs to an adapter of a family, as tasmota");
  if (typeof mapping === "string") {
    const value = faults.expression(["mapping"], mapping);
    return value === undefined ? undefined : { kind: "value", value };
  }
  if (mapping !== undefined) return { kind: "metrics", metrics: metricsOf(mapping, faults) };
  if (adapter === undefined) return { kind: "usual" };
  const plain = plainAdapters.find((one) => one === adapter);
  if (plain !== undefined) return { kind: "plain", as: plain };
  const family = families.get(adapter);
  if (family === undefined) {
    const known = [...plainAdapters, ...families.keys()].join(", ");
    return faults.tell(["adapter"], `no adapter ${adapter}: there are ${known}`);
  }
  return familyWay(family, as, pattern, faults);
}

function familyWay(
  adapter: Adapter,
  as: string | undefined,
  pattern: TopicPattern,
  faults: Faults,
): Way | undefined {
  if (as === undefined) return { kind: "family", adapter, as: undefined };
  const template = parseTemplate(as, pattern.names);
  if (typeof template === "string") return faults.tell(["as"], template);
  const seen = template.fill(Object.fromEntries(pattern.names.map((name) => [name, "x"])));
  if (adapter.signature(seen.split("/")) === undefined)
    return faults.tell(["as"], `${adapter.family} knows no such topic as ${seen}`);
  return { kind: "family", adapter, as: template };
}

type Mapped = Extract<NonNullable<RouteSettings["mapping"]>, object>;

function metricsOf(mapping: Mapped, faults: Faults): readonly MappedMetric[] {
  return Object.entries(mapping).flatMap(([metric, written]) => {
    const isPlain = typeof written === "string";
    const path = ["mapping", metric];
    const source = isPlain ? written : written.value;
    const value = faults.expression(isPlain ? path : [...path, "value"], source);
    if (isPlain)
      return value === undefined
        ? []
        : [{ metric, value, unit: undefined, quality: undefined, if: undefined }];
    const part = (key: "quality" | "if") => {
      const own = written[key];
      return own === undefined ? undefined : faults.expression([...path, key], own);
    };
    const [quality, wanted] = [part("quality"), part("if")];
    return value === undefined ? [] : [{ metric, value, unit: written.unit, quality, if: wanted }];
  });
}

function namedOf(
  key: "device" | "metric",
  written: RouteSettings["device"],
  names: readonly string[],
  faults: Faults,
): Named | undefined {
  if (written === undefined) return undefined;
  if (typeof written === "object") return faults.expression([key, "cel"], written.cel);
  const template: Template | string = parseTemplate(written, names);
  return typeof template === "string" ? faults.tell([key], template) : template;
}

function timeOf({ time }: RouteSettings, faults: Faults): TimeOf | undefined {
  if (time === undefined) return undefined;
  const { format, zone } =
    typeof time === "string" || "cel" in time
      ? { format: "auto", zone: typeof time === "string" ? "UTC" : time.zone }
      : time;
  const read = timeReader(format, zone);
  if (typeof read === "string") return faults.tell(["time", "format"], read);
  if (typeof time === "string") return { kind: "field", field: time, read };
  if ("field" in time) return { kind: "field", field: time.field, read };
  const value = faults.expression(["time", "cel"], time.cel);
  return value === undefined ? undefined : { kind: "value", value, read };
}

function faultsOfRename({ rename = {} }: RouteSettings, faults: Faults): void {
  for (const [from, to] of Object.entries(rename)) {
    const [stars, kept] = [from.split("*").length - 1, to.split("*").length - 1];
    if (stars > 1 || kept > stars)
      faults.tell(["rename", from], "one * on each side keeps what it stands for");
  }
}

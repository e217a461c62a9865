/** What filters say, made ready: which way a series goes through, if any. */
import { crc32 } from "node:zlib";
import { selectorOf } from "@causeway/shared/rules/selector.ts";
import { SeriesMap } from "@causeway/shared/rules/series-map.ts";
import { matches } from "../broker/topic-filter.ts";
import type { Filter, RouteFilter, Statistic } from "./filter-settings.ts";
import { heartbeatMsDefault } from "./filter-settings.ts";

/** How readings are filtered. */
export interface Way {
  /** For status and metrics. */
  readonly name: string;
  /** The same for equal settings. */
  readonly version: number;
  readonly isOfRoute: boolean;
  /** Undefined where every reading is news. */
  readonly deadband: Deadband | undefined;
  /** Undefined where what is no news is never sent. */
  readonly heartbeatMs: number | undefined;
  readonly rateLimitMs: number | undefined;
  readonly downsample: Downsample | undefined;
}

export interface Deadband {
  readonly absolute?: number | undefined;
  readonly percent?: number | undefined;
  /** What was held is sent before what passes. */
  readonly previous: boolean;
}

export interface Downsample {
  readonly windowMs: number;
  readonly keep: readonly Statistic[];
}

/** The ways of what comes on a topic from a device, by metric; undefined where nothing is filtered. */
export interface Chooser {
  of(topic: string, device: string): MetricWays | undefined;
}

/** Undefined where it passes. */
export type MetricWays = (metric: string) => Way | undefined;

/** At the bound what was chosen is forgotten, and chosen again. */
const topicsKnownMax = 16_384;
const metricsKnownMax = 1_024;

/** Of the list: the first filter that selects a reading decides. */
export function chooserOf(filters: readonly Filter[]): Chooser {
  const compiled = filters.map((filter, index) => ({
    topic: filter.topic,
    device: selectorOf(filter.devices),
    metric: selectorOf(filter.metrics),
    way: wayOf(filter, `${index + 1}`, false),
  }));
  const waysOf = (topic: string, device: string): MetricWays | undefined => {
    const own = compiled.filter((filter) => matches(filter.topic, topic) && filter.device(device));
    if (!own.some(({ way }) => way !== undefined)) return undefined;
    const known = new Map<string, Way | undefined>();
    return (metric) => {
      if (known.has(metric)) return known.get(metric);
      const way = own.find((filter) => filter.metric(metric))?.way;
      if (known.size >= metricsKnownMax) known.clear();
      known.set(metric, way);
      return way;
    };
  };
  const known = new SeriesMap<MetricWays | "none">();
  return {
    of(topic, device) {
      const before = known.get(topic, device);
      if (before !== undefined) return before === "none" ? undefined : before;
      const ways = waysOf(topic, device);
      if (known.size >= topicsKnownMax) known.clear();
      known.set(topic, device, ways ?? "none");
      return ways;
    },
  };
}

/** Of a route, whose readings have no other filter. */
export function routeChooser(filter: RouteFilter, route: string): Chooser {
  const selects = selectorOf(filter.metrics);
  const way = wayOf(filter, route, true);
  const ways: MetricWays = (metric) => (selects(metric) ? way : undefined);
  return { of: () => (way === undefined ? undefined : ways) };
}

function wayOf(filter: Filter | RouteFilter, number: string, isOfRoute: boolean): Way | undefined {
  const { name = number, pass, deadband, rateLimit, downsample } = filter;
  if (pass) return undefined;
  const { heartbeat = heartbeatMsDefault } = filter;
  return {
    name,
    version: crc32(JSON.stringify(isOfRoute ? [number, filter] : filter)),
    isOfRoute,
    deadband,
    heartbeatMs: deadband === undefined || heartbeat === "off" ? undefined : heartbeat,
    rateLimitMs: rateLimit?.every,
    downsample: downsample && { windowMs: downsample.window, keep: downsample.keep },
  };
}

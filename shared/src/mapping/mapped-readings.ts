/** What the expressions of a route give -> readings, or what is wrong with it. */
import type { Collector } from "../decode/collect.ts";
import { isObject } from "../decode/memory.ts";
import { withUnit } from "../decode/units.ts";
import type { Quality } from "../event.ts";
import { qualities, unitCharactersMax } from "../event.ts";
import { shown } from "../shown.ts";
import type { Expression, Message } from "./expression.ts";
import type { ReadTime } from "./route-time.ts";

/** Stands for the name of a value that has none of its own. */
export const unnamed = "value";

export interface MappedMetric {
  readonly metric: string;
  readonly value: Expression;
  readonly unit: string | undefined;
  readonly quality: Expression | undefined;
  readonly if: Expression | undefined;
}

/** What went wrong, in words; undefined where nothing did. */
type Fault = string | undefined;

/** One expression for each metric. */
export function collectMetrics(
  collector: Collector,
  metrics: readonly MappedMetric[],
  message: Message,
): Fault {
  for (const { metric, value, unit, quality, if: wanted } of metrics) {
    const is = wanted?.evaluate(message);
    if (is?.kind === "failed") return `${metric}, if: ${is.detail}`;
    if (is !== undefined && typeof is.value !== "boolean")
      return `${metric}, if: ${shown(is.value)} is neither true nor false`;
    if (is?.value === false) continue;
    const found = value.evaluate(message);
    if (found.kind === "failed") return `${metric}: ${found.detail}`;
    const how = quality?.evaluate(message);
    if (how?.kind === "failed") return `${metric}, quality: ${how.detail}`;
    const fault = put(collector, { metric, value: found.value, unit, quality: how?.value });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** One expression for all: a value, an object of metrics, or a list of readings. */
export function collectMapped(collector: Collector, found: unknown, readTime: ReadTime): Fault {
  if (Array.isArray(found)) {
    for (const each of found) {
      if (each === null || (isPlain(each) && Object.keys(each).length === 0)) continue;
      if (!isPlain(each) || !("metric" in each))
        return `${shown(each)} is no reading: write reading("name", value)`;
      const fault = put(collector, each, readTime);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  if (!isPlain(found)) return put(collector, { metric: unnamed, value: found });
  if ("metric" in found && "value" in found) return put(collector, found, readTime);
  for (const [metric, value] of Object.entries(found)) {
    const isReading = isPlain(value) && "value" in value;
    const fault = put(collector, isReading ? { ...value, metric } : { metric, value }, readTime);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && !(value instanceof Date) && !(value instanceof Uint8Array);
}

interface Put {
  readonly metric?: unknown;
  readonly value?: unknown;
  readonly unit?: unknown;
  readonly quality?: unknown;
  readonly time?: unknown;
}

function put(
  collector: Collector,
  { metric, value, unit, quality, time }: Put,
  readTime?: ReadTime,
): Fault {
  if (typeof metric !== "string") return `${shown(metric)} is no name of a metric`;
  const plain = scalarOf(value);
  if (plain === undefined) return `${metric}: ${kindOf(value)} is no value of a reading`;
  const reading = collector.put(metric, plain);
  if (reading === undefined) return undefined;
  if (unit !== undefined) {
    if (typeof unit !== "string" || unit.length > unitCharactersMax)
      return `${metric}: ${shown(unit)} is no unit`;
    withUnit(reading, unit);
    // What the route says is not what the device wrote.
    delete reading.unitOriginal;
  }
  if (quality !== undefined) {
    const own = qualityOf(quality);
    if (own === undefined) return `${metric}: ${faultOfQuality(quality)}`;
    if (reading.quality === "good" && own !== "good") {
      reading.quality = own;
      reading.reason = "device";
    }
  }
  if (time === undefined || time === null) return undefined;
  const at = time instanceof Date ? time.getTime() : readTime?.(time);
  if (at === undefined) return `${metric}: ${shown(time)} is no time`;
  if (at !== null) reading.observedAt = at;
  return undefined;
}

/** True is good, false is bad. */
export function qualityOf(found: unknown): Quality | undefined {
  if (typeof found === "boolean") return found ? "good" : "bad";
  return qualities.find((one) => one === found);
}

export function faultOfQuality(found: unknown): string {
  return `${shown(found)} is no quality: good, uncertain, bad, true or false`;
}

function scalarOf(value: unknown): string | number | boolean | null | undefined {
  if (typeof value === "bigint") return Number(value);
  if (value === null) return null;
  const isScalar = ["number", "string", "boolean"].includes(typeof value);
  return isScalar ? (value as string | number | boolean) : undefined;
}

function kindOf(value: unknown): string {
  if (value instanceof Date) return "a time";
  if (value instanceof Uint8Array) return "a frame";
  return shown(value);
}

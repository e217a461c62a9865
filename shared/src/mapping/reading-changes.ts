/** What a route changes on readings: names, numbers and units. */
import { withUnit } from "../decode/units.ts";
import type { Reading } from "../event.ts";
import { isMetricName } from "../names.ts";
import { selectorOf } from "../rules/selector.ts";
import type { RouteSettings } from "./route-settings.ts";

/** Undefined where the reading is dropped; its name where that can be none. */
export type Change = (reading: Reading, metric: string) => Reading | string | undefined;

type Changes = Pick<RouteSettings, "rename" | "drop" | "scale" | "unit">;
type Scale = (value: number) => number;
type ByMetric<Value> = (metric: string) => Value | undefined;

export function changeOf({ rename, drop, scale, unit }: Changes): Change {
  const nameOf = renaming(rename ?? {});
  const isDropped = drop === undefined ? () => false : selectorOf(drop);
  const scaleOf = scale === undefined ? () => undefined : scales(scale);
  const unitOf: ByMetric<string> =
    unit === undefined ? () => undefined : typeof unit === "string" ? () => unit : byGlob(unit);
  return (reading, decoded) => {
    const metric = nameOf(decoded);
    if (isDropped(metric)) return undefined;
    if (!isMetricName(metric)) return metric;
    const { value, unit: _u, unitOriginal: _o, ...rest } = reading;
    const own = scaleOf(metric);
    const scaled = own !== undefined && typeof value === "number" ? own(value) : value;
    const changed: Reading =
      Number.isFinite(scaled) || typeof scaled !== "number"
        ? { ...rest, metric, value: scaled }
        : { ...rest, metric, value: null, quality: "bad", reason: "out-of-range" };
    const symbol = unitOf(metric);
    if (symbol !== undefined) {
      withUnit(changed, symbol);
      // What the route says is not what the device wrote.
      delete changed.unitOriginal;
    } else {
      if (reading.unit !== undefined) changed.unit = reading.unit;
      if (reading.unitOriginal !== undefined) changed.unitOriginal = reading.unitOriginal;
    }
    return changed;
  };
}

/** The first that fits; one `*` on both sides keeps what it stood for. */
function renaming(rename: Readonly<Record<string, string>>): (metric: string) => string {
  const exact = new Map<string, string>();
  const starred: [before: string, after: string, name: string][] = [];
  for (const [from, to] of Object.entries(rename)) {
    const [before = "", after] = from.split("*");
    if (after === undefined) exact.set(from, to);
    else starred.push([before, after, to]);
  }
  return (metric) => {
    const found = exact.get(metric);
    if (found !== undefined) return found;
    for (const [before, after, name] of starred) {
      const isLong = metric.length >= before.length + after.length;
      if (!isLong || !metric.startsWith(before) || !metric.endsWith(after)) continue;
      const kept = metric.slice(before.length, metric.length - after.length);
      return name.replace("*", () => kept);
    }
    return metric;
  };
}

function scales(scale: NonNullable<RouteSettings["scale"]>): ByMetric<Scale> {
  if (typeof scale === "number" || isOne(scale)) {
    const one = scaleBy(scale);
    return () => one;
  }
  const all = Object.entries(scale).map(([glob, one]) => [glob, scaleBy(one)] as const);
  return byGlob(Object.fromEntries(all));
}

type One = { readonly factor?: number | undefined; readonly offset?: number | undefined };

/** A metric called factor is not scaled by a number of its own. */
function isOne(scale: object): scale is One {
  return Object.keys(scale).every((key) => key === "factor" || key === "offset");
}

function scaleBy(scale: number | One): Scale {
  const { factor = 1, offset = 0 } = typeof scale === "number" ? { factor: scale } : scale;
  // A tenth is no double: to divide by ten gives 21.3 where to multiply gives 21.300000000000004.
  const divisor = Math.round(1 / factor);
  const isPart = Math.abs(factor) < 1 && Math.abs(1 / factor - divisor) < 1e-9 * Math.abs(divisor);
  return (value) => (isPart ? value / divisor : value * factor) + offset;
}

function byGlob<Value>(entries: Readonly<Record<string, Value>>): ByMetric<Value> {
  const exact = new Map(Object.entries(entries));
  const globs = Object.entries(entries).flatMap(([glob, value]) =>
    glob.includes("*") ? [[selectorOf([glob]), value] as const] : [],
  );
  return (metric) => exact.get(metric) ?? globs.find(([selects]) => selects(metric))?.[1];
}

/** Numbers of one series that gather, until their window is over and a few figures tell of them. */
import type { Reading } from "@causeway/shared/event.ts";
import type { MetricName } from "@causeway/shared/names.ts";
import { metricCharactersMax } from "@causeway/shared/names.ts";
import type { Statistic } from "./filter-settings.ts";
import type { Downsample } from "./filter-way.ts";

/** What windows are counted by: the device's times, real time, or the time since the boot. */
export type Basis = "observed" | "real" | "boot";

export interface Window {
  readonly basis: Basis;
  /** Its start is that times its width. */
  readonly number: number;
  /** When it is closed though nothing more comes, in boot time. */
  readonly dueMs: number;
  count: number;
  mean: number;
  readonly first: Point;
  last: Point;
  min: Point;
  max: Point;
}

/** A number and when it came: by the device's clock, by the gateway's since its boot. */
export interface Point {
  readonly value: number;
  readonly at: number | null;
  readonly bootMs: number;
}

/** What a device sends late may still be on its way when its window is over. */
const lateMsMax = 5_000;
/** A mean says no more than what it was made of. */
const meanDigits = 10;

/** Which window a point falls into, and when that window is over. */
export function windowAt(
  { at, bootMs }: Point,
  windowMs: number,
  bootOffsetMs: number | undefined,
): Pick<Window, "basis" | "number" | "dueMs"> {
  const basis = at !== null ? "observed" : bootOffsetMs !== undefined ? "real" : "boot";
  const time = at ?? bootMs + (bootOffsetMs ?? 0);
  const number = Math.floor(time / windowMs);
  const lateMs = basis === "observed" ? Math.min(windowMs, lateMsMax) : 0;
  const dueMs = Math.ceil(bootMs + (number + 1) * windowMs - time) + lateMs;
  return { basis, number, dueMs };
}

export function openWindow(
  place: Pick<Window, "basis" | "number" | "dueMs">,
  point: Point,
): Window {
  const all = { first: point, last: point, min: point, max: point };
  return { ...place, count: 1, mean: point.value, ...all };
}

export function addPoint(window: Window, point: Point): void {
  const { value } = point;
  window.count++;
  // Divided first: the difference of two doubles may be none.
  window.mean += value / window.count - window.mean / window.count;
  if (value < window.min.value) window.min = point;
  if (value > window.max.value) window.max = point;
  window.last = point;
}

/** What is told of all its readings but their value. */
export type Like = Omit<Reading, "value" | "observedAt">;

/**
 * The figures that are wanted, each with its time: of a reading its own, of the others the start of
 * the window. `last` is the series itself; the others are series beside it.
 */
export function figuresOf(
  window: Window,
  like: Like,
  { windowMs, keep }: Downsample,
  realMs: (bootMs: number) => number | undefined,
): Reading[] {
  const { basis, number, first, last, min, max, count } = window;
  const start = number * windowMs;
  const startAt = basis === "boot" ? realMs(start) : start;
  const pointAt = ({ at, bootMs }: Point) => at ?? realMs(bootMs);
  const figures: Readonly<Record<Statistic, readonly [number, number | undefined]>> = {
    first: [first.value, pointAt(first)],
    last: [last.value, pointAt(last)],
    min: [min.value, pointAt(min)],
    max: [max.value, pointAt(max)],
    mean: [meanOf(window), startAt],
    count: [count, startAt],
  };
  return keep.map((statistic) => {
    const [value, at] = figures[statistic];
    const metric = statistic === "last" ? like.metric : figureName(like.metric, statistic);
    const { unit, unitOriginal, ...rest } = like;
    const counted = statistic === "count" ? rest : like;
    return { ...counted, metric, value, ...(at === undefined ? {} : { observedAt: at }) };
  });
}

function figureName(metric: MetricName, statistic: Statistic): MetricName {
  return `${metric}.${statistic}` as MetricName;
}

/** Whether there is room for the longest of them. */
export function hasFigureNames(metric: string): boolean {
  return metric.length + ".count".length <= metricCharactersMax;
}

function meanOf({ mean, min, max }: Window): number {
  return Math.min(max.value, Math.max(min.value, Number(mean.toPrecision(meanDigits))));
}

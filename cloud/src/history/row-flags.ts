/**
 * What is said of a row beside its value, in one byte:
 *
 *   bits 0-1  quality: 0 good, 1 uncertain, 2 bad
 *   bit 2     the gateway's clock was not known to be right
 *   bit 3     it came late
 *   bits 4-5  lane: 0 live, 1 history, 2 priority, 3 redrive
 *   bit 6     the value is a yes (1) or a no (0)
 *   bit 7     the device said itself when it was observed
 */
import type { JournalLane, Quality } from "@causeway/shared/event.ts";
import type { Point, ReadingValue } from "./historian.ts";

export const badQuality = 2;
export const qualityMask = 3;
export const lateFlag = 8;
const unsynchronisedFlag = 4;
const booleanFlag = 64;
const observedFlag = 128;

const qualityOrder: readonly Quality[] = ["good", "uncertain", "bad"];
const laneOrder: readonly JournalLane[] = ["live", "history", "priority", "redrive"];

export function flagsOf(point: Point): number {
  const { quality, timeQuality, late, lane, observedAt } = point;
  const value = point.window === undefined ? point.value : point.window.last;
  return (
    qualityOrder.indexOf(quality) +
    (timeQuality === "unsynchronised" ? unsynchronisedFlag : 0) +
    (late ? lateFlag : 0) +
    laneOrder.indexOf(lane) * 16 +
    (typeof value === "boolean" ? booleanFlag : 0) +
    (observedAt === null ? 0 : observedFlag)
  );
}

/** As it stands in a store; times in ms. */
export interface StoredRow {
  readonly series: number;
  readonly time: number;
  readonly delayMs: number;
  readonly value: number | null;
  readonly flags: number;
  readonly text: string | null;
  readonly reason: string | null;
  /** Where it is other than `time`. */
  readonly observed: number | null;
  readonly windowMs: number | null;
  readonly count: number | null;
  readonly bad: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly last: number | null;
}

export function storedRow(series: number, point: Point): StoredRow {
  const { time, receivedAt, observedAt, value, window } = point;
  const last = window === undefined ? value : window.last;
  return {
    series,
    time,
    delayMs: receivedAt - time,
    value: numberOf(value),
    flags: flagsOf(point),
    text: typeof last === "string" ? last : null,
    reason: point.reason ?? null,
    observed: observedAt === time ? null : observedAt,
    windowMs: window?.ms ?? null,
    count: window?.count ?? null,
    bad: window?.bad ?? null,
    low: window?.min ?? null,
    high: window?.max ?? null,
    last: window === undefined ? null : numberOf(window.last),
  };
}

export interface NumberedPoint {
  /** Id of its series. */
  readonly series: number;
  readonly point: Point;
}

/** Most rows are of this kind: the columns that only others have need not be looked at. */
export function isPlain({ value, time, observedAt, reason, window }: Point): boolean {
  return (
    (typeof value === "number" || typeof value === "boolean") &&
    (observedAt === null || observedAt === time) &&
    reason === undefined &&
    window === undefined
  );
}

function numberOf(value: ReadingValue): number | null {
  if (typeof value === "number") return value;
  return typeof value === "boolean" ? Number(value) : null;
}

export function pointOf(row: StoredRow): Point {
  const { time, flags, observed, windowMs } = row;
  const isBoolean = (flags & booleanFlag) !== 0;
  const shown = (number: number | null): ReadingValue =>
    row.text ?? (isBoolean && number !== null ? number === 1 : number);
  const isWindow = windowMs !== null;
  const window = isWindow
    ? {
        ...{ ms: windowMs, count: row.count ?? 0, bad: row.bad ?? 0 },
        ...{ min: row.low, max: row.high, last: shown(row.last) },
      }
    : undefined;
  return {
    time,
    receivedAt: time + row.delayMs,
    observedAt: (flags & observedFlag) === 0 ? null : (observed ?? time),
    value: isWindow ? (row.value ?? shown(row.last)) : shown(row.value),
    quality: qualityOrder[flags & qualityMask] ?? "uncertain",
    ...(row.reason === null ? {} : { reason: row.reason }),
    timeQuality: (flags & unsynchronisedFlag) === 0 ? "synchronised" : "unsynchronised",
    lane: laneOrder[(flags >> 4) & 3] ?? "live",
    late: (flags & lateFlag) !== 0,
    ...(window === undefined ? {} : { window }),
  };
}

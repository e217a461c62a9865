/**
 * What becomes of each reading of one series.
 *
 *   V1  The first reading passes, and one of another quality, reason, unit or type than the one
 *       before, and a text or a yes or no that changed, whatever the filter.
 *   V2  A number within the deadband of what was sent last is no news, nor is an equal text. The
 *       newest of them is held, and sent with its own time once the heartbeat is due, or before the
 *       news that follows, where that is wanted; a device that is silent stays silent.
 *   V3  News within the rate limit are held too, the newest alone, and sent when it is over.
 *   V4  Of a downsampled series numbers gather in a window, which is closed by the next reading
 *       beyond it, or when its time is over. One of a window before passes as it is.
 *   V5  A reading is sent, or held, or counted as suppressed: always one of them. What a window tells
 *       counts as no reading but its `last`.
 *   V6  How long ago is told by the device's clock where both readings have its time, either way
 *       round: one that was set back silences nothing.
 */
import type { Reading } from "@causeway/shared/event.ts";
import type { MetricName } from "@causeway/shared/names.ts";
import type { Deadband, Way } from "./filter-way.ts";
import type { Like, Point, Window } from "./filter-window.ts";
import { addPoint, figuresOf, openWindow, windowAt } from "./filter-window.ts";

export const reasons = ["deadband", "rate", "downsample"] as const;
export type Reason = (typeof reasons)[number];

/** A value, and when it came: by the device's clock, by the gateway's since its boot. */
export interface Seen {
  readonly value: Reading["value"];
  readonly at: number | null;
  readonly bootMs: number;
}

export interface Held extends Seen {
  readonly isNews: boolean;
}

export interface Series {
  readonly metric: MetricName;
  way: Way;
  /** What is told of a reading but its value; of the newest that was not like those before. */
  like: Like | undefined;
  /** Sent last, or the last of the window that was closed last. */
  sent: Seen | undefined;
  held: Held | undefined;
  window: Window | undefined;
}

export interface Told {
  /** What was held or gathered, to be sent before the reading. */
  readonly closed: Reading[];
  suppressed(way: Way, reason: Reason, count: number): void;
  /** Real time in ms of a moment of the boot that the series is in; undefined while not known. */
  realMs(bootMs: number): number | undefined;
}

/** `dropped`: nothing is kept of it but its count. */
export type Fate = "passes" | "held" | "dropped";

/** Decimal fractions are not quite what they are written as. */
const tolerance = 1 + 1e-9;

export function newSeries(metric: MetricName, way: Way): Series {
  return { metric, way, like: undefined, sent: undefined, held: undefined, window: undefined };
}

/** Held and not yet sent or suppressed. */
export function heldCount({ held, window }: Series): number {
  return (held === undefined ? 0 : 1) + (window?.count ?? 0);
}

export function takeReading(series: Series, reading: Reading, seen: Seen, told: Told): Fate {
  const { way, like } = series;
  const { downsample } = way;
  const isFirst = like === undefined;
  if (isFirst || !isLike(like, reading) || typeof seen.value !== typeof lastValue(series)) {
    const gathers = isFirst && downsample !== undefined && reading.quality === "good";
    closeWindow(series, told);
    series.like = likeOf(reading);
    if (!gathers || typeof seen.value !== "number") return pass(series, seen, told);
  }
  if (typeof seen.value !== "number") return takeState(series, seen, told);
  if (downsample !== undefined) return gather(series, { ...seen, value: seen.value }, told);
  const isNews = way.deadband === undefined || isBeyond(way.deadband, seen, series.sent);
  return isNews ? takeNews(series, seen, told) : takeSame(series, seen, way.heartbeatMs, told);
}

/** When something must be sent though nothing more comes, in boot time. */
export function dueMsOf({ way, sent, held, window }: Series): number {
  const windowMs = window?.dueMs ?? Number.POSITIVE_INFINITY;
  if (held === undefined) return windowMs;
  const sentMs = sent?.bootMs ?? held.bootMs;
  const waitMs = held.isNews ? way.rateLimitMs : heartbeatMsOf(way);
  return Math.min(windowMs, sentMs + (waitMs ?? Number.POSITIVE_INFINITY));
}

/** Closes what is due. */
export function closeDue(series: Series, nowMs: number, told: Told): void {
  if (dueMsOf(series) > nowMs) return;
  if (series.window !== undefined && series.window.dueMs <= nowMs) closeWindow(series, told);
  if (series.held !== undefined && dueMsOf(series) <= nowMs) sendHeld(series, nowMs, told);
}

/** Closes all that is open, due or not. */
export function closeAll(series: Series, nowMs: number, told: Told): void {
  closeWindow(series, told);
  sendHeld(series, nowMs, told);
}

/** Of a text, or a yes or no, or none. */
function takeState(series: Series, seen: Seen, told: Told): Fate {
  const { way, sent } = series;
  if (sent === undefined || seen.value !== sent.value) return pass(series, seen, told);
  if (way.deadband === undefined && way.downsample === undefined)
    return takeNews(series, seen, told);
  return takeSame(series, seen, heartbeatMsOf(way), told);
}

/** V3 */
function takeNews(series: Series, seen: Seen, told: Told): Fate {
  const { rateLimitMs, deadband } = series.way;
  if (rateLimitMs === undefined || hasPassed(series.sent, seen, rateLimitMs)) {
    if (deadband?.previous && series.held?.isNews === false) sendHeld(series, seen.bootMs, told);
    return pass(series, seen, told);
  }
  return hold(series, { ...seen, isNews: true }, told);
}

/** V2 */
function takeSame(series: Series, seen: Seen, heartbeatMs: number | undefined, told: Told): Fate {
  if (heartbeatMs !== undefined && hasPassed(series.sent, seen, heartbeatMs))
    return pass(series, seen, told);
  const held = { ...seen, isNews: false };
  const isHeld = heartbeatMs !== undefined || series.way.deadband?.previous === true;
  if (isHeld) return hold(series, held, told);
  told.suppressed(series.way, "deadband", 1);
  if (series.held === undefined) return "dropped";
  suppressHeld(series, told);
  return "held";
}

function hold(series: Series, held: Held, told: Told): Fate {
  const { held: before } = series;
  const isOlder = before !== undefined && (held.at ?? 0) < (before.at ?? 0);
  if (isOlder) {
    told.suppressed(series.way, reasonOf(series, held), 1);
    return "dropped";
  }
  suppressHeld(series, told);
  series.held = held;
  return "held";
}

/** V4 */
function gather(series: Series, point: Point, told: Told): Fate {
  const { window, way } = series;
  const { windowMs } = way.downsample as NonNullable<Way["downsample"]>;
  const realNow = told.realMs(point.bootMs);
  const offsetMs = realNow === undefined ? undefined : realNow - point.bootMs;
  const place = windowAt(point, windowMs, offsetMs);
  if (window !== undefined && window.basis === place.basis) {
    if (place.number < window.number) return "passes";
    if (place.number === window.number) {
      addPoint(window, point);
      return "held";
    }
  }
  closeWindow(series, told);
  series.window = openWindow(place, point);
  return "held";
}

function pass(series: Series, seen: Seen, told: Told): Fate {
  suppressHeld(series, told);
  series.sent = seen;
  return "passes";
}

function suppressHeld(series: Series, told: Told): void {
  if (series.held === undefined) return;
  told.suppressed(series.way, reasonOf(series, series.held), 1);
  series.held = undefined;
}

function reasonOf({ way }: Series, { isNews }: Held): Reason {
  if (isNews) return "rate";
  return way.downsample === undefined ? "deadband" : "downsample";
}

function sendHeld(series: Series, nowMs: number, told: Told): void {
  const { held, like } = series;
  if (held === undefined || like === undefined) return;
  const at = held.at ?? told.realMs(held.bootMs);
  told.closed.push({ ...like, value: held.value, ...(at === undefined ? {} : { observedAt: at }) });
  series.sent = { value: held.value, at: held.at, bootMs: nowMs };
  series.held = undefined;
}

function closeWindow(series: Series, told: Told): void {
  const { window, like, way } = series;
  if (window === undefined || like === undefined || way.downsample === undefined) return;
  told.closed.push(...figuresOf(window, like, way.downsample, told.realMs));
  const sent = way.downsample.keep.includes("last") ? 1 : 0;
  if (window.count > sent) told.suppressed(way, "downsample", window.count - sent);
  series.sent = window.last;
  series.window = undefined;
}

/** States of a downsampled series are sent again once a window. */
function heartbeatMsOf({ downsample, heartbeatMs }: Way): number | undefined {
  return downsample === undefined ? heartbeatMs : downsample.windowMs;
}

function isBeyond({ absolute, percent = 0 }: Deadband, { value }: Seen, sent?: Seen): boolean {
  if (typeof value !== "number" || typeof sent?.value !== "number") return true;
  const band = absolute ?? (Math.abs(sent.value) * percent) / 100;
  return Math.abs(value - sent.value) > band * tolerance;
}

/** V6 */
function hasPassed(sent: Seen | undefined, { at, bootMs }: Seen, ms: number): boolean {
  if (sent === undefined) return true;
  const isDated = sent.at !== null && at !== null;
  const since = isDated ? Math.abs((at ?? 0) - (sent.at ?? 0)) : bootMs - sent.bootMs;
  return since >= ms;
}

function lastValue({ window, held, sent }: Series): Reading["value"] | undefined {
  return window?.last.value ?? held?.value ?? sent?.value;
}

function likeOf(reading: Reading): Like {
  const { value, observedAt, ...like } = reading;
  return like;
}

function isLike(like: Like, reading: Reading): boolean {
  return (
    like.quality === reading.quality &&
    like.unit === reading.unit &&
    like.reason === reading.reason &&
    like.unitOriginal === reading.unitOriginal
  );
}

/**
 * Fewer points that look the same.
 *
 *   H1  Of the points of one column the lowest and the highest stay, in their order; so the lowest
 *       and highest of all stay whatever the number of columns.
 *   H2  The first and the last point of every stretch stay: a line ends where readings do.
 *   H3  A pause of more than `pauseIntervals` usual intervals ends a stretch, and so does a value
 *       that is not finite.
 */
import type { Extent, Point, Span } from "./chart.ts";
import { columnOf } from "./chart.ts";

const pauseIntervals = 12;

/** Stretches without a pause, in order; each has a point. */
export function stretchesOf(points: readonly Point[]): readonly (readonly Point[])[] {
  const pauseMs = pauseIntervals * usualInterval(points);
  const stretches: Point[][] = [];
  let last: Point | undefined;
  for (const point of points) {
    const isPoint = Number.isFinite(point[0]) && Number.isFinite(point[1]);
    const follows = last !== undefined && point[0] - last[0] <= pauseMs;
    if (isPoint && follows) stretches.at(-1)?.push(point);
    else if (isPoint) stretches.push([point]);
    last = isPoint ? point : undefined;
  }
  return stretches;
}

/** The median of the distances in time that are not 0. */
function usualInterval(points: readonly Point[]): number {
  const step = Math.max(1, Math.floor(points.length / 4_096));
  const intervals: number[] = [];
  for (let at = 1; at < points.length; at += step) {
    const interval = (points[at]?.[0] ?? 0) - (points[at - 1]?.[0] ?? 0);
    if (interval > 0) intervals.push(interval);
  }
  return intervals.toSorted((a, b) => a - b)[intervals.length >> 1] ?? Number.POSITIVE_INFINITY;
}

/** H1, H2: at most two points a column, and the ends. */
export function thinned(
  stretch: readonly Point[],
  extent: Extent,
  columns: number,
): readonly Point[] {
  const kept: Point[] = [];
  const [first, last] = [stretch[0], stretch.at(-1)];
  if (first === undefined || last === undefined) return kept;
  let [column, low, high] = [-1, first, first];
  const keep = (point: Point) => {
    if (kept.at(-1) !== point) kept.push(point);
  };
  const finish = () => {
    const inOrder = low[0] <= high[0] ? [low, high] : [high, low];
    for (const point of inOrder) keep(point);
  };
  keep(first);
  for (const point of stretch) {
    const own = columnOf(extent, columns, point[0]);
    if (own !== column) {
      if (column >= 0) finish();
      [column, low, high] = [own, point, point];
    }
    if (point[1] < low[1]) low = point;
    if (point[1] > high[1]) high = point;
  }
  finish();
  keep(last);
  return kept;
}

const gatheredMax = 65_536;

/** Points, of which at most `pointsMax` are kept: of every four neighbours the extremes (H1). */
export class Gathered {
  readonly #pointsMax: number;
  #points: Point[] = [];

  constructor(pointsMax = gatheredMax) {
    this.#pointsMax = pointsMax;
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  add(point: Point): void {
    if (!Number.isFinite(point[1])) return;
    this.#points.push(point);
    if (this.#points.length > this.#pointsMax) this.#halve();
  }

  #halve(): void {
    const kept: Point[] = [];
    for (let at = 0; at < this.#points.length; at += 4) {
      kept.push(...extremesOf(this.#points.slice(at, at + 4)));
    }
    this.#points = kept;
  }
}

/** In their order. */
function extremesOf(points: readonly Point[]): readonly Point[] {
  const values = points.map(([, value]) => value);
  const extremes = [Math.min(...values), Math.max(...values)];
  const places = extremes.map((extreme) => values.indexOf(extreme));
  return points.filter((_, at) => places.includes(at));
}

/** When something was so, by what was said of moments in order; at the bound the last span goes on. */
export class GatheredSpans {
  readonly #spansMax: number;
  readonly #spans: { from: number; to: number }[] = [];
  #isSo = false;

  constructor(spansMax = gatheredMax) {
    this.#spansMax = spansMax;
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  note(timeMs: number, isSo: boolean): void {
    const last = this.#spans.at(-1);
    const goesOn = this.#isSo || this.#spans.length >= this.#spansMax;
    if (isSo && goesOn && last !== undefined) last.to = Math.max(last.to, timeMs);
    else if (isSo) this.#spans.push({ from: timeMs, to: timeMs });
    this.#isSo = isSo;
  }
}

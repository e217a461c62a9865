/**
 * What there is to see, whatever it is drawn with: values over time, one panel a series, and below
 * them a row of alerts for each who gave some.
 */

export type Point = readonly [timeMs: number, value: number];

export interface Series {
  readonly label: string;
  /** In ascending order of time; what is not finite is a gap. */
  readonly points: readonly Point[];
  /** Laid behind the values. */
  readonly bands?: readonly Band[];
}

/** A rectangle; a side that is not told lies at the chart's edge. */
export interface Band {
  readonly label: string;
  readonly from?: number;
  readonly to?: number;
  readonly low?: number;
  readonly high?: number;
}

/** A moment with a name. */
export interface Mark {
  readonly at: number;
  readonly label: string;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Row {
  readonly label: string;
  readonly spans: readonly Span[];
  /** Drawn paler: of the past, or for comparison. */
  readonly isPale?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly series: readonly Series[];
  readonly marks: readonly Mark[];
  readonly rows: readonly Row[];
}

/** Beyond it a difference would not be finite. */
const valueMax = 1e300;

export interface Extent {
  readonly from: number;
  readonly to: number;
}

/** Of all points and spans; never empty, so that it can be divided by. */
export function timesOf({ series, marks, rows }: Chart): Extent {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const meet = (timeMs: number) => {
    if (!Number.isFinite(timeMs)) return;
    from = Math.min(from, timeMs);
    to = Math.max(to, timeMs);
  };
  for (const { points } of series) for (const [timeMs] of points) meet(timeMs);
  for (const { at } of marks) meet(at);
  for (const { spans } of rows) {
    for (const span of spans) {
      meet(span.from);
      meet(span.to);
    }
  }
  if (from > to) return { from: 0, to: 1 };
  return from < to ? { from, to } : { from: from - 500, to: to + 500 };
}

/** Of the values, and of the bands about them; never empty. */
export function valuesOf({ points, bands = [] }: Series): Extent {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const meet = (value: number | undefined) => {
    if (value === undefined || !Number.isFinite(value)) return;
    const shown = Math.min(valueMax, Math.max(-valueMax, value));
    from = Math.min(from, shown);
    to = Math.max(to, shown);
  };
  for (const [, value] of points) meet(value);
  for (const { low, high } of bands) {
    meet(low);
    meet(high);
  }
  if (from > to) return { from: 0, to: 1 };
  const least = Math.max(Math.abs(to), Math.abs(from)) * 1e-9;
  if (to - from > least) return { from, to };
  const half = Math.abs(from) / 10 || 1;
  return { from: from - half, to: from + half };
}

/** How far `value` is on the way through `extent`, in [0, 1]. */
export function shareOf({ from, to }: Extent, value: number): number {
  return Math.min(1, Math.max(0, (value - from) / (to - from)));
}

/** The column of `timeMs` among `columns`, those at the ends for what lies beyond. */
export function columnOf(extent: Extent, columns: number, timeMs: number): number {
  return Math.min(columns - 1, Math.floor(shareOf(extent, timeMs) * columns));
}

/** First and last column of each span, in order; those that touch are one. */
export function columnsOf(
  extent: Extent,
  columns: number,
  spans: readonly Span[],
): readonly (readonly [first: number, last: number])[] {
  const found = spans
    .map(({ from, to }): [number, number] => {
      return [columnOf(extent, columns, from), columnOf(extent, columns, to)];
    })
    .sort(([left], [right]) => left - right);
  const joined: [number, number][] = [];
  for (const [first, last] of found) {
    const before = joined.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}

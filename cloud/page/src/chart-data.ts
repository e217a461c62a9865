/**
 * Readings as columns that can be drawn: where nothing came for long the line breaks, what came late
 * has a line of its own, and what a person must not take for good is marked. Pure.
 */
import type { Alert, ReadingsAnswer, Severity } from "./api-types.ts";
import type { Value } from "./format.ts";

export const flags = { late: 1, uncertain: 2, bad: 4, rollup: 8, unsynchronised: 16 } as const;

/** A reading, or one of the extremes of a stretch; bits of `flags`. */
export type Point = readonly [at: number, value: Value, flags: number];
export type Band = readonly [at: number, low: number, high: number];

type Column = (number | null)[];

export interface ChartColumns {
  readonly times: number[];
  readonly last: Column;
  readonly late: Column;
  /** Of readings whose quality is not good. */
  readonly doubtful: Column;
  readonly flags: number[];
  readonly low: Column;
  readonly high: Column;
}

/** A span in which an alert fired; open at its end while it fires. */
export interface Span {
  readonly from: number;
  readonly to: number | undefined;
  readonly severity: Severity;
  readonly text: string;
}

export interface Limit {
  readonly value: number;
  readonly text: string;
}

const gapFactor = 4;
const gapMsMin = 3_000;

/** On and off are 1 and 0; a text has no place on an axis. */
export function numberOf(value: Value): number | null {
  if (typeof value === "number") return value;
  return typeof value === "boolean" ? Number(value) : null;
}

/** Of one series; none where the history does not know it. */
export function pointsOf(
  answer: ReadingsAnswer,
  place: { gateway: string; device: string; metric: string },
): { points: readonly Point[]; unit: string } {
  const at = (name: string) => answer.columns.indexOf(name);
  const [time, value, late, bad] = [at("time"), at("value"), at("late"), at("bad")];
  // Where the unit has changed there is a series of each: that of now is the one to look at.
  const last = ({ points }: ReadingsAnswer["series"][number]) => Number(points.at(-1)?.[time] ?? 0);
  const [own] = answer.series
    .filter(
      ({ gateway, device, metric }) =>
        gateway === place.gateway && device === place.device && metric === place.metric,
    )
    .sort((left, right) => last(right) - last(left));
  const quality = at("quality");
  const points = (own?.points ?? []).map((cells): Point => {
    const flag =
      (cells[late] ? flags.late : 0) |
      (cells[bad] ? flags.bad : 0) |
      (qualityFlags[String(cells[quality])] ?? 0);
    return [Number(cells[time]), (cells[value] ?? null) as Value, flag];
  });
  return { points, unit: own?.unit ?? "" };
}

const qualityFlags: Readonly<Record<string, number>> = {
  uncertain: flags.uncertain,
  bad: flags.bad,
  thinned: flags.rollup,
};

export function columnsOf(points: readonly Point[], bands: readonly Band[] = []): ChartColumns {
  const own: ChartColumns = {
    ...{ times: [], last: [], late: [], doubtful: [], flags: [], low: [], high: [] },
  };
  const gapMs = gapOf(points);
  let band = 0;
  let before = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    const [at] = point;
    if (at <= before) continue; // an axis goes one way
    if (at - before > gapMs && before > 0) push(own, [before + 1, null, 0], undefined);
    while ((bands[band + 1]?.[0] ?? Number.POSITIVE_INFINITY) <= at) band++;
    push(own, point, bands[band]);
    before = at;
  }
  return own;
}

function push(own: ChartColumns, [at, given, flag]: Point, band: Band | undefined): void {
  const isLate = (flag & flags.late) !== 0;
  const value = numberOf(given);
  own.times.push(at);
  own.last.push(isLate ? null : value);
  own.late.push(isLate ? value : null);
  own.doubtful.push((flag & (flags.uncertain | flags.bad | flags.rollup)) === 0 ? null : value);
  own.flags.push(flag);
  own.low.push(band !== undefined && band[0] <= at ? band[1] : null);
  own.high.push(band !== undefined && band[0] <= at ? band[2] : null);
}

/** So long without a reading is a gap: a few times what is usual for the series. */
function gapOf(points: readonly Point[]): number {
  const steps = points.slice(1).map(([at], index) => at - (points[index]?.[0] ?? at));
  const median = steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  return Math.max(gapMsMin, gapFactor * median);
}

export function spansOf(alerts: readonly Alert[], metric: string): readonly Span[] {
  return alerts
    .filter((alert) => alert.metric === metric || alert.metric === "")
    .map(({ firingAt, state, resolvedAt, at, severity, rule, reason }) => ({
      from: firingAt,
      to: state === "firing" ? undefined : (resolvedAt ?? at ?? firingAt),
      severity,
      text: `${rule}: ${reason}`,
    }));
}

/** What the colours and lines of a flag mean, in words. */
export function flagWords(flag: number | null | undefined): readonly string[] {
  const own = flag ?? 0;
  return [
    ...((own & flags.late) === 0 ? [] : ["came late"]),
    ...((own & flags.uncertain) === 0 ? [] : ["uncertain"]),
    ...((own & flags.bad) === 0 ? [] : ["bad"]),
    ...((own & flags.rollup) === 0 ? [] : ["an average, for want of room at the gateway"]),
    ...((own & flags.unsynchronised) === 0 ? [] : ["the gateway's clock was not set"]),
  ];
}

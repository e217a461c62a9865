/**
 * A stretch of time as the two points that a chart must not miss: its lowest and its highest, each at
 * its own time. What has no numbers is shown by its last word.
 */
import type { Bucket } from "./historian.ts";

export interface ExtremePoint {
  readonly time: number;
  /** Null where there were bad readings only. */
  readonly value: number | string | null;
  /** Of the whole stretch. */
  readonly late: number;
  readonly bad: number;
}

export function extremesOf(bucket: Bucket): readonly ExtremePoint[] {
  const { min, max, minTime, maxTime, late, bad, last, lastTime } = bucket;
  if (min === null || max === null || minTime === null || maxTime === null)
    return [{ time: lastTime, value: last, late, bad }];
  const lowest = { time: minTime, value: min, late, bad };
  const highest = { time: maxTime, value: max, late, bad };
  if (minTime === maxTime && min === max) return [lowest];
  return minTime <= maxTime ? [lowest, highest] : [highest, lowest];
}

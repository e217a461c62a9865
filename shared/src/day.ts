/** Days as a calendar has them: one of 23 or 25 hours is a day like any other. */
import { localMs } from "./rules/time-zone.ts";

export const minuteMs = 60_000;
export const dayMs = 24 * 60 * minuteMs;

/** Days since 1970-01-01, by a clock in the zone. */
export function dayOf(at: number, zone: string): number {
  return Math.floor(localMs(at, zone) / dayMs);
}

/** Minutes since midnight, by a clock in the zone. */
export function minuteOf(at: number, zone: string): number {
  const local = localMs(at, zone);
  return Math.floor((local - Math.floor(local / dayMs) * dayMs) / minuteMs);
}

/**
 * When a clock in the zone shows so many minutes after midnight of that day: for the first time
 * where it does so twice, and as long after the clocks were put forward as they skip where it does
 * not.
 */
export function momentOf(day: number, minute: number, zone: string): number {
  const shown = day * dayMs + minute * minuteMs;
  const [before, after] = [shown - dayMs, shown + dayMs].map(
    (near) => shown - (localMs(near, zone) - near),
  ) as [number, number];
  const found = [before, after].filter((moment) => localMs(moment, zone) === shown);
  return found.length > 0 ? Math.min(...found) : before;
}

/** Days and weeks as a calendar has them: one of 23 or 25 hours is a day like any other. */
import { localMs } from "@causeway/shared/rules/time-zone.ts";
import type { ReportSettings } from "./report-settings.ts";
import { weekdays } from "./report-settings.ts";

/** In ms; `to` is the first moment of the next one. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

export type Schedule = Pick<ReportSettings, "every" | "at" | "on" | "zone">;

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** 1970-01-01 was a Thursday. */
const firstWeekday = 4;

/** The one that `at` lies in. */
export function periodAt(schedule: Schedule, at: number): Period {
  const today = Math.floor(localMs(at, schedule.zone) / dayMs);
  const isDaily = schedule.every === "daily";
  const days = isDaily ? 2 : 8;
  let from = Number.NEGATIVE_INFINITY;
  for (let day = today - days; ; day++) {
    if (!isDaily && weekdays[(day + firstWeekday) % 7] !== schedule.on) continue;
    const to = momentOf(day, schedule);
    if (to > at) return { from, to };
    from = to;
  }
}

/**
 * When a clock in the zone shows the time of that day: for the first time where it does so twice,
 * and as long after the clocks were put forward as they skip where it does not.
 */
function momentOf(day: number, { at, zone }: Schedule): number {
  const [hour = 0, minute = 0] = at.split(":").map(Number);
  const shown = day * dayMs + (hour * 60 + minute) * minuteMs;
  const [before, after] = [shown - dayMs, shown + dayMs].map(
    (near) => shown - (localMs(near, zone) - near),
  ) as [number, number];
  const found = [before, after].filter((moment) => localMs(moment, zone) === shown);
  return found.length > 0 ? Math.min(...found) : before;
}

/** How long both have in common, in ms. */
export function overlapMs(left: Period, right: Period): number {
  return Math.max(0, Math.min(left.to, right.to) - Math.max(left.from, right.from));
}

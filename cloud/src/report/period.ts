/** Days and weeks as a calendar has them: one of 23 or 25 hours is a day like any other. */
import { dayOf, momentOf } from "@causeway/shared/day.ts";
import type { ReportSettings } from "./report-settings.ts";
import { weekdays } from "./report-settings.ts";

/** In ms; `to` is the first moment of the next one. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

export type Schedule = Pick<ReportSettings, "every" | "at" | "on" | "zone">;

/** 1970-01-01 was a Thursday. */
const firstWeekday = 4;

/** The one that `at` lies in. */
export function periodAt(schedule: Schedule, at: number): Period {
  const today = dayOf(at, schedule.zone);
  const isDaily = schedule.every === "daily";
  const days = isDaily ? 2 : 8;
  const [hour = 0, minute = 0] = schedule.at.split(":").map(Number);
  let from = Number.NEGATIVE_INFINITY;
  for (let day = today - days; ; day++) {
    if (!isDaily && weekdays[(day + firstWeekday) % 7] !== schedule.on) continue;
    const to = momentOf(day, hour * 60 + minute, schedule.zone);
    if (to > at) return { from, to };
    from = to;
  }
}

/** How long both have in common, in ms. */
export function overlapMs(left: Period, right: Period): number {
  return Math.max(0, Math.min(left.to, right.to) - Math.max(left.from, right.from));
}

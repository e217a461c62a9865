/** When a backlog will have been sent, by what a budget leaves for it, from one day to the next. */
import { dayMs, dayOf, momentOf } from "@causeway/shared/day.ts";
import type { Hours } from "@causeway/shared/hours.ts";
import { isWithin, nextEdge } from "@causeway/shared/hours.ts";

export interface Plan {
  /** In ms since 1970. */
  readonly at: number;
  /** What may be sent in all; infinite where only the link bounds it. */
  readonly bytesPerMs: number;
  /** Of that, what live needs. */
  readonly livePerMs: number;
  /** The same for a day. */
  readonly bytesPerDay: number;
  readonly usedBytes: number;
  readonly hours: Hours | undefined;
  readonly zone: string;
}

/** Nobody plans for longer. */
export const planDaysMax = 60;

/** Undefined where it is not within `planDaysMax` days. */
export function planMs(bytes: number, plan: Plan): number | undefined {
  let [at, left] = [plan.at, bytes];
  let dayLeft = roomOf(plan.bytesPerDay - plan.usedBytes, at, plan);
  const until = plan.at + planDaysMax * dayMs;
  const freePerMs = Math.max(0, plan.bytesPerMs - plan.livePerMs);
  while (at < until) {
    if (left <= 0) return at - plan.at;
    const midnight = nextMidnight(at, plan);
    const edge = plan.hours === undefined ? midnight : nextEdge(plan.hours, at);
    const end = Math.min(midnight, edge);
    const goes = plan.hours === undefined || isWithin(plan.hours, at);
    const room = goes ? Math.min(dayLeft, freePerMs * (end - at)) : 0;
    if (room >= left) return Math.round(at + left / freePerMs - plan.at);
    left -= room;
    dayLeft -= room;
    at = end;
    if (end === midnight) dayLeft = roomOf(plan.bytesPerDay, at, plan);
  }
  return undefined;
}

/** What live will leave of the day's bytes. */
function roomOf(bytes: number, at: number, plan: Plan): number {
  if (bytes === Number.POSITIVE_INFINITY) return bytes;
  return Math.max(0, bytes - plan.livePerMs * (nextMidnight(at, plan) - at));
}

function nextMidnight(at: number, { zone }: Plan): number {
  return momentOf(dayOf(at, zone) + 1, 0, zone);
}

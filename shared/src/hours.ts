/** Hours of the day in which something may be done, as people write them: "22:00-06:00, 12:00-13:00". */
import { z } from "zod";
import { dayOf, minuteMs, minuteOf, momentOf } from "./day.ts";
import { isTimeZone } from "./rules/time-zone.ts";

/** Minutes since midnight; `to` may be of the next day. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Hours {
  readonly spans: readonly Span[];
  readonly zone: string;
}

export const spansMax = 8;
const minutesOfDay = 24 * 60;
const spanPattern = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;

export const zoneSchema = z
  .string()
  .max(64)
  .refine(isTimeZone, "a time zone's name, such as Europe/Berlin or UTC");

export const hoursSchema = z
  .string()
  .max(128)
  .refine(
    (text) => spansOf(text) !== undefined,
    `hours such as "22:00-06:00", up to ${spansMax} of them with commas between`,
  );

/** Undefined where it is not so written. One that ends where it begins is a whole day. */
export function spansOf(text: string): readonly Span[] | undefined {
  const spans: Span[] = [];
  for (const part of text.split(",")) {
    const match = spanPattern.exec(part.trim());
    if (match === null) return undefined;
    const [hour = 0, minute = 0, toHour = 24, toMinute = 0] = match
      .slice(1)
      .map((digits) => (digits === undefined ? undefined : Number(digits)));
    const [from, to] = [hour * 60 + minute, toHour * 60 + toMinute];
    spans.push({ from, to: to <= from ? to + minutesOfDay : to });
  }
  return spans.length > 0 && spans.length <= spansMax ? spans : undefined;
}

export function isWithin({ spans, zone }: Hours, at: number): boolean {
  const minute = minuteOf(at, zone);
  return spans.some(
    ({ from, to }) =>
      (minute >= from && minute < to) ||
      (minute + minutesOfDay >= from && minute + minutesOfDay < to),
  );
}

/** The next moment after `at` at which one begins or ends; it may be one that changes nothing. */
export function nextEdge({ spans, zone }: Hours, at: number): number {
  const today = dayOf(at, zone);
  const edges = spans.flatMap(({ from, to }) =>
    [from, to % minutesOfDay].flatMap((minute) =>
      [today, today + 1].map((day) => momentOf(day, minute, zone)),
    ),
  );
  return Math.min(...edges.filter((edge) => edge > at));
}

/** Clocks are put forward or back at these only. */
const quarterMs = 15 * minuteMs;

/** Remembered until it may be otherwise, for those who ask all the time. */
export class Gate {
  readonly #hours: Hours;
  #known = { from: 0, to: 0, opens: 0 };

  constructor(hours: Hours) {
    this.#hours = hours;
  }

  /** `at` or earlier where it is within the hours, else when they begin. */
  opensAt(at: number): number {
    const { from, to, opens } = this.#known;
    if (at >= from && at < to) return opens;
    let next = at;
    while (!isWithin(this.#hours, next)) next = nextEdge(this.#hours, next);
    const quarter = (Math.floor(at / quarterMs) + 1) * quarterMs;
    this.#known = { from: at, to: Math.min(quarter, nextEdge(this.#hours, at)), opens: next };
    return next;
  }
}

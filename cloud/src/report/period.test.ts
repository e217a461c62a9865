// Goal: each moment lies in exactly one day or week of a calendar, whatever the clocks do.
import { expect, test } from "vitest";
import type { Schedule } from "./period.ts";
import { overlapMs, periodAt } from "./period.ts";

const daily: Schedule = { every: "daily", at: "07:00", on: "monday", zone: "Europe/Berlin" };
const hours = ({ from, to }: { from: number; to: number }) => (to - from) / 3_600_000;
const texts = (schedule: Schedule, at: string) => {
  const { from, to } = periodAt(schedule, Date.parse(at));
  return [new Date(from).toISOString(), new Date(to).toISOString()];
};

test.each([
  [daily, "2026-11-21T05:59:59.999Z", "2026-11-20T06:00:00.000Z", "2026-11-21T06:00:00.000Z"],
  [daily, "2026-11-21T06:00:00.000Z", "2026-11-21T06:00:00.000Z", "2026-11-22T06:00:00.000Z"],
  // 25 hours, then 23.
  [daily, "2026-10-25T00:00:00.000Z", "2026-10-24T05:00:00.000Z", "2026-10-25T06:00:00.000Z"],
  [daily, "2026-03-29T00:00:00.000Z", "2026-03-28T06:00:00.000Z", "2026-03-29T05:00:00.000Z"],
  // A week begins on the day that is named.
  [
    { ...daily, every: "weekly", on: "sunday", zone: "UTC" },
    "2026-11-21T12:00:00.000Z",
    "2026-11-15T07:00:00.000Z",
    "2026-11-22T07:00:00.000Z",
  ],
] as const)("%o at %s", (schedule, at, from, to) => {
  expect(texts(schedule, at)).toEqual([from, to]);
});

test.each([
  ["Europe/Berlin", "02:30"],
  ["Europe/Berlin", "07:00"],
  ["America/New_York", "01:30"],
  ["America/Santiago", "00:00"],
  ["Australia/Lord_Howe", "02:00"],
  ["Asia/Kathmandu", "07:05"],
])("the days of a year in %s at %s follow each other without gap or overlap", (zone, at) => {
  const schedule = { ...daily, zone, at };
  let period = periodAt(schedule, Date.UTC(2026, 0, 1));
  for (let day = 0; day < 366; day++) {
    const next = periodAt(schedule, period.to);
    expect(next.from).toBe(period.to);
    expect(periodAt(schedule, next.from)).toEqual(next);
    expect(periodAt(schedule, next.to - 1)).toEqual(next);
    expect(hours(next)).toBeGreaterThanOrEqual(22.5);
    expect(hours(next)).toBeLessThanOrEqual(25.5);
    period = next;
  }
  expect(new Date(period.to).getUTCFullYear()).toBe(2027);
});

test("what two periods have in common is never less than nothing", () => {
  expect(overlapMs({ from: 0, to: 10 }, { from: 5, to: 20 })).toBe(5);
  expect(overlapMs({ from: 0, to: 10 }, { from: 10, to: 20 })).toBe(0);
  expect(overlapMs({ from: 0, to: 10 }, { from: 12, to: 20 })).toBe(0);
});

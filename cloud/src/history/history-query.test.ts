import { expect, test } from "vitest";
import { extremesOf } from "./downsample.ts";
import type { Bucket } from "./historian.ts";
import type { ReadingsQuery } from "./history-query.ts";
import { planOf, readingsQuerySchema, widthFor } from "./history-query.ts";

const now = Date.UTC(2026, 10, 22, 12, 34, 56);
const minute = 60_000;
const hour = 60 * minute;

const plan = (query: object) => planOf(readingsQuerySchema.parse(query) as ReadingsQuery, now);

test("without a time the last day is meant, and what comes now is in it", () => {
  expect(plan({})).toEqual({
    ...{ kind: "readings", format: "json", order: "ascending" },
    ...{ from: now + 1 - 24 * hour, to: now + 1, limit: 10_000 },
  });
  expect(plan({ last: "2h" }).from).toBe(now + 1 - 2 * hour);
});

test("stretches are aligned, so that sums that are there already serve", () => {
  const { from, to } = plan({ bucket: "1h", last: "3h" });
  expect([from % hour, to % hour]).toEqual([0, 0]);
  expect(to - from).toBe(4 * hour);
});

test.each([
  [24 * hour, 500, 6 * minute],
  [hour, 500, 15_000],
  [10_000, 500, 40],
  [365 * 24 * hour, 500, 36 * hour],
  [1, 10_000, 1],
])("a chart over %i ms in %i points has stretches of %i ms", (span, points, width) => {
  expect(widthFor(span, points)).toBe(width);
  expect(span / width).toBeLessThanOrEqual(Math.max(1, points / 2));
});

test.each([
  [{ latest: "true", points: "5" }, /one of latest, points and bucket/],
  [{ from: "2026-01-02", to: "2026-01-01" }, /not before to/],
  [{ from: "0", last: "1h" }, /not both/],
  [{ limit: "100001" }, /at most 100000 as json/],
  [{ bucket: "1s", from: "0" }, /more than 10000000 buckets/],
])("%j is refused with what is wrong", (query, reason) => {
  expect(() => plan(query)).toThrow(reason);
});

const bucket: Bucket = {
  ...{ series: 1, time: 0, count: 4, bad: 1, late: 2, mean: 2, last: 1, lastTime: 9 },
  ...{ min: 1, minTime: 7, max: 3, maxTime: 5 },
};

test("a stretch shows its highest and its lowest, in the order of their times", () => {
  expect(extremesOf(bucket).map(({ time, value }) => [time, value])).toEqual([
    [5, 3],
    [7, 1],
  ]);
  expect(extremesOf({ ...bucket, max: 1, maxTime: 7 })).toHaveLength(1);
});

test("a stretch without numbers shows what was said last, or that all was bad", () => {
  const none = { min: null, minTime: null, max: null, maxTime: null };
  const circumstances = { late: 2, bad: 1 };
  expect(extremesOf({ ...bucket, ...none, last: "on" })).toEqual([
    { time: 9, value: "on", ...circumstances },
  ]);
  expect(extremesOf({ ...bucket, ...none, last: null })[0]?.value).toBeNull();
});

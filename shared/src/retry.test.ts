// The goal: a fleet that lost its server comes back spread out, and never waits longer than it was told.
import { expect, test } from "vitest";
import type { Random } from "./random.ts";
import { seededRandom } from "./random.ts";
import { retryDelayMs } from "./retry.ts";

const schedule = { firstMs: 250, maxMs: 15_000, factor: 2 };

/** Draws always the same. */
const fixed = (value: number): Random => ({ next: () => value, hex: () => "" });

test("the ceiling grows by the factor from the first retry up to the most", () => {
  const half = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) =>
    retryDelayMs(schedule, attempt, fixed(0.5)),
  );
  expect(half).toEqual([125, 250, 500, 1_000, 2_000, 4_000, 7_500, 7_500]);
});

test("a try before the first counts as the first", () => {
  expect(retryDelayMs(schedule, 0, fixed(0.5))).toBe(125);
  expect(retryDelayMs(schedule, -3, fixed(0.5))).toBe(125);
});

test("the delay stays within its bounds after any number of tries", () => {
  const random = seededRandom("retry");
  for (const attempt of [1, 2, 10, 1_000, 1_000_000, Number.MAX_SAFE_INTEGER]) {
    for (let draw = 0; draw < 50; draw++) {
      const delayMs = retryDelayMs(schedule, attempt, random);
      expect(Number.isInteger(delayMs) && delayMs >= 0 && delayMs < schedule.maxMs).toBe(true);
    }
  }
});

test("the jitter is full: delays reach from nothing to the ceiling", () => {
  expect(retryDelayMs(schedule, 9, fixed(0))).toBe(0);
  expect(retryDelayMs(schedule, 9, fixed(1 - Number.EPSILON))).toBe(14_999);
  const random = seededRandom("spread");
  const tenths = new Set<number>();
  for (let draw = 0; draw < 500; draw++)
    tenths.add(Math.floor(retryDelayMs(schedule, 9, random) / 1_500));
  expect(tenths.size).toBe(10);
});

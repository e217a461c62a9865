// A storm of alerts must not get its sender thrown out by the receiver.
import { expect, test } from "vitest";
import type { Pace } from "./pace.ts";
import { fullPace, takeToken } from "./pace.ts";

const settings = { perMinute: 60, burst: 3 };

function waits(times: number, from: Pace, nowMs: number): { pace: Pace; waits: number[] } {
  const found: number[] = [];
  let pace = from;
  for (let index = 0; index < times; index++) {
    const taken = takeToken(pace, settings, nowMs);
    pace = taken.pace;
    found.push(taken.waitMs);
  }
  return { pace, waits: found };
}

test("a burst goes at once, what follows waits for its turn, each behind the last", () => {
  expect(waits(6, fullPace(settings, 0), 0).waits).toEqual([0, 0, 0, 1_000, 2_000, 3_000]);
});

test("what was waited for is not owed again, and a silence fills the bucket but no more", () => {
  const { pace } = waits(5, fullPace(settings, 0), 0);
  expect(takeToken(pace, settings, 3_000).waitMs).toBe(0);
  expect(waits(5, pace, 3_600_000).waits).toEqual([0, 0, 0, 1_000, 2_000]);
});

test("over any hour no more are let through than rate and burst allow", () => {
  let pace = fullPace(settings, 0);
  let through = 0;
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 100) {
    const taken = takeToken(pace, settings, nowMs);
    if (taken.waitMs === 0) {
      through++;
      pace = taken.pace;
    }
  }
  expect(through).toBeLessThanOrEqual(3_603);
  expect(through).toBeGreaterThanOrEqual(3_600);
});

test("a clock that goes back gives no tokens", () => {
  const { pace } = waits(3, fullPace(settings, 10_000), 10_000);
  expect(takeToken(pace, settings, 0).waitMs).toBe(1_000);
});

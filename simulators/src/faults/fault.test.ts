import { describe, expect, test } from "vitest";
import type { Fault } from "./fault.ts";
import { additionAt, occurrenceAt } from "./fault.ts";

const shift: Fault = {
  kind: "shift",
  device: 0,
  metric: "temperature",
  atMs: 60_000,
  forMs: 30_000,
  size: 18,
};

function addedAt(fault: Fault, elapsedMs: number): number {
  const occurrence = occurrenceAt(fault, elapsedMs);
  return occurrence === undefined ? 0 : additionAt(fault, occurrence, elapsedMs);
}

describe("a shift", () => {
  test("adds its size from its start to its end and nothing before and after", () => {
    expect(addedAt(shift, 59_999)).toBe(0);
    expect(addedAt(shift, 60_000)).toBe(18);
    expect(addedAt(shift, 89_999)).toBe(18);
    expect(addedAt(shift, 90_000)).toBe(0);
    expect(addedAt(shift, 900_000)).toBe(0);
  });

  test("that repeats begins anew each time", () => {
    const every = { ...shift, everyMs: 240_000 };
    expect(occurrenceAt(every, 300_000)).toEqual({ number: 1, fromMs: 300_000, toMs: 330_000 });
    expect(addedAt(every, 331_000)).toBe(0);
    expect(occurrenceAt(every, 545_000)?.number).toBe(2);
  });
});

test("a spike is of full size at its start and has all but gone at its end", () => {
  const spike: Fault = { ...shift, kind: "spike" };
  expect(addedAt(spike, 60_000)).toBe(18);
  expect(addedAt(spike, 75_000)).toBeCloseTo(1.8, 5);
  expect(addedAt(spike, 89_999)).toBeLessThan(0.19);
});

// A slow link delays and narrows, and never reorders.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { calm } from "./conditions.ts";
import { Pacing } from "./pacing.ts";

const random = seededRandom("pacing");

test("a calm link passes bytes at once", () => {
  expect(new Pacing().leavesAt(1_000, 50, calm, random)).toBe(50);
});

test("jitter delays by different times and reorders nothing", () => {
  const pacing = new Pacing();
  const conditions = { ...calm, delayMs: 100, jitterMs: 80 };
  const left = Array.from({ length: 500 }, (_, at) => pacing.leavesAt(1, at, conditions, random));
  expect(left).toEqual([...left].sort((one, other) => one - other));
  for (const [at, leftMs] of left.entries()) expect(leftMs).toBeGreaterThanOrEqual(at + 100);
  expect(new Set(left.map((leftMs, at) => Math.round(leftMs - at))).size).toBeGreaterThan(10);
});

test("bytes above the rate wait in line, and an idle line is free again", () => {
  const pacing = new Pacing();
  const conditions = { ...calm, bytesPerSecond: 1_000 };
  expect(pacing.leavesAt(500, 0, conditions, random)).toBe(500);
  expect(pacing.leavesAt(500, 0, conditions, random)).toBe(1_000);
  expect(pacing.leavesAt(100, 5_000, conditions, random)).toBe(5_100);
});

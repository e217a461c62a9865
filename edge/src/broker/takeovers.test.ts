/** Goal: a loop of takeovers is told once, and single takeovers never. */
import { expect, test } from "vitest";
import { Takeovers } from "./takeovers.ts";

const bounds = { countMin: 3, windowMs: 1_000, tellEveryMs: 5_000, idsMax: 2 };

test("the third takeover within the window is a loop, told once in its time", () => {
  const takeovers = new Takeovers(bounds);
  expect([0, 100, 200, 300].map((now) => takeovers.happened("a", now))).toEqual([
    false,
    false,
    true,
    false,
  ]);
  expect([5_300, 5_400, 5_500].map((now) => takeovers.happened("a", now))).toEqual([
    false,
    false,
    true,
  ]);
});

test("takeovers further apart than the window are none", () => {
  const takeovers = new Takeovers(bounds);
  for (let now = 0; now < 10_000; now += 600) expect(takeovers.happened("a", now)).toBe(false);
});

test("each id counts alone, and only so many are watched", () => {
  const takeovers = new Takeovers(bounds);
  for (const client of ["a", "b", "a", "b", "c", "a"]) {
    expect(takeovers.happened(client, 1), client).toBe(false);
  }
  expect(takeovers.happened("c", 2)).toBe(false);
  expect(takeovers.happened("c", 3)).toBe(true);
});

test("how often an id was taken over, and whether it is a loop, can be asked", () => {
  const takeovers = new Takeovers(bounds);
  for (const now of [0, 10, 20, 30]) takeovers.happened("a", now);
  expect(takeovers.of("a")).toMatchObject({ count: 4, toldAt: 20 });
  expect(takeovers.of("b")).toEqual({ count: 0, toldAt: undefined });
  expect([5_019, 5_020].map((now) => takeovers.sharedIds(now))).toEqual([1, 0]);
});

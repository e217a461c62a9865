// The goal: a seed replays a run exactly, on every machine and in every later version.
import { describe, expect, test } from "vitest";
import { gaussian, seededRandom } from "./random.ts";
import { systemRandom } from "./system-random.ts";

test("a seed gives the same numbers for ever", () => {
  const random = seededRandom("causeway");
  const drawn = Array.from({ length: 4 }, () => random.next() * 2 ** 32);
  expect(drawn).toEqual([2_791_462_416, 4_268_133_287, 1_442_792_585, 4_250_339_547]);
});

test("two generators of one seed agree, and those of neighbouring seeds do not", () => {
  const draw = (seed: string) => {
    const random = seededRandom(seed);
    return Array.from({ length: 100 }, () => random.next());
  };
  expect(draw("a 1")).toEqual(draw("a 1"));
  const seeds = ["", "a", "b", "a 1", "a 2", "ba", "ab"].map((seed) => draw(seed).join());
  expect(new Set(seeds).size).toBe(seeds.length);
});

test("seeded numbers fill [0, 1) evenly", () => {
  const random = seededRandom("even");
  const counts = new Array<number>(10).fill(0);
  for (let count = 0; count < 20_000; count++) {
    const value = random.next();
    expect(value >= 0 && value < 1).toBe(true);
    counts[Math.floor(value * 10)] = (counts[Math.floor(value * 10)] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(200);
});

test("gaussian numbers have mean 0 and deviation 1", () => {
  const random = seededRandom("gauss");
  const values = Array.from({ length: 20_000 }, () => gaussian(random));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(Math.sqrt(variance) - 1)).toBeLessThan(0.03);
  expect(values.every(Number.isFinite)).toBe(true);
});

describe.each([
  ["seeded", seededRandom("hex")],
  ["real", systemRandom],
])("%s hexadecimal digits", (_name, random) => {
  test.each([0, 1, 7, 8, 9, 16, 33])("are as many as asked for: %i", (digits) => {
    expect(random.hex(digits)).toMatch(new RegExp(`^[0-9a-f]{${digits}}$`));
  });

  test("do not repeat", () => {
    const drawn = Array.from({ length: 200 }, () => random.hex(16));
    expect(new Set(drawn).size).toBe(drawn.length);
  });
});

test("real numbers lie in [0, 1) and differ", () => {
  const drawn = Array.from({ length: 200 }, () => systemRandom.next());
  expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(new Set(drawn).size).toBeGreaterThan(190);
});

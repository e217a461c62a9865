/** Goal: the figures that a bench tells are those that were measured. */
import { expect, test } from "vitest";
import { cellOf, median, resultOf, table } from "./intake.ts";

const cell = { connections: 10, window: 100 };
const round = (perSecond: number, cpuPerMillion: number | undefined) => {
  return { perSecond, cpuPerMillion, p50Ms: 1, p99Ms: 2.3456, residentBytes: 3 * 1_048_576 };
};

test("a cell is connections by window", () => {
  expect(cellOf("10x100")).toEqual(cell);
  for (const wrong of ["", "0x1", "1x", "1x0", "x1", "1x1x1"])
    expect(cellOf(wrong)).toBeUndefined();
});

test("the median is the middle one, or between the middle two, of what is known", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, undefined, 1, 2, 9])).toBe(3);
  expect(median([undefined])).toBeUndefined();
});

test("the table tells medians, and ratios of the base to each other peer", () => {
  const own = resultOf(cell, "edge", [round(100, 2), round(300, 4), round(200, 3)], undefined);
  const other = resultOf(cell, "other", [round(50, 6)], undefined);
  const none = resultOf(cell, "none", [], "not installed");
  expect(table([own, other, none], "edge").split("\n").slice(2)).toEqual([
    "| edge | 200 | 3 | 1 | 2.35 | 3 |  |  |",
    "| other | 50 | 6 | 1 | 2.35 | 3 | 4.00x | 0.50x |",
    "| none (not installed) | 0 | - | - | - | - | - | - |",
  ]);
});

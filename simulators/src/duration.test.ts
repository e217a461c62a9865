import { expect, test } from "vitest";
import { durationMs } from "./duration.ts";

test.each([
  ["250ms", 250],
  ["60s", 60_000],
  ["1.5m", 90_000],
  ["2h", 7_200_000],
  ["3", 3_000],
  [" 4 ", 4_000],
])("%s of a flag in seconds is %d ms", (text, expected) => {
  expect(durationMs(text, "s")).toBe(expected);
});

test.each(["", "s", "-1s", "1d", "1 2", "1e3", "NaN"])("%j is no time", (text) => {
  expect(durationMs(text, "s")).toBeUndefined();
});

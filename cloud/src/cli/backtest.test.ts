/** Goal: a range means the same wherever it is asked for, and nothing that is none passes for one. */
import { expect, test } from "vitest";
import { rangeOf } from "./backtest.ts";

const [day, nowMs] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 5, 1)];

test.each([
  ["start", "now", 0, nowMs],
  ["2026-01-01", "2026-01-02", day, day + 86_400_000],
  ["2026-01-01 12:00", "2026-01-01T13:00Z", day + 43_200_000, day + 46_800_000],
  [`${day}`, "2026-01-01T00:00:01+00:00", day, day + 1_000],
])("from %s to %s", (from, to, fromMs, toMs) => {
  expect(rangeOf(from, to, nowMs)).toEqual({ from: fromMs, to: toMs });
});

test.each([
  [undefined, "now"],
  ["start", undefined],
  ["now", "start"],
  ["2026-01-01", "2026-01-01"],
  ["2026-13-01", "now"],
  ["yesterday", "now"],
  ["", "now"],
])("from %s to %s is refused", (from, to) => {
  expect(() => rangeOf(from, to, nowMs)).toThrow("CLI_USAGE");
});

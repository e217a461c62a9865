import { expect, test } from "vitest";
import { rowTimeMs } from "./row-time.ts";

const two = Date.UTC(2014, 0, 7, 2);

test.each([
  ["2014-01-07 02:00:00", two],
  ["2014-01-07 02:00:00.000000", two],
  ["2014-01-07T02:00:00,250", two + 250],
  ["2014-01-07 02:00", two],
  ["2014-01-07", two - 7_200_000],
  ["2014-01-07T02:00:00Z", two],
  ["2014-01-07T03:00:00+01:00", two],
  ["2014-01-07 03:00:00 +0100", two],
  ["2014-01-07T00:00:00-02", two],
  [String(two / 1_000), two],
  [`${two / 1_000}.5`, two + 500],
  [String(two), two],
  [" 2014-01-07 02:00:00 ", two],
])("%s is that moment in UTC", (text, expected) => {
  expect(rowTimeMs(text)).toBe(expected);
});

test.each(["", "now", "07.01.2014", "2014-13-01 00:00:00", "2014-01-07 25:00:00", "-5", "1e9"])(
  "%j is no time",
  (text) => {
    expect(rowTimeMs(text)).toBeUndefined();
  },
);

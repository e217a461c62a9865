/** Goal: a CSV file is read as its writer meant it. */
import { expect, test } from "vitest";
import { fieldsOf, timeOf } from "./csv.ts";

test.each([
  ["2026-01-01 00:00:00", 1_767_225_600_000],
  ["2026-01-01T00:00:00Z", 1_767_225_600_000],
  ["2026-01-01T01:00:00+01:00", 1_767_225_600_000],
  ["2026-01-01 00:00:00.25", 1_767_225_600_250],
  ["1767225600", 1_767_225_600_000],
  ["1767225600000", 1_767_225_600_000],
  ["01.01.2026", undefined],
])("the time %s", (text, timeMs) => {
  expect(timeOf(text)).toBe(timeMs);
});

test("a field in quotes may hold the delimiter", () => {
  expect(fieldsOf('a,"b, ""c""",d', ",")).toEqual(["a", 'b, "c"', "d"]);
});

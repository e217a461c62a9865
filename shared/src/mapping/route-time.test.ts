import { describe, expect, test } from "vitest";
import { timeReader } from "./route-time.ts";

function timeIn(format: string, value: unknown, zone = "UTC") {
  const read = timeReader(format, zone);
  if (typeof read === "string") throw new Error(read);
  const at = read(value);
  return typeof at === "number" ? new Date(at).toISOString() : at;
}

describe("a time of a route", () => {
  test.each([
    ["auto", "2026-07-01T12:00:00Z", "UTC", "2026-07-01T12:00:00.000Z"],
    ["auto", "2026-07-01 12:00:00", "Europe/Berlin", "2026-07-01T10:00:00.000Z"],
    ["auto", "2026-07-01T12:00:00+02:00", "America/New_York", "2026-07-01T10:00:00.000Z"],
    ["auto", 1_782_907_200, "Europe/Berlin", "2026-07-01T12:00:00.000Z"],
    ["s", "1782907200", "UTC", "2026-07-01T12:00:00.000Z"],
    ["us", 1_782_907_200_000_000, "UTC", "2026-07-01T12:00:00.000Z"],
    ["DD.MM.YYYY HH:mm:ss", "01.07.2026 12:00:00", "Europe/Berlin", "2026-07-01T10:00:00.000Z"],
    ["DD.MM.YYYY HH:mm:ss", "01.01.2026 12:00:00", "Europe/Berlin", "2026-01-01T11:00:00.000Z"],
    ["YYMMDDHHmmssSSS", "260701120000250", "UTC", "2026-07-01T12:00:00.250Z"],
    ["(YYYY) MM*DD", "(2026) 07*01", "UTC", "2026-07-01T00:00:00.000Z"],
    // The hour that is twice, and the hour that is not there.
    ["YYYY-MM-DD HH:mm", "2026-10-25 02:30", "Europe/Berlin", "2026-10-25T01:30:00.000Z"],
    ["YYYY-MM-DD HH:mm", "2026-03-29 03:30", "Europe/Berlin", "2026-03-29T01:30:00.000Z"],
  ])("of format %s: %s in %s", (format, value, zone, expected) => {
    expect(timeIn(format, value, zone)).toBe(expected);
  });

  test.each([
    ["s", "soon"],
    ["s", Number.NaN],
    ["s", 1e300],
    ["iso", 1_782_907_200],
    ["DD.MM.YYYY", "30.02.2026"],
    ["DD.MM.YYYY", "1.7.2026"],
    ["DD.MM.YYYY HH:mm", "01.07.2026 24:00"],
    ["auto", { year: 2026 }],
  ])("of format %s is none in %j", (format, value) => {
    expect(timeIn(format, value)).toBeUndefined();
  });

  test("before 2001 is of a clock that was not set", () => {
    expect(timeIn("s", 12)).toBeNull();
    expect(timeIn("DD.MM.YYYY", "01.01.1970")).toBeNull();
  });

  test.each([
    ["HH:mm", "a format has YYYY"],
    ["YYYY-DD", "a format has MM"],
    ["YYYY-MM-DD YYYY", "YYYY stands there twice"],
  ])("has no format %s", (format, why) => {
    expect(timeReader(format, "UTC")).toContain(why);
  });
});

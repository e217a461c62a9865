/** Goal: a wall clock anywhere is read right, over its changes too, whatever zone the machine is in. */
import { expect, test } from "vitest";
import { isTimeZone, localMs } from "./time-zone.ts";

const shown = (time: string, zone: string) =>
  new Date(localMs(Date.parse(time), zone)).toISOString().slice(0, 19);

test.each([
  ["2026-01-01T12:00:00Z", "Europe/Berlin", "2026-01-01T13:00:00"],
  ["2026-07-01T12:00:00Z", "Europe/Berlin", "2026-07-01T14:00:00"],
  ["2026-03-29T00:59:59.999Z", "Europe/Berlin", "2026-03-29T01:59:59"],
  ["2026-03-29T01:00:00Z", "Europe/Berlin", "2026-03-29T03:00:00"],
  ["2026-10-25T00:59:59Z", "Europe/Berlin", "2026-10-25T02:59:59"],
  ["2026-10-25T01:00:00Z", "Europe/Berlin", "2026-10-25T02:00:00"],
  ["2026-01-01T00:00:00Z", "Asia/Kathmandu", "2026-01-01T05:45:00"],
  ["2026-01-01T00:00:00Z", "America/New_York", "2025-12-31T19:00:00"],
  ["2026-01-01T00:00:00Z", "UTC", "2026-01-01T00:00:00"],
])("%s in %s is %s", (time, zone, expected) => {
  expect(shown(time, zone)).toBe(expected);
  expect(shown("2026-07-01T00:00:00Z", zone)).not.toBe(expected);
  expect(shown(time, zone)).toBe(expected);
});

test("times that no calendar has are taken all the same", () => {
  for (const timeMs of [-8_640_000_000_000_000, 8_640_000_000_000_000, -1])
    expect(Number.isFinite(localMs(timeMs, "Europe/Berlin"))).toBe(true);
});

test("names of zones are told from others", () => {
  expect(["UTC", "Europe/Berlin", "Mars", "", "Europe/Berlin "].map(isTimeZone)).toEqual([
    ...[true, true, false, false, false],
  ]);
});

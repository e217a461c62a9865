// The goal: a unit becomes the registry's symbol only where the number stays true, and what the device
// wrote is kept; a time is told as the device meant it, or not at all.
import { describe, expect, test } from "vitest";
import type { MetricName } from "../names.ts";
import { deviceTimeOf, whenIn } from "./time.ts";
import { withUnit } from "./units.ts";
import { readingOf } from "./value.ts";

describe("a unit", () => {
  test.each([
    ["Cel", "Cel", undefined],
    ["°C", "Cel", "°C"],
    ["%", "%", undefined],
    ["%rH", "%RH", "%rH"],
    ["hPa", "hPa", undefined],
    ["mbar", "hPa", "mbar"],
    ["µg/m³", "ug/m3", "µg/m³"],
    ["m³/h", "m³/h", undefined],
    ["°F", "°F", undefined],
    ["bananas", "bananas", undefined],
    ["constructor", "constructor", undefined],
    ["", undefined, undefined],
    ["u".repeat(65), undefined, undefined],
  ])("%j is %j, written as %j", (written, unit, unitOriginal) => {
    const reading = readingOf("m" as MetricName, 1);
    withUnit(reading, written);
    expect([reading.unit, reading.unitOriginal]).toEqual([unit, unitOriginal]);
  });

  test("that a family means otherwise is what it means", () => {
    const reading = readingOf("m" as MetricName, 1);
    withUnit(reading, "C", "°C");
    expect([reading.unit, reading.unitOriginal]).toEqual(["Cel", "C"]);
  });
});

describe("a device's time", () => {
  const at = 1_714_536_000_123;
  test.each<readonly [time: unknown, ms: number | null | undefined]>([
    [1_714_536_000, 1_714_536_000_000],
    [1_714_536_000.123, at],
    [at, at],
    [at * 1e3, at],
    ["1714536000123456789", at],
    ["1714536000.123456", at],
    ["2024-05-01T04:00:00.123456789Z", at],
    ["2024-05-01T06:00:00.123+02:00", at],
    ["2024-05-01T06:00:00.123+0200", at],
    ["2024-05-01 04:00:00.123", at],
    ["2024/05/01 04:00:00.123", at],
    ["2024-05-01 04:00:00,123", at],
    ["2024-05-01 06:00:00.123 +0200", at],
    ["2024-05-01 04:00:00.123 UTC", at],
    ["Wed, 01 May 2024 04:00:00 GMT", 1_714_536_000_000],
    ["20240501T040000Z", 1_714_536_000_000],
    ["2024/05/01 04:00", 1_714_536_000_000],
    ["2024-05/01 04:00", undefined],
    ["05/01/2024 04:00:00", undefined],
    ["Wed, 31 Feb 2024 04:00:00 GMT", undefined],
    ["2024-05-01 04:00:00 CEST", undefined],
    ["1970-01-01T00:00:12", null],
    [12, null],
    [0, null],
    ["2024-02-30T00:00:00Z", undefined],
    ["@1.5s", undefined],
    ["", undefined],
    [1e300, undefined],
    [Number.NaN, undefined],
    [null, undefined],
    [true, undefined],
    [{}, undefined],
  ])("%j is %j", (time, ms) => {
    expect(deviceTimeOf(time)).toBe(ms);
  });

  test("is looked for by name, and what is no time is left a value", () => {
    expect(whenIn({ ts: "soon", time: at }, "ts", "time")).toEqual({
      observedAt: at,
      skipped: ["time"],
    });
    expect(whenIn({ ts: null, time: 1 }, "ts")).toEqual({ observedAt: null, skipped: ["ts"] });
    expect(whenIn({ time: "soon" }, "ts", "time")).toEqual({ observedAt: null, skipped: [] });
  });
});

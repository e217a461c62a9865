// The goal: no name gets in that a subject, a topic, a log line or a terminal would misread.
import { describe, expect, test } from "vitest";
import { CodedError } from "./errors.ts";
import { deviceId, gatewayId, isDeviceId, isGatewayId, isMetricName, isRuleName } from "./names.ts";

describe("a gateway or rule name", () => {
  test.each(["a", "plant-3", "Plant_3", "7", "x".repeat(64)])("may be %j", (name) => {
    expect([isGatewayId(name), isRuleName(name)]).toEqual([true, true]);
    expect(gatewayId(name)).toBe(name);
  });

  const refused = ["", "a.b", "*", ">", "a b", "a/b", "ä", "a\n", "x".repeat(65), "$SYS"];
  test.each(refused)("is refused as %j, with the value found", (name) => {
    expect([isGatewayId(name), isRuleName(name)]).toEqual([false, false]);
    expect(() => gatewayId(name)).toThrow(CodedError);
    expect(() => gatewayId(name)).toThrow(JSON.stringify(name));
  });
});

describe("a device name", () => {
  const names = ["pump-7", "Freezer 1", "a.b", "Насос", "🚚", "__proto__", "x".repeat(128)];
  test.each(names)("may be %j", (name) => {
    expect(isDeviceId(name)).toBe(true);
    expect(deviceId(name)).toBe(name);
  });

  const refused = [
    "",
    "a+",
    "#",
    "a\0",
    "a\nb",
    "\u001b[2J",
    "\u0085",
    "a\ufffd",
    "\ud83d",
    "x".repeat(129),
  ];
  test.each(refused)("is refused as %j", (name) => {
    expect(isDeviceId(name)).toBe(false);
    expect(() => deviceId(name)).toThrow("NAME_INVALID");
  });
});

test("a metric name may hold topic wildcards, for it never stands in a subscription", () => {
  for (const name of ["motor.rpm", "C++", "#1", "x".repeat(256)])
    expect(isMetricName(name), name).toBe(true);
  for (const name of ["", "a\tb", "a\ufffd", "\udc00", "x".repeat(257)]) {
    expect(isMetricName(name), JSON.stringify(name)).toBe(false);
  }
});

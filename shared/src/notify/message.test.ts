// What a person reads, and what another program can rely on.
import { expect, test } from "vitest";
import { decodeAlertMessage, durationText, idempotencyKey, titleOf } from "./message.ts";
import { transition } from "./testing/transition.ts";

test("a firing alert tells what, where and how much", () => {
  expect(titleOf(transition())).toBe(
    "critical: too-warm at freezer-1 temperature (gw-1) is -3.5 Cel",
  );
});

test("a resolved alert tells how long it lasted", () => {
  const resolved = transition({ state: "resolved", at: transition().firingAt + 3_900_000 });
  expect(titleOf(resolved)).toBe(
    "resolved: too-warm at freezer-1 temperature (gw-1) after 1 h 5 min",
  );
});

test("an alert of Causeway's own tells its reason, and where without a device", () => {
  const own = { device: "", metric: "", value: null, rule: "system-no-tick", reason: "no tick" };
  expect(titleOf(transition({ ...own, gateway: "_cloud" }))).toBe(
    "critical: system-no-tick at the cloud: no tick",
  );
  expect(titleOf(transition({ ...own, state: "resolved" }))).toBe(
    "resolved: system-no-tick at gateway gw-1 after 0 s",
  );
});

test("an alert about a whole device tells its reason, for one value says little", () => {
  const wide = transition({ metric: "", rule: "door-open", reason: "door open for 2 min" });
  expect(titleOf(wide)).toBe("critical: door-open at freezer-1 (gw-1): door open for 2 min");
});

test("values without unit, without value and long texts stay legible", () => {
  expect(titleOf(transition({ unit: undefined, value: true }))).toMatch(/ is true$/);
  expect(titleOf(transition({ value: null }))).toMatch(/ is without a value$/);
  expect(titleOf(transition({ value: "x".repeat(1_000) })).length).toBeLessThan(140);
});

test("firing and resolving of one alert have keys of their own", () => {
  expect(idempotencyKey(transition())).toBe("a1b2c3d4/firing");
  expect(idempotencyKey(transition({ state: "resolved" }))).toBe("a1b2c3d4/resolved");
});

test("a message gives its transitions back, unknown fields or not", () => {
  const sent = transition({ unit: undefined });
  const text = JSON.stringify({ v: 1, transitions: [{ ...sent, hereafter: 1 }] });
  expect(decodeAlertMessage(text)).toEqual([sent]);
});

test.each(["no JSON", "{}", '{"v":2,"transitions":[]}', '{"v":1,"transitions":[{"id":""}]}'])(
  "%s is told as malformed",
  (text) => {
    expect(() => decodeAlertMessage(text)).toThrow(/^BATCH_MALFORMED/);
  },
);

test.each([
  [0, "0 s"],
  [42_400, "42 s"],
  [60_000, "1 min"],
  [3_661_000, "1 h 1 min"],
  [90_000_000, "1 d 1 h"],
  [-5, "0 s"],
])("%d ms is %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

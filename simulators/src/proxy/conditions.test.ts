// Conditions come from flags and from HTTP: what is told wrongly is refused, never guessed.
import { expect, test } from "vitest";
import { calm, changed } from "./conditions.ts";

test("a change leaves what it does not name as it was, and null takes a bound away", () => {
  const slow = changed(calm, { delayMs: 80, bytesPerSecond: 1_024, swallow: "up" });
  expect(slow).toEqual({ ...calm, delayMs: 80, bytesPerSecond: 1_024, swallow: "up" });
  expect(changed(slow, { bytesPerSecond: null, swallow: "nothing" })).toEqual({
    ...calm,
    delayMs: 80,
  });
});

test("a cut names its direction and how many bytes pass before it", () => {
  const cutAfter = { direction: "up", bytes: 100 };
  expect(changed(calm, { cutAfter }).cutAfter).toEqual({ ...cutAfter, burstBytesMin: 0 });
  expect(changed(changed(calm, { cutAfter }), { cutAfter: null })).toEqual(calm);
});

test.each([
  [null],
  [[]],
  ["cut"],
  [{ delay: 5 }],
  [{ delayMs: -1 }],
  [{ delayMs: 1.5 }],
  [{ delayMs: "5" }],
  [{ bytesPerSecond: 0 }],
  [{ swallow: "left" }],
  [{ refuse: 1 }],
  [{ cutAfter: { direction: "sideways", bytes: 1 } }],
  [{ cutAfter: { direction: "up" } }],
  [{ cutShare: 2 }],
  [{ corruptAfter: { bytes: 1 } }],
  [{ connectStatus: 200 }],
  [{ retryAfterSeconds: -1 }],
])("%j is refused and named", (change) => {
  expect(() => changed(calm, change)).toThrow(/^CLI_USAGE: /);
});

/** Goal: times in rules read as people write them; anything else is refused with an example. */
import { expect, test } from "vitest";
import { durationSchema, durationText, timeSinceSchema } from "./duration.ts";

test.each([
  ["0s", 0],
  ["250ms", 250],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["2h", 7_200_000],
  ["30d", 2_592_000_000],
])("%s is %i ms", (text, ms) => {
  expect(durationSchema.parse(text)).toBe(ms);
});

test.each([30, "30", "", "s", "-1s", "1 m", "1m30s", "1e3s", "5M", null])(
  "%j is refused",
  (text) => {
    const result = durationSchema.safeParse(text);
    expect(result.error?.issues[0]?.message).toContain("30s");
  },
);

test("more than thirty days is refused", () => {
  expect(durationSchema.safeParse("31d").error?.issues[0]?.message).toBe("at most 30d");
});

test.each([
  ["0s", 0],
  ["2m10s", 130_000],
  ["1d2h3m4s5ms", 93_784_005],
  ["30d", 2_592_000_000],
])("%s is told as it is read", (text, ms) => {
  expect(timeSinceSchema.parse(text)).toBe(ms);
  expect(durationText(ms)).toBe(text);
});

test.each(["", "2m10", "-1s", "30d1ms", "1m 2s"])("%j is no moment", (text) => {
  expect(timeSinceSchema.safeParse(text).success).toBe(false);
});

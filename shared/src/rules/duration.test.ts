/** Goal: times in rules read as people write them; anything else is refused with an example. */
import { expect, test } from "vitest";
import { durationSchema } from "./duration.ts";

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

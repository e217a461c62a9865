/** Goal: the same digits on every machine, and close to the true ones. */
import { expect, test } from "vitest";
import { exp, ln } from "./logarithm.ts";

test.each([1e-299, 1e-30, 0.1, 0.5, 0.9999, 1, 1.0001, Math.SQRT2, 2, 3, 10, 1e9, 1e200, 1.7e308])(
  "ln %d is good to fourteen digits",
  (x) => {
    expect(Math.abs(ln(x) - Math.log(x))).toBeLessThanOrEqual(
      1e-14 * Math.max(1, Math.log(x) ** 2),
    );
  },
);

test.each([-650, -20, -1, -0.001, 0, 0.3, 1, 5, 100, 650])("exp %d is good to twelve", (x) => {
  expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(1e-12);
});

test("beyond the range of doubles they stay finite", () => {
  expect(ln(0)).toBeCloseTo(Math.log(1e-300), 6);
  expect(Number.isFinite(exp(1e9)) && exp(-1e9) > 0).toBe(true);
});

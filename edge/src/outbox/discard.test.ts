/** Goal: memory is given back at once, and never memory that others use. */
import { expect, test } from "vitest";
import { discard } from "./discard.ts";

const mebibyte = 1_024 * 1_024;

test("what is discarded is given back before anything is collected", () => {
  const before = process.memoryUsage().arrayBuffers;
  const kept = Array.from({ length: 64 }, () => Buffer.alloc(mebibyte));
  expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(32 * mebibyte);
  for (const bytes of kept) discard(bytes);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * mebibyte);
  expect(kept.every(({ length }) => length === 0)).toBe(true);
});

test("a part of a larger buffer stays, for others have the rest", () => {
  const whole = Buffer.from("0123456789".repeat(1_000));
  discard(whole.subarray(10, 20));
  discard(Buffer.from("small ones share a pool"));
  expect(whole.toString("latin1", 10, 20)).toBe("0123456789");
  expect(Buffer.from("the pool is there").toString()).toBe("the pool is there");
});

/** Goal: equal values have equal names, and different ones do not. */
import { expect, test } from "vitest";
import { canonicalJson, digest } from "./digest.ts";

test("the order of keys does not matter, at any depth; the order of lists does", () => {
  expect(digest({ a: 1, b: { c: [1, 2], d: 2 } }, 12)).toBe(
    digest({ b: { d: 2, c: [1, 2] }, a: 1 }, 12),
  );
  expect(digest([1, 2], 12)).not.toBe(digest([2, 1], 12));
});

test("a key that is undefined is not there", () => {
  expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
});

test("it is the beginning of the SHA-256", () => {
  expect(digest("", 12)).toBe("12ae32cb1ec0");
  expect(digest("", 64)).toHaveLength(64);
});

test("a number and its text have different names", () => {
  expect(digest([1], 16)).not.toBe(digest(["1"], 16));
});

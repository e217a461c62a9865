/** Goal: patterns mean what a user expects, and no name makes them slow. */
import { expect, test } from "vitest";
import { patternOf, selectorOf } from "./selector.ts";

test.each<[string[], string, boolean]>([
  [["*"], "anything", true],
  [["*"], "", true],
  [["freezer-1"], "freezer-1", true],
  [["freezer-1"], "freezer-10", false],
  [["freezer-*"], "freezer-", true],
  [["freezer-*"], "my-freezer-1", false],
  [["*temp*"], "room.temperature", true],
  [["a*b*c"], "a-b-b-c", true],
  [["a*b*c"], "a-c-b", false],
  [["a*a"], "a", false],
  [["Temp"], "temp", false],
  [["a.c"], "abc", false],
  [["a", "b"], "b", true],
  [["*", "!seq"], "seq", false],
  [["*", "!seq"], "seq2", true],
  [["!seq", "*"], "seq", false],
  [["!seq"], "temperature", true],
  [["!seq", "!x*"], "x1", false],
  [["seq", "!s*"], "seq", false],
  [["a\\*"], "a*", true],
  [["a\\*"], "ab", false],
  [["\\!a"], "!a", true],
  [["!\\!a"], "!a", false],
  [["!\\!a"], "a", true],
  [["C:\\temp"], "C:\\temp", true],
  [["a\\\\*"], "a\\b", true],
])("%j and %j: %s", (patterns, name, expected) => {
  expect(selectorOf(patterns)(name)).toBe(expected);
});

test("a name made to make patterns slow takes no longer than another", () => {
  const selects = selectorOf([`${"*a".repeat(200)}*b`]);
  expect(selects("a".repeat(2_000))).toBe(false);
});

test.each(["plain", "*", "!seq", "a*b!", "\\*", "a\\", "\\\\!", ""])(
  "%j has a pattern that means it alone",
  (name) => {
    const selects = selectorOf([patternOf(name)]);
    expect(selects(name)).toBe(true);
    expect(selects(`${name}x`)).toBe(false);
    expect(selects(name.replace("*", "x"))).toBe(!name.includes("*"));
  },
);

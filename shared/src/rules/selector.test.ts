/** Goal: patterns mean what a user expects, and no name makes them slow. */
import { expect, test } from "vitest";
import { selectorOf } from "./selector.ts";

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
])("%j and %j: %s", (patterns, name, expected) => {
  expect(selectorOf(patterns)(name)).toBe(expected);
});

test("a name made to make patterns slow takes no longer than another", () => {
  const selects = selectorOf([`${"*a".repeat(200)}*b`]);
  expect(selects("a".repeat(2_000))).toBe(false);
});

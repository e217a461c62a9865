// The goal: telling what was found never makes things worse.
import { expect, test } from "vitest";
import { shown } from "./shown.ts";

test.each([
  ["text", '"text"'],
  ["a\nb", '"a\\nb"'],
  ["x".repeat(200), `"${"x".repeat(80)}…"`],
  [7, "7"],
  [null, "null"],
  [undefined, "undefined"],
  [Symbol("s"), "Symbol(s)"],
  [{ toString: 1 }, "an object"],
  [Object.create(null), "an object"],
  [JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), "a list"],
])("case %#", (value: unknown, text: string) => {
  expect(shown(value)).toBe(text);
});

// Goal: nothing that a device says can take hold of the terminal that shows it.
import { expect, test } from "vitest";
import { cutTo, printable } from "./printable.ts";

test.each([
  ["\u001b[2J", "\\u001b[2J"],
  ["a\u009b31mb", "a\\u009b31mb"],
  ["\u007f\r\n\t\0", "\\u007f\\u000d\\u000a\\u0009\\u0000"],
  ["abc\u202egnp.exe", "abc\\u202egnp.exe"],
  ["\u2066x\u2069\u200f\u2028", "\\u2066x\\u2069\\u200f\\u2028"],
  ["\ud800x", "\\ud800x"],
  ["temp °C, 温度, 🌡", "temp °C, 温度, 🌡"],
])("%j is shown as %s", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("JSON stays JSON, and says the same", () => {
  const value = { "a\u009b": "\u001b[0m\u202e", n: [1, null] };
  const text = printable(JSON.stringify(value));
  expect(text).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(text)).toEqual(value);
});

test("a cut does not split a character", () => {
  expect(cutTo("abcdef", 6)).toBe("abcdef");
  expect(cutTo("abcdef", 4)).toBe("abc…");
  expect(cutTo("ab🌡cd", 4)).toBe("ab…");
  expect(cutTo("ab🌡cd", 5)).toBe("ab🌡…");
});

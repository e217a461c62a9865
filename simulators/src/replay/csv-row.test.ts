import { expect, test } from "vitest";
import { cellsOf } from "./csv-row.ts";

test.each([
  ["a,b,c", ["a", "b", "c"]],
  ["a,,", ["a", "", ""]],
  ["", [""]],
  ['"a,b",c', ["a,b", "c"]],
  ['a,"say ""hi"""', ["a", 'say "hi"']],
  ['"",x', ["", "x"]],
  ['"a",""', ["a", ""]],
])("%j is %j", (line, cells) => {
  expect(cellsOf(line, ",")).toEqual(cells);
});

test.each(['"open', 'a,"open', 'in "the" middle,b', '"a"b,c', '"a""'])("%j is no row", (line) => {
  expect(cellsOf(line, ",")).toBeUndefined();
});

test("the delimiter is the one that is told", () => {
  expect(cellsOf("a;b,c", ";")).toEqual(["a", "b,c"]);
  expect(cellsOf('a\t"b\tc"', "\t")).toEqual(["a", "b\tc"]);
});

/** Goal: the shortcut for readings of one device that come together never shows what is gone. */
import { expect, test } from "vitest";
import { SeriesMap } from "./series-map.ts";

test("what was looked for before it was there, deleted or cleared is found as it is now", () => {
  const map = new SeriesMap<number>();
  expect(map.get("d", "a")).toBe(undefined);
  map.set("d", "a", 1);
  expect([map.get("d", "a"), map.get("d", "b")]).toEqual([1, undefined]);
  map.delete("d", "a");
  map.set("d", "a", 2);
  expect([map.get("d", "a"), map.size]).toEqual([2, 1]);
  map.clear();
  expect([map.get("d", "a"), map.size]).toEqual([undefined, 0]);
});

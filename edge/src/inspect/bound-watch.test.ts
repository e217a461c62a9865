// Goal: a bound that is reached is told of once, with its cure, and again only after it was left.
import { expect, test } from "vitest";
import { BoundWatch } from "./bound-watch.ts";

const minuteMs = 60_000;

test("what grows beyond its bound is told once, and again an hour after it stopped", () => {
  const told: string[] = [];
  const watch = new BoundWatch((name, detail) => told.push(`${name}: ${detail}`));
  const look = (beyond: number, atMin: number) =>
    watch.look([{ name: "rules-bound", beyond, detail: `${beyond} readings` }], atMin * minuteMs);
  for (const [beyond, atMin] of [
    [0, 1],
    [0, 2],
    [5, 3],
    [9, 4],
    [9, 5],
  ] as const)
    look(beyond, atMin);
  expect(told).toEqual(["rules-bound: 5 readings"]);
  look(9, 63);
  expect(told).toHaveLength(1);
  look(10, 64);
  expect(told[1]).toBe("rules-bound: 10 readings");
});

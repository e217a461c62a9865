// The goal: what a change of rules changes is seen before it is in force, not how its text is laid out.
import { expect, test } from "vitest";
import { differencesOf, differenceText } from "./rules-diff.ts";
import { parseRules } from "./rules-document.ts";

const before = `rules:
  - { name: warm, detector: limits, hi: -15, devices: ["freezer-*"] }
  - { name: old, detector: auto }
  - { name: door, when: on, for: 2m }
`;

function told(after: string): readonly string[] {
  return differencesOf(parseRules(before, "a"), parseRules(after, "b")).map(differenceText);
}

test("the same rules written otherwise do not differ", () => {
  expect(told(`# ours\n${before.replace("hi: -15", "hi: -15.0")}fleet: {}\n`)).toEqual([]);
});

test("rules that came, went or changed are told by name, with what was set and is", () => {
  const after = `rules:
  - { name: warm, detector: limits, hi: -12, hysteresis: 1, devices: ["freezer-*", "!freezer-x"] }
  - { name: door, when: { is: on, metric: door }, for: 2m, site: [a] }
  - { name: new, detector: auto }
fleet: { devices: [{ match: ["freezer-*"], tags: [cold] }] }
`;
  expect(told(after)).toEqual([
    '~ warm  devices: ["freezer-*"] -> ["freezer-*","!freezer-x"]',
    "~ warm  hi: -15 -> -12",
    "~ warm  hysteresis: 0 -> 1",
    "- old",
    '~ door  when.metric: ["*"] -> ["door"]',
    '~ door  site: ["a"] (new)',
    "+ new",
    '~ (fleet)  devices: [] -> [{"match":["freezer-*"],"tags":["cold"]}]',
  ]);
});

test("another order is told", () => {
  const lines = before.split("\n");
  const after = [lines[0], lines[2], lines[1], lines[3]].join("\n");
  expect(told(after)).toEqual(['~ (rules)  order: ["warm","old","door"] -> ["old","warm","door"]']);
});

test("what is out of service is no change of the text", () => {
  const parsed = parseRules(before, "a");
  const service = { out: [["gw-1", "attic"] as const], as: [] };
  expect(differencesOf({ ...parsed, fleet: { ...parsed.fleet, service } }, parsed)).toEqual([]);
});

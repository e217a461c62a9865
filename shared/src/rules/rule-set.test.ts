/** Goal: a rule set selects by device and metric; its versions change exactly with its rules. */
import { expect, test } from "vitest";
import { rulesSchema } from "./rule.ts";
import { compileRules } from "./rule-set.ts";

const written = [
  { name: "hot", detector: "limits", hi: 80, devices: ["boiler-*"], metrics: ["temperature"] },
  { name: "odd", detector: "ewma", metrics: ["*", "!seq"], mode: "shadow" },
  { name: "idle", detector: "ewma", mode: "off" },
];

const compile = (rules: unknown) => compileRules(rulesSchema.parse(rules));
const namesOf = (device: string, metric: string) =>
  compile(written)
    .select(device, metric)
    .rules.map(({ name }) => name);

test("live and shadow rules select by device and metric; one that is off selects nothing", () => {
  expect(namesOf("boiler-1", "temperature")).toEqual(["hot", "odd"]);
  expect(namesOf("room", "temperature")).toEqual(["odd"]);
  expect(namesOf("boiler-1", "seq")).toEqual([]);
});

test("series judged by the same rules share one selection", () => {
  const ruleSet = compile(written);
  expect(ruleSet.select("a", "x")).toBe(ruleSet.select("b", "y"));
  expect(ruleSet.select("a", "x")).not.toBe(ruleSet.select("boiler-1", "temperature"));
});

test("selections stay right when more series come than are remembered", () => {
  const ruleSet = compile(written);
  for (let device = 0; device < 70_000; device++) ruleSet.select(`device-${device}`, "x");
  expect(ruleSet.select("boiler-1", "temperature").rules).toHaveLength(2);
});

test("versions are the same for equal rules, however they are written", () => {
  const [rule] = compile([{ name: "hot", detector: "limits", hi: 80 }]).rules;
  const [again] = compile([{ detector: "limits", hi: 80, hysteresis: 0, name: "hot" }]).rules;
  expect(rule?.version).toMatch(/^[0-9a-f]{12}$/);
  expect(again?.version).toBe(rule?.version);
  expect(compile(written).version).toBe(compile(written).version);
});

test("any change of a rule changes its version, only one of the detector the detector's", () => {
  const base = { name: "hot", detector: "limits", hi: 80 };
  const versionsOf = (change: object) => compile([{ ...base, ...change }]).rules[0];
  const before = versionsOf({});
  for (const change of [{ severity: "info" }, { for: "1s" }, { devices: ["a"] }]) {
    expect(versionsOf(change)?.version).not.toBe(before?.version);
    expect(versionsOf(change)?.detectorVersion).toBe(before?.detectorVersion);
  }
  expect(versionsOf({ hi: 81 })?.detectorVersion).not.toBe(before?.detectorVersion);
});

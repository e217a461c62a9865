/** Goal: a rule set selects by device and metric; its versions change exactly with its rules. */
import { expect, test } from "vitest";
import { digest } from "./digest.ts";
import { fleetSchema } from "./fleet.ts";
import { rulesSchema } from "./rule.ts";
import { compileRules, gatewaysMax } from "./rule-set.ts";

const written = [
  { name: "hot", detector: "limits", hi: 80, devices: ["boiler-*"], metrics: ["temperature"] },
  { name: "odd", detector: "ewma", metrics: ["*", "!seq"], mode: "shadow" },
  { name: "idle", detector: "ewma", mode: "off" },
];

const compile = (rules: unknown) => compileRules(rulesSchema.parse(rules));
const namesOf = (device: string, metric: string) =>
  compile(written)
    .of("g")
    .select(device, metric)
    .rules.map(({ name }) => name);

test("live and shadow rules select by device and metric; one that is off selects nothing", () => {
  expect(namesOf("boiler-1", "temperature")).toEqual(["hot", "odd"]);
  expect(namesOf("room", "temperature")).toEqual(["odd"]);
  expect(namesOf("boiler-1", "seq")).toEqual([]);
});

test("series judged by the same rules share one selection", () => {
  const ruleSet = compile(written).of("g");
  expect(ruleSet.select("a", "x")).toBe(ruleSet.select("b", "y"));
  expect(ruleSet.select("a", "x")).not.toBe(ruleSet.select("boiler-1", "temperature"));
});

test("selections stay right when more series come than are remembered", () => {
  const ruleSet = compile(written).of("g");
  const before = ruleSet.select("device-0", "x");
  for (let device = 0; device < 70_000; device++) ruleSet.select(`device-${device}`, "x");
  expect(ruleSet.select("boiler-1", "temperature").rules).toHaveLength(2);
  expect(ruleSet.select("device-0", "x")).not.toBe(before); // it was forgotten
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
  const versionsOf = (change: object) => {
    const rules = compile([{ ...base, ...change }])
      .of("g")
      .select("a", "b");
    return rules.rules[0];
  };
  const before = versionsOf({});
  for (const change of [{ severity: "info" }, { for: "1s" }, { devices: ["a"] }]) {
    expect(versionsOf(change)?.version).not.toBe(before?.version);
    expect(versionsOf(change)?.detectorVersion).toBe(before?.detectorVersion);
  }
  expect(versionsOf({ hi: 81 })?.detectorVersion).not.toBe(before?.detectorVersion);
});

const fleet = fleetSchema.parse({
  gateways: [
    { match: ["hall-a-*"], site: "hall-a", labels: { zone: "cold" } },
    { match: ["hall-*"], site: "halls" },
  ],
  devices: [{ match: ["freezer-*"], tags: ["cold", "old"], family: "shelly" }],
});

test("a rule is for the gateways that it names, by site and labels too, and for devices by their facts", () => {
  const hot = { detector: "limits", hi: 80 };
  const rules = rulesSchema.parse([
    { ...hot, name: "named", gateways: ["hall-b-*"] },
    { ...hot, name: "sited", site: ["hall-*"] },
    { ...hot, name: "labelled", labels: { zone: ["co*"] } },
    { ...hot, name: "tagged", tags: ["cold", "old"] },
    { ...hot, name: "family", family: ["shelly*"], gateways: ["!hall-a-1"] },
  ]);
  const ruleSet = compileRules(rules, fleet);
  const chosen = (gateway: string, device: string) =>
    ruleSet
      .of(gateway)
      .select(device, "t")
      .rules.map(({ name }) => name);
  expect(chosen("hall-a-1", "x")).toEqual(["sited", "labelled"]);
  expect(chosen("hall-b-1", "freezer-1")).toEqual(["named", "tagged", "family"]);
  expect(chosen("shed", "freezer-1")).toEqual(["tagged", "family"]);
});

test("gateways with the same choice share it, also where more come than are remembered", () => {
  const written = [
    { name: "hot", detector: "limits", hi: 80, gateways: ["a-*"] },
    { name: "seen", when: "on", gateways: ["b-*"] },
  ];
  const ruleSet = compileRules(rulesSchema.parse(written), fleet);
  const [first, other, pattern] = ["a-1", "c-1", "b-1"].map((gateway) => ruleSet.of(gateway));
  expect(ruleSet.of("a-2")).toBe(first);
  expect(ruleSet.of("b-2")).toBe(pattern);
  expect(new Set([first, other, pattern]).size).toBe(3);
  for (let gateway = 0; gateway < gatewaysMax; gateway++) ruleSet.of(`c-${gateway}`);
  expect(ruleSet.of("a-1").select("d", "t").rules).toHaveLength(1);
  expect(ruleSet.of("b-1").patterns.patterns).toHaveLength(1);
  expect(ruleSet.of("c-1").patterns.patterns).toHaveLength(0);
});

test("a fleet is part of a set's version; examples are not, and no fleet leaves it as it was", () => {
  const rule = { name: "hot", detector: "limits", hi: 80 };
  const examples = [{ given: [{ at: "0s" }], expect: [] }];
  const [plain, explained] = [
    rulesSchema.parse([rule]),
    rulesSchema.parse([{ ...rule, examples }]),
  ];
  expect(compileRules(explained).version).toBe(compileRules(plain).version);
  expect(compileRules(explained).rules[0]?.version).toBe(compileRules(plain).rules[0]?.version);
  expect(compileRules(plain, fleet).version).not.toBe(compileRules(plain).version);
  expect(compileRules(plain).version).toBe(digest(plain, 12));
});

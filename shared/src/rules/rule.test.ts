/** Goal: rules read as they are written, and what is wrong with one is told where it stands. */
import { expect, test } from "vitest";
import { z } from "zod";
import { loadSettings } from "../settings.ts";
import { rulesSchema } from "./rule.ts";

const schema = z.strictObject({ rules: rulesSchema });

function load(text: string) {
  const sources = { fileName: "cloud.yaml", text, environment: {}, sets: [] };
  return loadSettings(schema, sources).rules;
}

test("a rule written in full", () => {
  const [rule] = load(`
rules:
  - name: freezer-too-warm
    detector: limits
    hi: -15
    hihi: -10
    hysteresis: 1
    devices: ["freezer-*", "!freezer-test"]
    metrics: [temperature]
    severity: critical
    for: 5m
    keepFiringFor: 1m
    mode: shadow
`);
  expect(rule).toEqual({
    name: "freezer-too-warm",
    detector: "limits",
    hi: -15,
    hihi: -10,
    hysteresis: 1,
    devices: ["freezer-*", "!freezer-test"],
    metrics: ["temperature"],
    severity: "critical",
    for: 300_000,
    keepFiringFor: 60_000,
    mode: "shadow",
  });
});

test("what is left out has a default", () => {
  expect(load("rules: [{ name: any, detector: ewma }]")).toEqual([
    {
      name: "any",
      detector: "ewma",
      limit: 3.1,
      memory: 100,
      warmUp: 60,
      devices: ["*"],
      metrics: ["*"],
      severity: "warning",
      for: 0,
      keepFiringFor: 0,
      mode: "live",
    },
  ]);
});

test("without rules there is one, over every metric but seq; an empty list means none", () => {
  expect(load("{}")).toMatchObject([{ detector: "auto", metrics: ["*", "!seq"], mode: "live" }]);
  expect(load("rules: []")).toEqual([]);
});

test.each([
  ["{ name: a b, detector: ewma }", '1:11 rules.0.name: 1 to 64 letters, digits, "_" or "-"'],
  [
    "{ name: system-hot, detector: ewma }",
    "1:11 rules.0.name: names that begin with system- are Causeway's own",
  ],
  [
    "{ name: a, detector: magic }",
    "1:20 rules.0.detector: one of auto, limits, ewma, rate, flat, absence, holt-winters",
  ],
  [
    "{ name: a }",
    "1:9 rules.0.when: a rule has a detector or a condition: write detector: … or when: …",
  ],
  ["{ name: a, detector: ewma, hi: 5 }", "1:36 rules.0.hi: unknown setting"],
  ["{ name: a, detector: limits }", "rules.0.hi: give at least one of hihi, hi, lo, lolo"],
  ["{ name: a, detector: limits, hi: 5, lo: 6 }", "rules.0.lo: 6 must be below the upper limit 5"],
  ["{ name: a, detector: limits, hi: hot }", "rules.0.hi: Invalid input: expected number"],
  ["{ name: a, detector: ewma, for: 5 }", "rules.0.for: write a time such as 0s, 30s"],
  ['{ name: a, detector: ewma, metrics: ["!"] }', "rules.0.metrics.0: a pattern must follow the !"],
  ["{ name: a, detector: ewma, devices: [] }", "rules.0.devices: Too small"],
  ["{ name: a, detector: ewma, severity: bad }", "rules.0.severity: Invalid option"],
])("%s is refused: %s", (rule, message) => {
  expect(() => load(`rules: [${rule}]`)).toThrow(message);
});

test("two rules of one name are refused at the second", () => {
  const twice = "rules: [{ name: a, detector: ewma }, { name: a, detector: ewma }]";
  expect(() => load(twice)).toThrow("rules.1.name: a is the name of rule 1 too");
});

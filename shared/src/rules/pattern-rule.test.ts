/** Goal: pattern rules read as they are written; every fault is told at its place, with its cure. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Random } from "../random.ts";
import { seededRandom } from "../random.ts";
import { loadSettings } from "../settings.ts";
import { compileCondition } from "./condition.ts";
import { canonicalJson, digest } from "./digest.ts";
import { rulesSchema, withoutExamples } from "./rule.ts";
import { inOrder } from "./rule-chain.ts";

const schema = z.strictObject({ rules: rulesSchema });

function load(text: string) {
  return loadSettings(schema, { fileName: "cloud.yaml", text, environment: {}, sets: [] }).rules;
}

function told(text: string): readonly string[] {
  try {
    load(text);
    return [];
  } catch (failure) {
    return (failure as Error).message.replace("CONFIG_INVALID: ", "").split("\n");
  }
}

const when = (condition: string) => `rules: [{ name: a, when: ${condition} }]`;
const anything = { metric: ["*"], device: ["*"] };

test("a rule written in full", () => {
  const text = `
rules:
  - name: door-open-while-warming
    gateways: ["hall-*"]
    site: ["hall-*"]
    labels: { zone: ["cold"] }
    tags: [cold]
    family: ["shelly*"]
    devices: ["freezer-*"]
    by: gateway
    allowedLateness: 10s
    when:
      all:
        - { metric: door, is: on, for: 1m }
        - { metric: [temperature, "t-*"], is: value > -15, of: every }
    for: 2m
    keepFiringFor: 1m
    severity: critical
    message: "{device}: door open and {value} {unit}"
    emit: { name: door-ajar, value: "1" }
    mode: shadow
    examples:
      - given: [{ at: 0s, device: freezer-1, metric: door, value: true }, { at: 5m }]
        expect: []
`;
  expect(load(text)).toEqual([
    {
      name: "door-open-while-warming",
      gateways: ["hall-*"],
      site: ["hall-*"],
      labels: { zone: ["cold"] },
      tags: ["cold"],
      family: ["shelly*"],
      devices: ["freezer-*"],
      metrics: ["*"],
      by: "gateway",
      time: "received",
      allowedLateness: 10_000,
      when: {
        all: [
          { is: "on", metric: ["door"], device: ["*"], of: "any", for: 60_000 },
          { is: "value > -15", metric: ["temperature", "t-*"], device: ["*"], of: "every", for: 0 },
        ],
        for: 0,
      },
      for: 120_000,
      keepFiringFor: 60_000,
      severity: "critical",
      message: "{device}: door open and {value} {unit}",
      emit: { name: "door-ajar", value: "1" },
      mode: "shadow",
      examples: [
        {
          start: "2026-01-05T00:00:00Z",
          given: [{ at: 0, device: "freezer-1", metric: "door", value: true }, { at: 300_000 }],
          expect: [],
        },
      ],
    },
  ]);
});

test("what is left out has a default, the time by what the rule is about", () => {
  const [rule] = load(when("value > 5"));
  expect(rule).toEqual({
    ...{ name: "a", devices: ["*"], metrics: ["*"], severity: "warning", mode: "live" },
    ...{ for: 0, keepFiringFor: 0, by: "device", time: "observed", allowedLateness: 0 },
    when: { is: "value > 5", ...anything, of: "any", for: 0 },
  });
  const times = ["series", "device", "gateway", "site"].map((by) => {
    const [one] = load(`rules: [{ name: a, by: ${by}, when: "on" }]`);
    return one?.detector === undefined ? one?.time : undefined;
  });
  expect(times).toEqual(["observed", "observed", "received", "received"]);
});

test.each<[string, object]>([
  ['{ all: ["on", "value > 1"] }', { kind: "all", of: [{ kind: "leaf" }, { kind: "leaf" }] }],
  ['{ any: ["on"], for: 1m }', { kind: "any", forMs: 60_000 }],
  ['{ not: { is: "on", of: 3 } }', { kind: "not", of: { kind: "leaf", of: 3 } }],
  ["{ metric: door }", { kind: "leaf", predicate: undefined, metrics: ["door"] }],
  ['{ sequence: ["on", "!on"], within: 5m }', { kind: "sequence", withinMs: 300_000 }],
  ["{ absence: , after: 10m }", { kind: "absence", afterMs: 600_000, leaf: { metrics: ["*"] } }],
  ["{ absence: { device: a }, after: 10m }", { kind: "absence", leaf: { devices: ["a"] } }],
  ["{ rate: { metric: t, of: every }, over: 5m, above: 2 }", { leaf: { of: "every" } }],
  ["{ any: [on, { after: 1m, since: on }], for: 5m }", { kind: "any", forMs: 300_000 }],
  ['{ count: "on", within: 10m, atLeast: 7 }', { kind: "count", withinMs: 600_000, atLeast: 7 }],
  ['{ count: "on", within: 10m, fewerThan: 7 }', { kind: "count", fewerThan: 7 }],
  [
    "{ rate: { metric: t }, over: 5m, above: 2, below: -2 }",
    { kind: "rate", overMs: 300_000, perMs: 60_000, above: 2, below: -2 },
  ],
  ['{ schedule: { cron: "0 6 * * 1-5" } }', { kind: "schedule", cron: "0 6 * * 1-5", zone: "UTC" }],
  ['{ after: 10m, since: "on" }', { kind: "after", afterMs: 600_000, since: { kind: "leaf" } }],
])("%s is understood", (condition, expected) => {
  const [rule] = load(when(condition));
  if (rule?.detector !== undefined || rule === undefined) throw new Error("no pattern rule");
  const compiled = compileCondition(rule.when);
  expect(compiled).toMatchObject(expected);
  expect("forMs" in compiled).toBe("forMs" in expected);
  expect("predicate" in expected && compiled.kind === "leaf" && compiled.predicate).not.toBe(null);
});

test("a rule that is kept as JSON compiles to the same, with its expressions", () => {
  const [rule] = load(
    when('{ all: [{ is: value > -15, for: 1m }, { derived: a, is: "value > 1" }] }')
      .replace("name: a,", "name: a2,")
      .replace("rules: [", "rules: [{ name: b, when: on, emit: a }, "),
  ).slice(1);
  const kept: unknown = JSON.parse(JSON.stringify(rule));
  expect(kept).toEqual(rule);
  const compiled = compileCondition((kept as { when: never }).when);
  expect(compiled).toMatchObject({
    of: [{ predicate: { source: "value > -15", wants: "number" } }, { kind: "derived", name: "a" }],
  });
});

test.each([
  [when('value > "x"'), "cloud.yaml:1:32 rules.0.when: no such overload: double > string"],
  [when("{ is: value >> 5 }"), "cloud.yaml:1:39 rules.0.when.is: "],
  [when('"value > \\"x\\""'), "cloud.yaml:1:33 rules.0.when: no such overload: double > string"],
  [
    when("{ metrics: a, is: on }"),
    "cloud.yaml:1:28 rules.0.when.metrics: unknown setting: write metric",
  ],
  [
    when("{ is: on, within: 5m }"),
    "rules.0.when.within: unknown setting: it belongs to sequence and count",
  ],
  [when("{ all: [on], foo: 1 }"), "rules.0.when.foo: unknown setting: there are all, for"],
  [when("{ all: [on], any: [on] }"), "rules.0.when.any: all or any: put the two into all:"],
  [when("{ all: [] }"), "rules.0.when.all: at least one"],
  [when("{}"), "rules.0.when: write an expression, or { is: … } or one of all, any, not"],
  [when("[on]"), "rules.0.when: write an expression"],
  [when("5"), "rules.0.when: write an expression"],
  [when("true"), "rules.0.when: write an expression"],
  [when("{ after: 5m }"), "rules.0.when.after: say since what"],
  [when("{ sequence: [on], within: 5m }"), "rules.0.when.sequence: at least two steps"],
  [when("{ sequence: [on, on] }"), "rules.0.when.within: write a time"],
  [when("{ absence: on, after: 0s }"), "rules.0.when.after: more than 0s"],
  [when("{ absence: { is: on, of: 2 }, after: 5s }"), "rules.0.when.absence.of: unknown setting"],
  [when("{ count: on, within: 1m }"), "rules.0.when.count: give atLeast or fewerThan, one of them"],
  [when("{ count: on, within: 1m, atLeast: 1001 }"), "rules.0.when.atLeast: "],
  [when("{ rate: on, over: 5m, above: 1 }"), "rules.0.when.rate: a rate is of numbers"],
  [when("{ rate: , over: 5m }"), "rules.0.when.rate: give above, below or both"],
  [when("{ rate: , over: 5m, above: 1, below: 2 }"), "rules.0.when.below: must not be over above"],
  [when('{ schedule: { cron: "0 6 * *" } }'), "rules.0.when.schedule.cron: write minute, hour"],
  [
    when('{ schedule: { cron: "0 6 30 2 *" } }'),
    "rules.0.when.schedule.cron: 0 6 30 2 * never comes",
  ],
  [
    when('{ schedule: { cron: "0 6 * * *", zone: Mars } }'),
    "when.schedule.zone: write a time zone",
  ],
  [when("{ is: on, of: most }"), "rules.0.when.of: any, every, or how many"],
  [when("{ is: on, for: 31d }"), "rules.0.when.for: at most 30d"],
  [
    when("{ schedule: { cron: '0 6 * * *' }, for: 5m }"),
    "rules.0.when.for: it holds for a moment alone",
  ],
  [
    when("{ all: [on, { after: 1m, since: on }], for: 5m }"),
    "rules.0.when.for: it holds for a moment",
  ],
  [
    when("{ sequence: [on, '!on'], within: 1m }, for: 5m"),
    "rules.0.for: it holds for a moment alone",
  ],
  [when("{ derived: x }"), "rules.0.when.derived: no rule emits x"],
  [
    "rules: [{ name: a, by: site, when: on, emit: x }, { name: b, when: { derived: x } }]",
    "rules.1.when.derived: x is emitted by site: wait for it by: site",
  ],
  [when("{ all: [on, { rule: x }] }"), "cloud.yaml:1:40 rules.0.when.all.1.rule: no rule x"],
  [
    "rules: [{ name: s, detector: absence, after: 5m }, { name: a, when: { rule: s } }]",
    "rules.1.when.rule: write absence: in place of a rule for it",
  ],
  [when("{ rule: a }"), "rules.0.when.rule: a has no detector: let it emit an event"],
  ["rules: [{ name: a, detector: ewma, by: device }]", "rules.0.by: unknown setting: a rule has"],
  ["rules: [{ name: a, detector: ewma, when: on }]", "rules.0.when: unknown setting: a rule has"],
  [
    'rules: [{ name: a, when: "on", message: "it is {valu}" }]',
    "1:48 rules.0.message: no placeholder {valu}",
  ],
  [
    'rules: [{ name: a, when: "on", emit: { name: b, value: tags } }]',
    "rules.0.emit.value: must be a number",
  ],
  [
    'rules: [{ name: a, when: "on", emit: system-x }]',
    "rules.0.emit.name: names that begin with system-",
  ],
  ['rules: [{ name: a, when: "on", emit: b, hi: 5 }]', "rules.0.hi: unknown setting"],
])("%s is refused: %s", (text, message) => {
  expect(told(text).join("\n")).toContain(message);
});

test("several faults are told at once, each at its own place", () => {
  const text = `
rules:
  - name: a
    when:
      all:
        - { metric: door, is: 'text > 5', foo: 1 }
        - is: |
            value > 5
              && foo > 1
        - sequence: [on]
    for: 5
`;
  expect(told(text).map((line) => line.split(": ")[0])).toEqual(
    [
      "cloud.yaml:11:5 rules.0.for",
      "cloud.yaml:6:43 rules.0.when.all.0.foo",
      "cloud.yaml:6:37 rules.0.when.all.0.is",
      "cloud.yaml:9:18 rules.0.when.all.1.is",
      "cloud.yaml:10:11 rules.0.when.all.2.sequence",
      "cloud.yaml:10:11 rules.0.when.all.2.within",
    ].toSorted(byPlaceIn(told(text))),
  );
});

/** The order in which they are told is not promised. */
function byPlaceIn(lines: readonly string[]) {
  const at = (place: string) => lines.findIndex((line) => line.startsWith(`${place}: `));
  return (a: string, b: string) => at(a) - at(b);
}

test("a fault in an expression of the command line is told with its place in the text", () => {
  const sources = { fileName: "cloud.yaml", text: "", environment: {} };
  const sets = ["rules=[{ name: a, when: value > on }]"];
  expect(() => loadSettings(schema, { ...sources, sets })).toThrow(
    "--set rules rules.0.when: value and on: a reading is one of them; use two leaves in all:, at character 9",
  );
});

describe("rules that build on others", () => {
  const waits = (name: string, on: string, emit = name) =>
    `{ name: ${name}, when: { derived: ${on} }, emit: ${emit} }`;

  test("stand in their order after those that they wait for", () => {
    const rules = load(
      `rules: [${waits("c", "b")}, ${waits("b", "a")}, { name: a, when: "on", emit: a }]`,
    );
    expect(inOrder(rules).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  test("may wait for a detector's rule, and for one event of several rules", () => {
    const text = `rules: [{ name: e, detector: ewma }, { name: a, when: { rule: e }, emit: x },
      { name: b, when: "on", emit: x }, { name: c, when: { all: [{ derived: x }, "on"] } }]`;
    expect(load(text)).toHaveLength(4);
  });

  test("are refused where one waits for itself, with the way round", () => {
    const [line, ...more] = told(
      `rules: [${waits("a", "c")}, ${waits("b", "a")}, ${waits("c", "b")}]`,
    );
    expect(line).toMatch(/rules\.\d\.when: (?:[abc] waits for ){3}[abc]: a rule cannot wait for/);
    expect(more).toEqual([]);
    expect(told(`rules: [${waits("a", "a")}]`)[0]).toContain("a waits for a: a rule cannot wait");
  });

  test("are refused beyond eight in a row", () => {
    const chain = (length: number) => {
      const rules = Array.from({ length }, (_, index) =>
        index === 0
          ? '{ name: r0, when: "on", emit: e0 }'
          : waits(`r${index}`, `e${index - 1}`, `e${index}`),
      );
      return `rules: [${rules.join(", ")}]`;
    };
    expect(load(chain(8))).toHaveLength(8);
    expect(told(chain(9))[0]).toContain("rules.8.when: 9 rules wait for each other; at most 8");
    expect(told(chain(1_000)).length).toBe(992);
  });

  test("are judged in bounded time where each waits for all", () => {
    const rules = Array.from({ length: 1_000 }, (_, index) => waits(`r${index}`, "x", "x"));
    const started = performance.now();
    expect(told(`rules: [${rules.join(", ")}]`)[0]).toContain(
      "cannot wait for what it brings about",
    );
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

test("conditions are bounded in number and depth", () => {
  const nested = (depth: number): unknown => (depth <= 1 ? "on" : { not: nested(depth - 1) });
  const parse = (condition: unknown) => rulesSchema.safeParse([{ name: "a", when: condition }]);
  expect(parse(nested(8)).success).toBe(true);
  expect(parse(nested(9)).error?.issues[0]?.message).toContain("at most 8 deep");
  expect(parse({ all: Array(63).fill("on") }).success).toBe(true);
  expect(parse({ all: Array(64).fill("on") }).error?.issues[0]?.message).toContain("at most 64");
});

test("examples change neither a rule nor its version; selectors that are not there neither", () => {
  const [bare] = load("rules: [{ name: a, detector: ewma }]");
  const [rule] = load(
    "rules: [{ name: a, detector: ewma, examples: [{ given: [{ at: 0s }], expect: [] }] }]",
  );
  if (bare === undefined || rule === undefined) throw new Error("no rule");
  expect(withoutExamples(rule)).toEqual(bare);
  // As it was before there were selectors, conditions and examples: stored rule sets go by it.
  expect(digest([bare], 32)).toBe("6faedeb78a46c50a802fd28d460e5878");
});

function json(random: Random, depth: number): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  const below = () => json(random, depth - 1);
  const keys = [
    ...[
      "is",
      "metric",
      "device",
      "of",
      "for",
      "all",
      "any",
      "not",
      "sequence",
      "within",
      "absence",
    ],
    ...[
      "after",
      "count",
      "atLeast",
      "fewerThan",
      "rate",
      "over",
      "per",
      "above",
      "below",
      "schedule",
    ],
    ...[
      "cron",
      "zone",
      "since",
      "derived",
      "rule",
      "name",
      "when",
      "detector",
      "emit",
      "value",
      "by",
    ],
    ...[
      "examples",
      "given",
      "expect",
      "at",
      "state",
      "labels",
      "tags",
      "message",
      "__proto__",
      "x",
    ],
  ];
  const scalars = [
    ...[
      "on",
      "value > 5",
      "value >",
      "text == 'a'",
      "5m",
      "0s",
      "any",
      "every",
      "",
      "a",
      "{device}",
    ],
    ...[
      0,
      1,
      -1,
      1e9,
      2.5,
      true,
      false,
      null,
      undefined,
      Number.NaN,
      "limits",
      "ewma",
      "0 6 * * *",
    ],
  ];
  if (depth === 0 || random.next() < 0.3) return pick<unknown>(scalars);
  const length = Math.floor(random.next() * 4);
  if (random.next() < 0.3) return Array.from({ length }, below);
  return Object.fromEntries(Array.from({ length }, () => [pick(keys), below()]));
}

test("no JSON makes the schema throw, or tell a fault without words", () => {
  const random = seededRandom("rules");
  let [good, bad] = [0, 0];
  for (let run = 0; run < 5_000; run++) {
    const rule = {
      name: "a",
      when: json(random, 4),
      ...(random.next() < 0.3 ? Object(json(random, 3)) : {}),
    };
    const parsed = rulesSchema.safeParse(random.next() < 0.1 ? json(random, 4) : [rule]);
    if (parsed.success) {
      good += 1;
      for (const one of parsed.data) if (one.detector === undefined) compileCondition(one.when);
      expect(JSON.parse(canonicalJson(parsed.data))).toEqual(
        JSON.parse(JSON.stringify(parsed.data)),
      );
      continue;
    }
    bad += 1;
    expect(parsed.error.issues.length).toBeGreaterThan(0);
    for (const { message } of parsed.error.issues)
      expect(message).not.toMatch(/^$|\[object|: undefined$/);
  }
  expect(good).toBeGreaterThan(100);
  expect(bad).toBeGreaterThan(1_000);
});

test("conditions far too deep are refused, not walked", () => {
  let deep: unknown = "on";
  for (let level = 0; level < 50_000; level++)
    deep = level % 2 === 0 ? { not: deep } : { all: [deep] };
  const parsed = rulesSchema.safeParse([{ name: "a", when: deep }]);
  expect(parsed.error?.issues[0]?.message).toContain("at most 8 deep");
  let lists: unknown = "on";
  for (let level = 0; level < 50_000; level++) lists = [lists];
  expect(rulesSchema.safeParse([{ name: "a", when: { all: lists } }]).success).toBe(false);
  expect(rulesSchema.safeParse([{ name: "a", when: "on", examples: lists }]).success).toBe(false);
});

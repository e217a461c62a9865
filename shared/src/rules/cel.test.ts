/** Goal: an expression means the same on every machine, costs what its text costs, and tells its faults. */
import { describe, expect, test } from "vitest";
import type { Random } from "../random.ts";
import { seededRandom } from "../random.ts";
import type { CelVariables } from "./cel.ts";
import { parsePredicate, parseValue } from "./cel.ts";

const variables: CelVariables = {
  ...{ value: 6, text: "open", on: true, metric: "door", device: "freezer-1", gateway: "plant-3" },
  ...{ site: "hall-a", family: "shelly", unit: "Cel", quality: "good", tags: ["cold", "new"] },
  labels: { zone: "cold" },
  time: new Date("2026-07-01T08:30:00Z"),
};

function answer(source: string, other: Partial<CelVariables> = {}): boolean | undefined {
  const parsed = parsePredicate(source);
  if (parsed.kind === "faulty") throw new Error(parsed.faults[0]?.message);
  return parsed.compiled.test({ ...variables, ...other });
}

function faultsOf(source: string): readonly string[] {
  const parsed = parsePredicate(source);
  const faults = parsed.kind === "faulty" ? parsed.faults : [];
  return faults.map(({ offset, message }) => `${offset} ${message}`);
}

test.each<[string, boolean]>([
  ["value > 5", true],
  ["value > -15.5 && value < 6", false],
  ["value == 6", true],
  ["6 == value", true],
  ["value != 6", false],
  ["6 != value", false],
  ["value * 2 == 12", true],
  ["2 * value - 1 > 10", true],
  ["value / 4 == 1.5", true],
  ["value % 4 == 2", true],
  ["7 % value == 1", true],
  ["value in [1, 6]", true],
  ["value in [1.0, 2.5]", false],
  ["abs(value - 10) == 4", true],
  ["on", true],
  ["!on", false],
  ['text == "open"', true],
  ['text.startsWith("op") && text.size() == 4', true],
  ['glob(device, "freezer-*")', true],
  ['glob(device, "*-2")', false],
  ["-value + 10 == 4", true],
  ["(value + 1) * (2 - value) < -20", true],
  ["1 / value < 1", true],
  ['"cold" in tags', true],
  ['tags.exists(t, t.startsWith("n"))', true],
  ["tags.all(t, size(t) == 4)", false],
  ['labels.zone == "cold"', true],
  ['has(labels.room) && labels.room == "7"', false],
  ['labels["zone"] == "cold"', true],
  ['site == "hall-a" && family == "shelly" && quality == "good"', true],
  ['time > timestamp("2026-06-30T00:00:00Z")', true],
  ['time - timestamp("2026-07-01T08:00:00Z") == duration("30m")', true],
  ["time.getHours() == 8", true],
  ['local(time, "Europe/Berlin").getHours() == 10', true],
  ['local(time, "Asia/Kolkata").getMinutes() == 0', true],
])("%s is %s", (source, expected) => {
  expect(answer(source)).toBe(expected);
});

test.each([
  ["value > 5", "number"],
  ['text == "a"', "text"],
  ["!on", "boolean"],
  ['device == "a"', "any"],
  ['tags.exists(t, t == "on")', "any"],
])("%s wants %s", (source, wants) => {
  expect(parsePredicate(source)).toMatchObject({ compiled: { wants } });
});

const noVariable =
  "there are value, text, on, metric, device, gateway, site, family, unit, quality, tags, labels, time";

test.each([
  ['value > "a"', "6 no such overload: double > string"],
  ['(value) > ("a")', "8 no such overload: double > string"],
  ['value /* */ > "a"', "7 "],
  ['value // why\n > "a"', "14 no such overload"],
  ["value >", "7 Unexpected token: EOF"],
  ["", "0 "],
  ["1 + 2", "0 must be true or false, not int: compare it"],
  ["on && value > 1", "6 on and value: a reading is one of them; use two leaves in all:"],
  ['text.matches("a+")', '0 no regular expressions: write glob(text, "a*")'],
  ["temperature > 5", `0 no variable temperature: ${noVariable}; a metric is chosen beside it`],
  ["google == 1", "0 no variable google"],
  ["dyn(value) > 1", "0 no function dyn"],
  ["cel.bind(x, value, x > 1.0)", "0 no function bind"],
  ["tags.map(t, t + t) == []", "0 no function map"],
  ['text.split("")[0] == "a"', "0 no function split"],
  ["tags.exists(t, tags.exists(u, u == t))", "15 exists inside of another: write two leaves"],
  ["tags.exists(value, value == 1)", "0 value is a variable: choose another name, such as t"],
  ["tags.exists(1, true)", "12 exists(var, predicate) invalid predicate iteration variable"],
  ['time.getHours("Europe/Berlin") > 5', '0 write local(time, "Europe/Berlin").getHours()'],
  ["time.getDayOfYear() > 5", "0 no function getDayOfYear"],
  ['local(time, "Mars").getHours() > 5', "0 no time zone Mars"],
  ["local(time, site).getHours() > 5", "0 local takes a time and a zone"],
  ['time > timestamp("soon")', "7 not a timestamp: write one such as"],
  ["time > timestamp(text)", "7 timestamp takes a literal"],
  ['time - time > duration("5")', "14 not a duration: write one such as"],
  ["(value > 0 ? value : 2) > 1", "1 Ternary branches must have the same type"],
])("%s is refused: %s", (source, told) => {
  expect(faultsOf(source).join("\n")).toContain(told);
});

test("several unknown names are told at once, each at its place", () => {
  expect(faultsOf("value > 0 && foo > 1 && bar > 2")).toEqual([
    expect.stringMatching(/^13 no variable foo/),
    expect.stringMatching(/^24 no variable bar/),
  ]);
});

test("a whole number that must be a double is told with its cure", () => {
  expect(faultsOf("(value > 0 ? value : 2) > 1")[0]).toContain("write whole numbers as 2.0 here");
});

test("what cannot be evaluated is undefined and never throws", () => {
  expect(answer('labels.room == "7"')).toBeUndefined();
  expect(answer('labels.constructor == "7"')).toBeUndefined();
  expect(answer("int(text) > 5")).toBeUndefined();
  expect(answer("tags[9] == 'a'")).toBeUndefined();
  expect(answer("value > 5", { value: undefined as unknown as number })).toBeUndefined();
  expect(answer("time.getHours() > 1", { time: new Date(Number.NaN) })).toBeUndefined();
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, -0, 2 ** 60, 5e-324])(
  "%d is compared as a double is",
  (value) => {
    expect(answer("value > 5", { value })).toBe(value > 5);
    expect(answer("value == 0", { value })).toBe(value === 0);
    expect(answer("value != 5", { value })).toBe(value !== 5);
  },
);

test("a value of an event is a number, a text or yes and no; whole numbers are numbers too", () => {
  const told = (source: string) => {
    const parsed = parseValue(source);
    return parsed.kind === "compiled" ? parsed.compiled.evaluate(variables) : parsed.faults[0];
  };
  expect(told("value * 2")).toBe(12);
  expect(told("7")).toBe(7);
  expect(told('device + "/" + metric')).toBe("freezer-1/door");
  expect(told("on")).toBe(true);
  expect(told("value / 0")).toBeUndefined();
  expect(told("tags")).toMatchObject({ message: expect.stringContaining("not list<string>") });
});

describe("the time that a text may take", () => {
  test("is bounded by its length, brackets and parts", () => {
    expect(faultsOf(`${"!".repeat(5_000)}on`)[0]).toContain("at most 4096");
    expect(faultsOf(`${"!".repeat(4_000)}on`)[0]).toContain("maxAstNodes");
    expect(faultsOf(`${"(".repeat(2_000)}on`)[0]).toContain("maxDepth");
  });

  test("does not grow with hostile readings", () => {
    const text = "1".repeat(65_536);
    const started = performance.now();
    for (const source of ['glob(text, "*1*1*1*2")', "double(text) > 1", 'text.contains("12")'])
      answer(source, { text });
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

const words = [
  ...["value", "text", "on", "device", "tags", "labels", "time", "t", "u", "foo", "labels.zone"],
  ...[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    ".",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "\n",
    "//",
    "\\",
  ],
  ...[
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "&&",
    "||",
    " in ",
    "1",
    "2.5",
    "-3",
    "1e3",
    "0x1F",
    "7u",
    "'a'",
  ],
  ...[
    '"b"',
    "'''",
    "r'\\'",
    "b'x'",
    "true",
    "null",
    ".exists(t,",
    ".all(t,",
    ".size()",
    "glob(device,",
  ],
  ...[
    'timestamp("2026-01-01T00:00:00Z")',
    'duration("1m")',
    'local(time,"UTC")',
    ".getHours()",
    "has(",
  ],
  ...["int(", "double(", "string(", "abs(", "\u{1F600}", "\0", "ü", "__proto__", "constructor"],
];

const operands = [
  ...[
    "value",
    "value",
    "text",
    "on",
    "device",
    "tags",
    "labels.zone",
    "time",
    "1",
    "2.5",
    "'a'",
    "true",
  ],
];

/** Mostly well formed, so that the checks after the parser are reached too. */
function expression(random: Random, depth: number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  const below = () => expression(random, depth - 1);
  if (depth === 0) return pick(random.next() < 0.1 ? words : operands);
  const forms = [
    () => `${below()} ${pick(["==", "!=", "<", ">", "+", "-", "*", "/", "%", "in"])} ${below()}`,
    () => `(${below()}) ${pick(["&&", "||"])} (${below()})`,
    () => `(${below()} ? ${below()} : ${below()})`,
    () => `tags.${pick(["exists", "all", "exists_one", "map", "filter"])}(t, ${below()})`,
    () => `${pick(["size", "abs", "int", "double", "string", "has", "glob"])}(${below()})`,
    () => `[${below()}, ${below()}]`,
    () => Array.from({ length: 1 + random.next() * 8 }, () => pick(words)).join(""),
  ];
  return pick(forms)();
}

interface Sum {
  readonly text: string;
  of(value: number): number;
}

/** A number made of doubles, with whole numbers on either side of them. */
function sum(random: Random, depth: number): Sum {
  if (depth === 0) return { text: "value", of: (value) => value };
  const operators = ["+", "-", "*", "/", "%"] as const;
  const operator = operators[Math.floor(random.next() * operators.length)] ?? "+";
  const whole = Math.floor(random.next() * 9);
  const [one, other] = [sum(random, depth - 1), sum(random, Math.floor(random.next() * depth))];
  const partner = random.next() < 0.5 ? other : { text: `${whole}`, of: () => whole };
  const [left, right] = random.next() < 0.5 ? [one, partner] : [partner, one];
  const act = {
    "+": (a: number, b: number) => a + b,
    "-": (a: number, b: number) => a - b,
    "*": (a: number, b: number) => a * b,
    "/": (a: number, b: number) => a / b,
    "%": (a: number, b: number) => a % b,
  }[operator];
  return {
    text: `(${left.text} ${operator} ${right.text})`,
    of: (value) => act(left.of(value), right.of(value)),
  };
}

test("numbers are reckoned as doubles, whole numbers among them", () => {
  const random = seededRandom("sums");
  for (let run = 0; run < 2_000; run++) {
    const { text, of } = sum(random, 1 + Math.floor(random.next() * 4));
    const limit = Math.floor(random.next() * 10);
    const value = (random.next() - 0.5) * 20;
    expect(answer(`${text} > ${limit}`, { value }), text).toBe(of(value) > limit);
    expect(answer(`${text} == ${limit}`, { value }), text).toBe(of(value) === limit);
    expect(answer(`${text} <= ${limit}.5`, { value }), text).toBe(of(value) <= limit + 0.5);
  }
});

test("no text hangs, throws or answers with anything but yes, no or undefined", () => {
  const random = seededRandom("expressions");
  let compiled = 0;
  const started = performance.now();
  for (let run = 0; run < 5_000; run++) {
    const source = expression(random, 1 + Math.floor(random.next() * 5));
    const parsed = parsePredicate(source);
    if (parsed.kind === "faulty") {
      expect(parsed.faults.length, source).toBeGreaterThan(0);
      for (const { offset, message } of parsed.faults) {
        expect(message, source).not.toMatch(/undefined|\[object|is not a function/);
        expect(offset >= 0 && offset <= source.length, `${offset} of ${source}`).toBe(true);
      }
      continue;
    }
    compiled += 1;
    expect([true, false, undefined], source).toContain(parsed.compiled.test(variables));
  }
  expect(compiled).toBeGreaterThan(20);
  expect(performance.now() - started).toBeLessThan(30_000);
});

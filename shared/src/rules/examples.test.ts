/** Goal: an example says exactly what a rule did otherwise than expected, and runs in its own time. */
import { expect, test } from "vitest";
import type { ExampleStep, ExampleTransition } from "./examples.ts";
import { examplesSchema, exampleTickMs, runExamples, stepsOf } from "./examples.ts";

const start = Date.parse("2026-01-05T00:00:00Z");

function steps(example: object): readonly ExampleStep[] {
  const [parsed] = examplesSchema.parse([example]);
  return parsed === undefined ? [] : [...stepsOf(parsed)];
}

function transition(change: Partial<ExampleTransition>, seconds: number): ExampleTransition {
  const place = { gateway: "gateway-1", device: "freezer-1", metric: "" };
  return { state: "firing", ...place, ...change, at: start + seconds * 1_000 };
}

function differences(expected: readonly object[], transitions: readonly ExampleTransition[]) {
  const examples = examplesSchema.parse([{ given: [{ at: "0s" }], expect: expected }]);
  return runExamples(examples, () => transitions).map(
    ({ path, message }) => `${path.join(".")}: ${message}`,
  );
}

test("steps are readings in the order of their times, with a tick every five seconds after them", () => {
  const given = [
    { at: "10s", device: "b", metric: "t", value: 2 },
    { at: "0s", every: "5s", until: "10s", device: "a", metric: "t", value: 1, unit: "Cel" },
    { at: "20s" },
  ];
  const told = steps({ given, expect: [] }).map((step) =>
    step.kind === "tick"
      ? `tick ${(step.at - start) / 1_000}`
      : `${step.device} ${(step.receivedAt - start) / 1_000}`,
  );
  expect(told).toEqual([
    ...["a 0", "a 5", "tick 5", "b 10", "a 10", "tick 10", "tick 15", "tick 20", "tick 25"],
  ]);
});

test("a reading has what is told of it, and defaults", () => {
  const given = [
    { at: "9s", observed: "1s", device: "a", metric: "t", value: "x", quality: "uncertain" },
    { at: "10s", gateway: "plant", device: "a", metric: "t", value: true },
  ];
  const [one, , two] = steps({ start: "2026-03-01T06:00:00Z", given, expect: [] }).slice(1);
  const from = Date.parse("2026-03-01T06:00:00Z");
  expect(one).toMatchObject({ receivedAt: from + 9_000, observedAt: from + 1_000, value: "x" });
  expect(one).toMatchObject({ gateway: "gateway-1", quality: "uncertain", unit: undefined });
  expect(two ?? one).toBeDefined();
  const readings = steps({ given, expect: [] }).filter((step) => step.kind === "reading");
  expect(readings[1]).toMatchObject({
    gateway: "plant",
    quality: "good",
    observedAt: start + 10_000,
  });
});

test("time goes on to the last line and one tick further", () => {
  const last = (example: object) => (steps(example).at(-1) as { at: number }).at - start;
  expect(last({ given: [{ at: "1m" }], expect: [] })).toBe(60_000 + exampleTickMs);
  expect(last({ given: [{ at: "1m" }], expect: [{ at: "2m", state: "firing" }] })).toBe(125_000);
});

test("what is as expected differs in nothing", () => {
  const expected = [
    { at: "3m", state: "firing", device: "freezer-1" },
    { at: "4m", state: "resolved" },
  ];
  const transitions = [transition({}, 183), transition({ state: "resolved" }, 240)];
  expect(differences(expected, transitions)).toEqual([]);
  expect(differences(expected, transitions.toReversed())).toEqual([]);
  expect(differences([], [])).toEqual([]);
});

test.each<[string, object[], ExampleTransition[], string[]]>([
  [
    "nothing",
    [{ at: "3m", state: "firing", device: "freezer-1" }],
    [],
    ["examples.0.expect.0: expected firing at 3m for freezer-1; got nothing"],
  ],
  [
    "the same too early",
    [{ at: "3m", state: "firing", device: "freezer-1" }],
    [transition({}, 179)],
    ["examples.0.expect.0: expected firing at 3m for freezer-1; got firing at 2m59s for freezer-1"],
  ],
  [
    "the same more than a tick late",
    [{ at: "3m", state: "firing" }],
    [transition({ metric: "t" }, 185.001)],
    ["examples.0.expect.0: expected firing at 3m; got firing at 3m5s1ms for freezer-1 t"],
  ],
  [
    "another device",
    [{ at: "3m", state: "firing", device: "freezer-2" }],
    [transition({}, 180)],
    [
      "examples.0.expect.0: expected firing at 3m for freezer-2; got nothing",
      "examples.0.expect: got firing at 3m for freezer-1, which no line expects",
    ],
  ],
  [
    "more than expected",
    [{ at: "3m", state: "firing" }],
    [transition({}, 180), transition({ device: "" }, 180)],
    ["examples.0.expect: got firing at 3m for gateway-1, which no line expects"],
  ],
])("%s is told", (_name, expected, transitions, told) => {
  expect(differences(expected, transitions)).toEqual(told);
});

test("each example runs for itself, and its number is told", () => {
  const example = { given: [{ at: "0s" }], expect: [{ at: "1m", state: "firing" }] };
  const faults = runExamples(examplesSchema.parse([example, example]), () => []);
  expect(faults.map(({ path }) => path)).toEqual([
    ["examples", 0, "expect", 0],
    ["examples", 1, "expect", 0],
  ]);
});

test.each([
  [{ given: [], expect: [] }, "0.given"],
  [{ given: [{ at: "0s", value: 1, metric: "t" }], expect: [] }, "0.given.0.device"],
  [{ given: [{ at: "0s", value: 1, device: "a" }], expect: [] }, "0.given.0.metric"],
  [{ given: [{ at: "0s", every: "1s" }], expect: [] }, "0.given.0.every"],
  [{ given: [{ at: "0s", every: "0s", until: "1m" }], expect: [] }, "0.given.0.every"],
  [{ given: [{ at: "0s", every: "1ms", until: "30d" }], expect: [] }, "0.given"],
  [{ given: [{ at: "0s" }], expect: [{ at: "0s", state: "open" }] }, "0.expect.0.state"],
  [{ given: [{ at: "0s" }] }, "0.expect"],
  [{ start: "monday", given: [{ at: "0s" }], expect: [] }, "0.start"],
])("%j is refused at %s", (example, path) => {
  const { error } = examplesSchema.safeParse([example]);
  expect(error?.issues.map((issue) => issue.path.join("."))).toEqual([path]);
});

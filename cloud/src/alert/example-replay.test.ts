/** Goal: examples of every kind of rule run on the path of the engine, and what differs has its place. */
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { loadSettings } from "@causeway/shared/settings.ts";
import { expect, test } from "vitest";
import { cloudSchema } from "../config.ts";
import { faultsOfExamples } from "./example-replay.ts";

const fleet = fleetSchema.parse({ gateways: [{ match: ["north"], site: "hall" }] });
const hot = { at: "1s", device: "boiler", metric: "t", value: 90 };

function told(...rules: readonly object[]): readonly string[] {
  return faultsOfExamples(rulesSchema.parse(rules), fleet).map(
    ({ path, message }) => `${path.join(".")}: ${message}`,
  );
}

const firing = (at: string) => ({ at, state: "firing", device: "boiler" });

test("a rule with a detector is tried too, with its own waiting time", () => {
  const rule = { name: "hot", detector: "limits", hi: 80, for: "10s" };
  const given = [hot, { ...hot, at: "11s" }];
  expect(told({ ...rule, examples: [{ given, expect: [firing("11s")] }] })).toEqual([]);
  expect(told({ ...rule, examples: [{ given, expect: [] }] })).toEqual([
    "0.examples.0.expect: got firing at 11s for boiler t, which no line expects",
  ]);
});

test.each(["live", "shadow", "off"])("a rule that is %s is tried", (mode) => {
  const rule = { name: "hot", when: "value > 80", mode };
  expect(told({ ...rule, examples: [{ given: [hot], expect: [firing("1s")] }] })).toEqual([]);
});

test.each(["shadow", "off"])("a rule that is %s sees what others in shadow emit", (mode) => {
  const emitting = { name: "hot", when: "value > 80", emit: "heat", mode: "shadow" };
  const examples = [{ given: [hot], expect: [firing("1s")] }];
  const waiting = { name: "heat", when: { derived: "heat" }, keepFiringFor: "1m", mode, examples };
  expect(told(emitting, waiting)).toEqual([]);
});

test("only the rule itself is compared, and each example begins anew", () => {
  const example = { given: [hot], expect: [firing("1s")] };
  const other = { name: "warm", when: "value > 50" };
  expect(told(other, { name: "hot", when: "value > 80", examples: [example, example] })).toEqual(
    [],
  );
});

test("gateways are told apart by what the fleet knows of them", () => {
  const given = [
    { ...hot, gateway: "north" },
    { ...hot, gateway: "south" },
  ];
  const rule = { name: "hot", when: "value > 80", site: ["hall"] };
  const expected = [{ ...firing("1s"), gateway: "north" }];
  expect(told({ ...rule, examples: [{ given, expect: expected }] })).toEqual([]);
});

test("a gateway that is only in the example's time is not silent, its devices are", () => {
  const rule = { name: "silent", when: { absence: null, after: "5m" } };
  const examples = [{ given: [{ ...hot, at: "0s" }, { at: "6m" }], expect: [firing("5m")] }];
  expect(told({ ...rule, examples })).toEqual([]);
  const absence = { name: "silent", detector: "absence", after: "5m" };
  expect(told({ ...absence, examples })).toEqual([]);
});

test("what differs is told with line and column of the file", () => {
  const text = `rules:
  - name: hot
    when: value > 80
    examples:
      - given: [{ at: 1s, device: boiler, metric: t, value: 90 }]
        expect:
          - { at: 1m, state: firing }
`;
  const load = () =>
    loadSettings(
      cloudSchema,
      { fileName: "cloud.yaml", text, environment: {}, sets: [] },
      ({ rules }) =>
        faultsOfExamples(rules, fleet).map(({ path, message }) => {
          return { path: ["rules", ...path], message };
        }),
    );
  expect(load).toThrow(
    "CONFIG_INVALID: cloud.yaml:7:13 rules.0.examples.0.expect.0: expected firing at 1m; got firing at 1s",
  );
});

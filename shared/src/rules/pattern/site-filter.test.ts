// Goal: a site is told what changes something and little more, and a replay counts it alike.
import { describe, expect, test } from "vitest";
import type { FleetDocument } from "../fleet.ts";
import { fleetSchema } from "../fleet.ts";
import { rulesSchema } from "../rule.ts";
import { compileRules } from "../rule-set.ts";
import type { PatternReading } from "./pattern.ts";
import { SiteFilter, tellEveryMs } from "./site-filter.ts";

const fleet = fleetSchema.parse({ gateways: [{ match: ["*"], site: "hall" }] });
const warm = { name: "warm", by: "site", when: { metric: "t", is: "value > 5.0" } };
const often = { name: "often", by: "site", when: { count: { metric: "t", is: "value > 8.0" } } };
const counted = {
  ...often,
  when: { count: { metric: "t", is: "value > 8.0" }, within: "1m", atLeast: 3 },
};

function rulesOf(rules: readonly object[], where: FleetDocument = fleet) {
  const { site } = compileRules(rulesSchema.parse(rules), where).of("g");
  if (site === undefined) throw new Error("no rule looks at the site");
  return site;
}

function reading(
  second: number,
  value: number | null,
  more: Partial<PatternReading> = {},
): PatternReading {
  return {
    ...{ kind: "reading", id: `${second}`, gateway: "g", device: "d", metric: "t", value },
    ...{
      unit: undefined,
      quality: "good",
      observedAt: null,
      receivedAt: second * 1_000,
      late: false,
    },
    ...more,
  };
}

const send = (filter: SiteFilter, values: readonly (number | null)[]) =>
  values.map((value, second) =>
    filter.take(reading(second, value), [], undefined) === undefined ? 0 : 1,
  );

describe("a site is told", () => {
  test("a reading whose series is new, or that says another thing than the last one (S1)", () => {
    const filter = new SiteFilter(rulesOf([warm]));
    expect(send(filter, [1, 2, 6, 7, null, 8, 1, 1, 6])).toEqual([1, 0, 1, 0, 0, 0, 1, 0, 1]);
  });

  test("each reading that fits where each counts, and each of all by the device's time (S1)", () => {
    const filter = new SiteFilter(rulesOf([warm, counted]));
    expect(send(filter, [1, 9, 9, 7, 7, 9])).toEqual([1, 1, 1, 1, 0, 1]);
    const byDevice = new SiteFilter(rulesOf([{ ...warm, time: "observed" }]));
    expect(send(byDevice, [1, 1, 1])).toEqual([1, 1, 1]);
  });

  test("as late what came long after the gateway had it, and once more when it is in time (S2)", () => {
    const filter = new SiteFilter(rulesOf([warm]));
    const told = [
      filter.take(reading(0, 1), [], 300_000),
      filter.take(reading(1, 1), [], 300_000),
      filter.take(reading(299, 1), [], 300_000),
      filter.take(reading(300, 1), [], 300_000),
    ];
    expect(told.map((input) => input?.kind === "reading" && input.late)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(told.map((input) => input?.n)).toEqual([0, undefined, 1, undefined]);
  });

  test("the gateway's time once it has moved on, and where it steps back (S3)", () => {
    const filter = new SiteFilter(rulesOf([warm]));
    const times = [0, 1, tellEveryMs, tellEveryMs + 1, 3 * tellEveryMs, 5];
    expect(times.map((at) => filter.takeTime("g", at)?.n)).toEqual([
      0,
      undefined,
      1,
      undefined,
      2,
      3,
    ]);
  });

  test("the same under the same numbers after its state was stored anywhere (S4)", () => {
    const rules = rulesOf([warm, counted]);
    const values = [1, 9, 9, 7, 7, 9, 1, 6, 9, 2];
    const whole = new SiteFilter(rules);
    const expected = values.map((value, second) =>
      whole.take(reading(second, value), [], undefined),
    );
    let filter = new SiteFilter(rules);
    const found = values.map((value, second) => {
      filter = SiteFilter.decode(JSON.parse(JSON.stringify(filter.encode())), rules, "g");
      return filter.take(reading(second, value), [], undefined);
    });
    expect(found).toEqual(expected);
    // Other rules have all told anew; the numbers go on.
    const others = SiteFilter.decode(filter.encode(), rulesOf([counted]), "g");
    expect(others.take(reading(20, 2), [], undefined)?.n).toBe(expected.filter(Boolean).length);
    const elsewhere = fleetSchema.parse({ gateways: [{ match: ["*"], site: "yard" }] });
    const moved = SiteFilter.decode(filter.encode(), rulesOf([warm], elsewhere), "g");
    expect(moved.take(reading(21, 2), [], undefined)?.n).toBe(0);
  });

  test("all anew, series by series, where they are more than are remembered (S5)", () => {
    const filter = new SiteFilter(rulesOf([warm]));
    const tell = (device: string) =>
      filter.take(reading(1, 1, { device }), [], undefined) !== undefined;
    for (let device = 0; device < 10_000; device++) expect(tell(`d${device}`)).toBe(true);
    expect(tell("d0")).toBe(false);
    expect([tell("one-more"), tell("d0"), tell("d0")]).toEqual([true, true, false]);
    expect((filter.encode() as { series: unknown[] }).series).toHaveLength(2);
  });
});

// A series is shown the limits of the rules that judge it, and of no others.
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { expect, test } from "vitest";
import { limitsOf } from "./series-limits.ts";

const rules = rulesSchema.parse([
  { name: "hot", detector: "limits", hi: 30, hihi: 40, metrics: ["temperature"] },
  { name: "cold", detector: "limits", lo: -5, metrics: ["temperature"], site: ["north"] },
  { name: "off", detector: "limits", lo: 1, mode: "off" },
  { name: "odd", detector: "auto" },
  { name: "door", when: "value > 5" },
]);
const fleet = { gateways: [{ match: ["n-*"], site: "north" }], devices: [] };

test("a series has the limits of the rules that select it", () => {
  const of = (gateway: string, metric: string) =>
    limitsOf({ rules, fleet }, { gateway, device: "a", metric }).map(
      ({ rule, limit, value }) => `${rule} ${limit} ${value}`,
    );
  expect(of("s-1", "temperature")).toEqual(["hot hihi 40", "hot hi 30"]);
  expect(of("n-1", "temperature")).toEqual(["hot hihi 40", "hot hi 30", "cold lo -5"]);
  expect(of("n-1", "humidity")).toEqual([]);
});

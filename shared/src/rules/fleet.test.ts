/** Goal: what is known of gateways and devices is found by their names, and rules select by it. */
import { expect, test } from "vitest";
import { compileFleet, emptyFleet, factsMax, fleetSchema, isEmptyFleet } from "./fleet.ts";
import { rulesSchema } from "./rule.ts";
import { ruleSelectorOf } from "./rule-selector.ts";

const document = fleetSchema.parse({
  gateways: [
    { match: ["hall-a-1"], site: "annex" },
    { match: ["hall-a-*"], site: "hall-a", labels: { zone: "cold", floor: "1" } },
    { match: ["hall-*"], site: "halls", labels: { zone: "any", company: "x" } },
  ],
  devices: [
    { match: ["freezer-*", "!freezer-test"], tags: ["cold"], family: "shelly" },
    { match: ["*-1"], tags: ["first", "cold"], family: "other" },
  ],
});

test("entries that match are merged; of one thing the first that gives it decides", () => {
  const fleet = compileFleet(document);
  expect(fleet.gateway("hall-a-1")).toEqual({
    site: "annex",
    labels: { zone: "cold", floor: "1", company: "x" },
  });
  expect(fleet.gateway("hall-b")).toEqual({ site: "halls", labels: { zone: "any", company: "x" } });
  expect(fleet.gateway("plant")).toEqual({ site: "", labels: {} });
  expect(fleet.device("freezer-1")).toEqual({ tags: ["cold", "first"], family: "shelly" });
  expect(fleet.device("freezer-test")).toEqual({ tags: [], family: "" });
});

test("what was said of one gateway by its name goes before all patterns, and says only what it says", () => {
  const fleet = compileFleet({
    ...document,
    service: {
      out: [],
      as: [],
      places: [
        ["annex-2", { zone: "warm" }, ["hall-a-1", "plant"]],
        ["", { zone: "dry" }, ["hall-b"]],
      ],
    },
  });
  expect(fleet.gateway("hall-a-1")).toEqual({
    site: "annex-2",
    labels: { zone: "warm", floor: "1", company: "x" },
  });
  expect(fleet.gateway("plant")).toEqual({ site: "annex-2", labels: { zone: "warm" } });
  expect(fleet.gateway("hall-b")).toEqual({ site: "halls", labels: { zone: "dry", company: "x" } });
  expect(fleet.sites).toEqual(new Set(["annex-2", "annex", "hall-a", "halls"]));
});

test("what is remembered is found again, and stays bounded and right", () => {
  const fleet = compileFleet(document);
  const before = fleet.device("freezer-1");
  expect(fleet.device("freezer-1")).toBe(before);
  for (let device = 0; device <= factsMax; device++) fleet.device(`device-${device}`);
  expect(fleet.device("freezer-1")).not.toBe(before);
  expect(fleet.device("freezer-1")).toEqual(before);
  expect(fleet.device("freezer-2").family).toBe("shelly");
});

test("an empty fleet is told from one that knows something", () => {
  expect(isEmptyFleet(fleetSchema.parse(undefined))).toBe(true);
  expect(fleetSchema.parse({})).toEqual(emptyFleet);
  expect(isEmptyFleet(document)).toBe(false);
});

test.each([
  [{ gateways: [{ match: [] }] }, "gateways.0.match"],
  [{ gateways: [{ match: ["a"], tags: ["x"] }] }, "gateways.0"],
  [{ devices: [{ match: ["a"], tags: Array(65).fill("x") }] }, "devices.0.tags"],
  [{ devices: [{ tags: ["x"] }] }, "devices.0.match"],
  [{ gateways: Array(1_001).fill({ match: ["a"] }) }, "gateways"],
])("%j is refused at %s", (given, path) => {
  expect(fleetSchema.safeParse(given).error?.issues.map((issue) => issue.path.join("."))).toContain(
    path,
  );
});

function selects(rule: object, gateway: string, device: string): boolean {
  const fleet = compileFleet(document);
  const [parsed] = rulesSchema.parse([{ name: "r", detector: "ewma", ...rule }]);
  if (parsed === undefined) throw new Error("no rule");
  const selector = ruleSelectorOf(parsed);
  const isGateway = selector.gateway(gateway, fleet.gateway(gateway));
  return isGateway && selector.device(device, fleet.device(device));
}

test.each<[object, string, string, boolean]>([
  [{}, "plant", "anything", true],
  [{ gateways: ["hall-*"] }, "hall-b", "x", true],
  [{ gateways: ["hall-*"] }, "plant", "x", false],
  [{ site: ["hall-a"] }, "hall-a-2", "x", true],
  [{ site: ["hall-a"] }, "hall-a-1", "x", false],
  [{ site: ["*"] }, "plant", "x", false],
  [{ site: ["!annex"] }, "plant", "x", true],
  [{ labels: { zone: ["cold"] } }, "hall-a-1", "x", true],
  [{ labels: { zone: ["cold"] } }, "hall-b", "x", false],
  [{ labels: { zone: ["*"] } }, "plant", "x", false],
  [{ labels: { zone: ["!cold"] } }, "plant", "x", true],
  [{ labels: { zone: ["!cold"] } }, "hall-a-1", "x", false],
  [{ labels: { zone: ["cold"], floor: ["2"] } }, "hall-a-1", "x", false],
  [{ labels: { constructor: ["*"] } }, "hall-a-1", "x", false],
  [{ tags: ["cold"] }, "plant", "freezer-2", true],
  [{ tags: ["cold", "first"] }, "plant", "freezer-2", false],
  [{ tags: ["cold", "first"] }, "plant", "freezer-1", true],
  [{ family: ["shelly*"] }, "plant", "freezer-2", true],
  [{ family: ["shelly*"] }, "plant", "pump", false],
  [{ family: ["!shelly"] }, "plant", "pump", true],
  [{ devices: ["!freezer-*"] }, "plant", "freezer-2", false],
])("%j and %s, %s: %s", (rule, gateway, device, expected) => {
  expect(selects(rule, gateway, device)).toBe(expected);
});

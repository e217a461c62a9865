// The goal: where rules stand is never a guess.
import { loadSettings } from "@causeway/shared/settings.ts";
import { expect, test } from "vitest";
import { cloudSchema } from "./config.ts";

function load(text: string, sets: readonly string[] = []) {
  return loadSettings(cloudSchema, { fileName: "cloud.yaml", text, environment: {}, sets });
}

test.each(["rules: []", "fleet: {}"])(
  "a file of rules and %s in one configuration is refused",
  (own) => {
    const [key = ""] = own.split(":");
    const cure = "move it to rules.yaml, or leave rulesFile out";
    expect(() => load(`rulesFile: rules.yaml\n${own}\n`)).toThrow(
      `CONFIG_INVALID: cloud.yaml:2:1 ${key}: stands in the file that rulesFile names: ${cure}`,
    );
    expect(load("rulesFile: rules.yaml").rulesFile).toBe("rules.yaml");
    expect(load(own).rulesFile).toBeUndefined();
  },
);

test("without rules there is one for every number; none are none", () => {
  expect(load("").rules).toMatchObject([{ name: "unusual" }]);
  expect(load("").fleet).toEqual({ gateways: [], devices: [] });
  expect(load("rules: []").rules).toEqual([]);
});

test("settings can be overridden, the rules as a whole", () => {
  const sets = ["rules=[]", "http.port=8090", "streams.replicas=3"];
  const { rules, http, streams } = load("rules: [{ name: hot, detector: limits, hi: 50 }]", sets);
  expect([rules, http.port, streams.replicas]).toEqual([[], 8_090, 3]);
  expect(() => load("", ["rulesfiles=a"])).toThrow(
    "CONFIG_INVALID: --set rulesfiles names no setting",
  );
});

/**
 * Goal: the default rules, and `ewma` where someone names it, find faults in recordings of real
 * machines without crying wolf. The recordings (Numenta Anomaly Benchmark, part `nab-dev`) lie
 * beside the checkout, not in it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { Observation } from "@causeway/shared/alert/observation.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { describe, expect, test } from "vitest";

const folder = join(import.meta.dirname, "../../../../shared/nab-dev");
const isThere = existsSync(join(folder, "windows.json"));
if (!isThere) process.stderr.write(`SKIPPED: calibration, for there is no ${folder}\n`);

interface Row {
  readonly timeMs: number;
  readonly value: number;
}

function timeOf(text: string): number {
  return Date.parse(`${text.slice(0, 19).replace(" ", "T")}Z`);
}

function rowsOf(name: string): Row[] {
  const [, ...lines] = gunzipSync(readFileSync(join(folder, `${name}.csv.gz`)))
    .toString()
    .trim()
    .split("\n");
  return lines.map((line) => {
    const [time = "", value] = line.split(",");
    return { timeMs: timeOf(time), value: Number(value) };
  });
}

function windowsOf(name: string): { from: number; to: number }[] {
  const windows = JSON.parse(readFileSync(join(folder, "windows.json"), "utf8"));
  return windows[`${name}.csv`].map(([from, to]: [string, string]) => ({
    from: timeOf(from),
    to: timeOf(to),
  }));
}

/** Undefined are the default rules. */
type RulesText = readonly object[] | undefined;

/** Event times of the firing transitions, in ms. */
function firings(rules: RulesText, rows: readonly Row[]): number[] {
  const alerting = createAlerting(compileRules(rulesSchema.parse(rules)));
  const [detection, alerts] = [alerting.detection("g"), alerting.alerts()];
  return rows.flatMap(({ timeMs, value }, index) => {
    const observation: Observation = {
      id: `g/e/telemetry/${index + 1}/0`,
      gateway: "g",
      device: "machine",
      metric: "value",
      value,
      unit: undefined,
      quality: "good",
      observedAt: timeMs,
      receivedAt: timeMs,
      late: false,
    };
    const verdicts = alerting.observe(detection, observation);
    const transitions = alerting.advance(alerts, verdicts, observation, detection);
    return transitions.filter(({ state }) => state === "firing").map(({ at }) => at);
  });
}

interface Outcome {
  readonly windows: number;
  readonly windowsFound: number;
  readonly inside: number;
  readonly outside: number;
}

function outcomeOf(rules: RulesText, name: string): Outcome {
  const windows = windowsOf(name);
  const fired = firings(rules, rowsOf(name));
  const isIn = (at: number) => windows.some(({ from, to }) => from <= at && at <= to);
  const inside = fired.filter(isIn).length;
  const windowsFound = windows.filter(({ from, to }) =>
    fired.some((at) => from <= at && at <= to),
  ).length;
  return { windows: windows.length, windowsFound, inside, outside: fired.length - inside };
}

describe.skipIf(!isThere)("the default rules over recordings", () => {
  test("find half of all windows, and cry wolf less than once in 80 days", () => {
    const names = Object.keys(JSON.parse(readFileSync(join(folder, "windows.json"), "utf8")));
    const outcomes = names.map((name) => outcomeOf(undefined, name.replace(/\.csv$/, "")));
    const total = (of: keyof Outcome) => outcomes.reduce((sum, outcome) => sum + outcome[of], 0);
    expect(total("windows")).toBe(69);
    expect(total("windowsFound")).toBeGreaterThanOrEqual(35);
    expect(total("outside")).toBeLessThanOrEqual(16); // in 1,412 days
  });

  test("find the failure of the machine without alerts elsewhere", () => {
    const outcome = outcomeOf(undefined, "realKnownCause/machine_temperature_system_failure");
    expect(outcome).toMatchObject({ windowsFound: 1, outside: 0 });
  });
});

describe.skipIf(!isThere)("ewma over recordings", () => {
  const ewma = [{ name: "unusual", detector: "ewma" }];

  test("finds the failure of the machine without alerts elsewhere", () => {
    const outcome = outcomeOf(ewma, "realKnownCause/machine_temperature_system_failure");
    expect(outcome.windows).toBe(4);
    expect(outcome.windowsFound).toBeGreaterThanOrEqual(2);
    expect(outcome.outside).toBeLessThanOrEqual(1);
  });

  test.each([
    "artificialNoAnomaly/art_daily_perfect_square_wave",
    "artificialNoAnomaly/art_noisy",
    "realAWSCloudwatch/ec2_cpu_utilization_c6585a",
    "realAWSCloudwatch/ec2_cpu_utilization_53ea38",
    "realKnownCause/ambient_temperature_system_failure",
  ])("raises nothing outside the labelled windows of %s", (name) => {
    expect(outcomeOf(ewma, name).outside).toBe(0);
  });

  test.each([
    "realKnownCause/ec2_request_latency_system_failure",
    "realAWSCloudwatch/ec2_cpu_utilization_825cc2",
    "realAWSCloudwatch/ec2_network_in_257a54",
  ])("finds something in %s", (name) => {
    expect(outcomeOf(ewma, name).windowsFound).toBeGreaterThanOrEqual(1);
  });
});

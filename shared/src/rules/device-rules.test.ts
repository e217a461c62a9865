/** Goal: what concerns a device as a whole, its unit or its silence is judged once, and survives. */
import { expect, test } from "vitest";
import { gaussian, seededRandom } from "../random.ts";
import type { GatewayDetection, NumericReading } from "./detection.ts";
import {
  decodeDetection,
  detect,
  detectSilence,
  emptyDetection,
  encodeDetection,
} from "./detection.ts";
import { rulesSchema } from "./rule.ts";
import { compileRules } from "./rule-set.ts";

const seriesMax = 100;
const compile = (rules: unknown) => compileRules(rulesSchema.parse(rules));
const together = compile([
  { name: "pump", detector: "mewma", warmUp: 200, reference: "frozen" },
  { name: "odd", detector: "cusum", warmUp: 100 },
]);

function reading(second: number, metric: string, value: number, unit?: string): NumericReading {
  const timeMs = second * 1_000;
  return { device: "d", metric, value, timeMs, receivedAt: timeMs, late: false, unit };
}

/** Pressure follows current; from `faultAt` on it falls behind by more than noise, within its range. */
function rows(count: number, faultAt: number): NumericReading[] {
  const random = seededRandom("pump");
  return Array.from({ length: count }, (_, second) => {
    const load = 10 + 2 * gaussian(random);
    const pressure = 3 * load + 0.3 * gaussian(random) - (second >= faultAt ? 2 : 0);
    return [reading(second, "current", load), reading(second, "pressure", pressure)];
  }).flat();
}

/** Of rule `name`, one for each reading. */
function kindsOf(
  detection: GatewayDetection,
  readings: readonly NumericReading[],
  ruleSet = together,
  name = "pump",
): string[] {
  return readings.map((one) => {
    const verdicts = detect(detection, ruleSet, seriesMax, one);
    return verdicts.find(({ rule }) => rule.name === name)?.verdict.kind ?? "";
  });
}

test("a device whose metrics no longer hang together is found at its last metric, once a row", () => {
  const kinds = kindsOf(emptyDetection(), rows(900, 600));
  const first = kinds.indexOf("anomalous");
  expect(first).toBeGreaterThanOrEqual(2 * 600);
  expect(first).toBeLessThan(2 * 640);
  expect(kinds.slice(first).filter((_, index) => index % 2 === 1)).not.toContain("anomalous");
  const alone = kindsOf(
    emptyDetection(),
    rows(900, 600),
    compile([{ name: "odd", detector: "range", warmUp: 200 }]),
    "odd",
  );
  expect(alone).not.toContain("anomalous");
});

test("the state of a device is stored once, and all its series go on with it", () => {
  const readings = rows(700, 450);
  const whole = kindsOf(emptyDetection(), readings);
  for (const stored of [1, 2, 401, 800, 1_000]) {
    const detection = emptyDetection();
    kindsOf(detection, readings.slice(0, stored));
    const text = encodeDetection(detection);
    expect(text.split("mewma1:").length - 1).toBe(1);
    const restored = decodeDetection(text, together);
    expect(kindsOf(restored, readings.slice(stored))).toEqual(whole.slice(stored));
    expect(encodeDetection(decodeDetection(text, together))).toBe(text);
  }
});

test("a series begins anew when its unit changes (T3), and its device with it (T4)", () => {
  const random = seededRandom("unit");
  const detection = emptyDetection();
  const celsius = Array.from({ length: 300 }, (_, second) =>
    reading(second, "t", 20 + gaussian(random), "Cel"),
  );
  const ruleSet = compile([
    { name: "odd", detector: "range", warmUp: 50 },
    { name: "pump", detector: "hotelling", warmUp: 50 },
  ]);
  expect(kindsOf(detection, celsius, ruleSet, "odd").at(-1)).toBe("normal");
  const untold = reading(300, "t", 20);
  expect(kindsOf(detection, [untold], ruleSet, "odd")).toEqual(["normal"]);
  const late = { ...reading(100, "t", 68, "[degF]"), late: true };
  kindsOf(detection, [late], ruleSet, "odd");
  expect(kindsOf(detection, [reading(301, "t", 20, "Cel")], ruleSet, "odd")).toEqual(["normal"]);
  const restored = decodeDetection(encodeDetection(detection), ruleSet);
  for (const name of ["odd", "pump"]) {
    const fahrenheit = reading(302, "t", 68, "[degF]");
    expect(
      kindsOf(decodeDetection(encodeDetection(restored), ruleSet), [fahrenheit], ruleSet, name),
    ).toEqual(["unknown"]);
  }
});

test("silence is judged by the moment the gateway had the last reading", () => {
  const ruleSet = compile([{ name: "silent", detector: "absence", after: "1m" }]);
  const detection = emptyDetection();
  kindsOf(detection, [reading(0, "t", 1), reading(50, "p", 1)], ruleSet);
  expect(detectSilence(detection, 60_000)).toEqual([]);
  const [silent, ...others] = detectSilence(detection, 61_000);
  expect(others).toEqual([]);
  expect(silent).toMatchObject({ device: "d", metric: "t" });
  expect(silent?.verdicts[0]?.verdict.kind).toBe("anomalous");
});

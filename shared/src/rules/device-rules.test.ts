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
  noteGatewayTime,
} from "./detection.ts";
import { rulesSchema } from "./rule.ts";
import { compileRules } from "./rule-set.ts";

const seriesMax = 100;
const compile = (rules: unknown) => compileRules(rulesSchema.parse(rules)).of("g");
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
  name = "pump",
): string[] {
  return readings.map((one) => {
    const verdicts = detect(detection, seriesMax, one);
    return verdicts.find(({ rule }) => rule.name === name)?.verdict.kind ?? "";
  });
}

test("a device whose metrics no longer hang together is found at its last metric, once a row", () => {
  const kinds = kindsOf(emptyDetection(together), rows(900, 600));
  const first = kinds.indexOf("anomalous");
  expect(first).toBeGreaterThanOrEqual(2 * 600);
  expect(first).toBeLessThan(2 * 640);
  expect(kinds.slice(first).filter((_, index) => index % 2 === 1)).not.toContain("anomalous");
  const alone = kindsOf(
    emptyDetection(compile([{ name: "odd", detector: "range", warmUp: 200 }])),
    rows(900, 600),
    "odd",
  );
  expect(alone).not.toContain("anomalous");
});

test("the state of a device is stored once, and all its series go on with it", () => {
  const readings = rows(700, 450);
  const whole = kindsOf(emptyDetection(together), readings);
  for (const stored of [1, 2, 401, 800, 1_000]) {
    const detection = emptyDetection(together);
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
  const celsius = Array.from({ length: 300 }, (_, second) =>
    reading(second, "t", 20 + gaussian(random), "Cel"),
  );
  const ruleSet = compile([
    { name: "odd", detector: "range", warmUp: 50 },
    { name: "pump", detector: "hotelling", warmUp: 50 },
  ]);
  const detection = emptyDetection(ruleSet);
  expect(kindsOf(detection, celsius, "odd").at(-1)).toBe("normal");
  const untold = reading(300, "t", 20);
  expect(kindsOf(detection, [untold], "odd")).toEqual(["normal"]);
  const late = { ...reading(100, "t", 68, "[degF]"), late: true };
  kindsOf(detection, [late], "odd");
  expect(kindsOf(detection, [reading(301, "t", 20, "Cel")], "odd")).toEqual(["normal"]);
  const restored = decodeDetection(encodeDetection(detection), ruleSet);
  for (const name of ["odd", "pump"]) {
    const fahrenheit = reading(302, "t", 68, "[degF]");
    const again = decodeDetection(encodeDetection(restored), ruleSet);
    expect(kindsOf(again, [fahrenheit], name)).toEqual(["unknown"]);
  }
});

test("silence is judged by what the gateway had, up to the gateway's own time (T5)", () => {
  const ruleSet = compile([{ name: "silent", detector: "absence", after: "1m" }]);
  const detection = emptyDetection(ruleSet);
  kindsOf(detection, [reading(0, "t", 1), reading(50, "p", 1)]);
  expect(detectSilence(detection)).toEqual([]); // nothing is known of the gateway's time
  noteGatewayTime(detection, "1-a", 60_000);
  expect(detectSilence(detection)).toEqual([]);
  noteGatewayTime(detection, "1-a", 61_000);
  noteGatewayTime(detection, "1-a", 30_000);
  const restored = decodeDetection(encodeDetection(detection), ruleSet);
  for (const one of [detection, restored]) {
    expect(detectSilence(one)).toMatchObject([
      { place: { device: "d", metric: "t" }, at: 61_000, verdict: { kind: "anomalous" } },
    ]);
  }
  noteGatewayTime(detection, "2-b", 30_000); // the clock of the epoch before was wrong
  expect(detectSilence(detection)).toEqual([]);
  kindsOf(detection, [reading(20, "p", 1)]);
  noteGatewayTime(detection, "2-b", 85_000);
  const silent = detectSilence(detection).map(({ place }) => place?.metric);
  expect(silent).toEqual(["t", "p"]);
});

/** Goal: detection is bounded, survives storage, and lets no late reading disturb live ones. */
import { describe, expect, test } from "vitest";
import { gaussian, seededRandom } from "../random.ts";
import type { GatewayDetection, NumericReading } from "./detection.ts";
import { decodeDetection, detect, emptyDetection, encodeDetection } from "./detection.ts";
import { rulesSchema } from "./rule.ts";
import { compileRules } from "./rule-set.ts";

const seriesMax = 100;
const compile = (rules: unknown) => compileRules(rulesSchema.parse(rules)).of("g");
const defaults = compile(undefined);

function reading(second: number, value: number, more: Partial<NumericReading> = {}) {
  const timeMs = second * 1_000;
  const receivedAt = timeMs + 50;
  return { device: "d", metric: "t", value, timeMs, receivedAt, late: false, ...more };
}

function kindsOf(detection: GatewayDetection, readings: readonly NumericReading[]): string[] {
  return readings.flatMap((one) =>
    detect(detection, seriesMax, one).map(({ verdict }) => verdict.kind),
  );
}

/** Noise of 0.3 about `level`, one reading a second. */
function noise(from: number, count: number, level = 20, more: Partial<NumericReading> = {}) {
  const random = seededRandom(`noise ${from} ${level}`);
  return Array.from({ length: count }, (_, index) =>
    reading(from + index, level + 0.3 * gaussian(random), more),
  );
}

test("each rule that selects the series gives its verdict, in their order", () => {
  const ruleSet = compile([
    { name: "hot", detector: "limits", hi: 80 },
    { name: "odd", detector: "ewma" },
  ]);
  const verdicts = detect(emptyDetection(ruleSet), seriesMax, reading(0, 81));
  expect(verdicts.map(({ rule, verdict }) => [rule.name, verdict.kind])).toEqual([
    ["hot", "anomalous"],
    ["odd", "unknown"],
  ]);
});

test("a series that no rule selects takes no place", () => {
  const detection = emptyDetection(defaults);
  expect(kindsOf(detection, [reading(0, 1, { metric: "seq" })])).toEqual([]);
  expect(detection.series.size).toBe(0);
});

test("normal verdicts are shared between readings", () => {
  const detection = emptyDetection(defaults);
  kindsOf(detection, noise(0, 100));
  const [one, two] = noise(100, 2).map((next) => detect(detection, seriesMax, next));
  expect(one?.[0]?.verdict.kind).toBe("normal");
  expect(one).toBe(two);
});

test("beyond the bound a new series is not detected on but counted, and old ones go on (T1)", () => {
  const detection = emptyDetection(defaults);
  for (let device = 0; device < 2 * seriesMax; device++) {
    kindsOf(detection, [reading(0, 1, { device: `device-${device}` })]);
  }
  expect(detection.series.size).toBe(seriesMax);
  expect(detection.readingsBeyond).toBe(seriesMax);
  expect(kindsOf(detection, [reading(1, 1, { device: "device-0" })])).toEqual(["unknown"]);
});

describe("stored and restored", () => {
  test.each([0, 30, 61, 150, 330])(
    "after %i readings it goes on as if it had not been",
    (stored) => {
      const readings = [...noise(0, 200), ...noise(200, 30, 38), ...noise(230, 200)];
      const whole = kindsOf(emptyDetection(defaults), readings);
      const detection = emptyDetection(defaults);
      kindsOf(detection, readings.slice(0, stored));
      const restored = decodeDetection(encodeDetection(detection), defaults);
      expect(kindsOf(restored, readings.slice(stored))).toEqual(whole.slice(stored));
    },
  );

  test("a past and the readings beyond the bound are restored too", () => {
    const detection = emptyDetection(defaults);
    detection.readingsBeyond = 7;
    kindsOf(detection, [...noise(0, 100), ...noise(1_000, 10)]);
    kindsOf(detection, noise(100, 10, 20, { late: true }));
    const text = encodeDetection(detection);
    expect(encodeDetection(decodeDetection(text, defaults))).toBe(text);
  });

  test("a rule that detects otherwise now begins anew, the others go on", () => {
    const rules = (limit: number) =>
      compile([
        { name: "a", detector: "ewma" },
        { name: "b", detector: "ewma", limit },
      ]);
    const detection = emptyDetection(rules(4));
    kindsOf(detection, noise(0, 100));
    const restored = decodeDetection(encodeDetection(detection), rules(5));
    expect(kindsOf(restored, noise(100, 1))).toEqual(["normal", "unknown"]);
  });

  test("unknown fields are skipped, another version is refused", () => {
    const detection = emptyDetection(defaults);
    kindsOf(detection, noise(0, 3));
    const json = JSON.parse(encodeDetection(detection));
    json.more = 1;
    json.series[0].push(null, null, "more");
    expect(decodeDetection(JSON.stringify(json), defaults).series.size).toBe(1);
    expect(() => decodeDetection(JSON.stringify({ ...json, v: 2 }), defaults)).toThrow(
      "BATCH_VERSION_UNKNOWN: detection state of version 2",
    );
    expect(() => decodeDetection("{", defaults)).toThrow("BATCH_MALFORMED");
  });
});

describe("late readings (T2)", () => {
  const late = { late: true };

  test("from another level disturb no live ones and are judged by what was usual then", () => {
    const detection = emptyDetection(defaults);
    kindsOf(detection, noise(0, 500));
    kindsOf(detection, noise(50_000, 20));
    for (let batch = 0; batch < 20; batch++) {
      const past = noise(500 + 50 * batch, 50, 20.4, late);
      expect(new Set(kindsOf(detection, past))).toEqual(new Set(["normal"]));
      expect(kindsOf(detection, noise(50_020 + batch, 1))).toEqual(["normal"]);
    }
    expect(kindsOf(detection, noise(1_500, 5, 38, late))).toContain("anomalous");
    expect(kindsOf(detection, noise(50_100, 5))).not.toContain("anomalous");
  });

  test("are judged by how fast they change, though what is fresh was there before them", () => {
    const detection = emptyDetection(compile([{ name: "fast", detector: "rate", rise: 5 }]));
    kindsOf(detection, [...noise(0, 30), ...noise(1_000, 30)]);
    const climb = Array.from({ length: 60 }, (_, second) => reading(300 + second, second, late));
    expect(kindsOf(detection, climb)).toContain("anomalous");
    expect(kindsOf(detection, noise(1_030, 30))).not.toContain("anomalous");
  });

  test("of a later outage begin from what was usual by then", () => {
    const detection = emptyDetection(defaults);
    kindsOf(detection, [...noise(0, 200), ...noise(1_000, 200), ...noise(500, 100, 20, late)]);
    kindsOf(detection, [...noise(1_200, 3_000, 60), ...noise(9_000, 5, 60)]);
    expect(kindsOf(detection, noise(5_000, 100, 60, late))).not.toContain("anomalous");
  });

  test("that are newer than all that was seen of the series are as good as live ones", () => {
    const detection = emptyDetection(defaults);
    kindsOf(detection, noise(0, 200, 20, late));
    expect(kindsOf(detection, noise(200, 2))).toEqual(["normal", "normal"]);
  });
});

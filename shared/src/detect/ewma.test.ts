/**
 * Goal: a fault that anyone would see is found within a few readings, and what is merely lively,
 * slow, coarse or new is left in peace.
 */
import { describe, expect, test } from "vitest";
import type { Random } from "../random.ts";
import { gaussian, seededRandom } from "../random.ts";
import { detectorContract } from "./detector.contract.ts";
import type { Detector } from "./detector.ts";
import type { EwmaSettings, EwmaState } from "./ewma.ts";
import { ewmaDetector } from "./ewma.ts";

const settings: EwmaSettings = { limit: 3.1, memory: 100, warmUp: 60 };
const daySeconds = 86_400;

describe("contract", () => detectorContract(() => ewmaDetector(settings)));

/** A series at one reading a second. */
type Signal = (second: number) => number;

interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** The stretches of anomalous readings; `to` is the first reading after. */
function anomalies(signal: Signal, seconds: number, detector = ewmaDetector(settings)): Stretch[] {
  const state = detector.initial();
  const found: Stretch[] = [];
  let from: number | undefined;
  for (let second = 0; second < seconds; second++) {
    const isAnomalous = detector.observe(state, signal(second), 0).kind === "anomalous";
    if (isAnomalous) from ??= second;
    else if (from !== undefined) {
      found.push({ from, to: second });
      from = undefined;
    }
  }
  return from === undefined ? found : [...found, { from, to: seconds }];
}

function dailyTemperature(random: Random): Signal {
  const phase = random.next();
  return (second) =>
    20 + 5 * Math.sin(2 * Math.PI * (second / daySeconds + phase)) + 0.3 * gaussian(random);
}

function room(random: Random): Signal {
  let air = 0;
  return (second) => {
    air = 0.9967 * air + 0.02 * gaussian(random);
    const daily = 1.5 * Math.sin((2 * Math.PI * second) / daySeconds);
    return Math.round((21 + daily + air + 0.03 * gaussian(random)) * 100) / 100;
  };
}

const clean: readonly [name: string, days: number, make: (random: Random) => Signal][] = [
  ["stationary noise", 15, (random) => () => 50 + gaussian(random)],
  ["noise about zero", 15, (random) => () => 0.2 * gaussian(random)],
  ["a daily cycle with noise", 10, dailyTemperature],
  ["a room whose air drifts", 10, room],
  ["skewed noise", 3, (random) => () => Math.exp(0.5 * gaussian(random))],
  ["an energy counter", 3, energyCounter],
  ["a count of pulses", 3, () => (second) => second],
  ["a value in coarse steps", 3, coarse],
  ["a door that opens now and then", 3, door],
  ["a saw tooth between two set points", 3, sawTooth],
  ["a constant", 1, () => () => 21],
];

function energyCounter(random: Random): Signal {
  let kwh = 1_000;
  return (second) => {
    kwh += (500 + 300 * Math.sin((2 * Math.PI * second) / daySeconds) + 50 * random.next()) / 3.6e6;
    return Math.round(kwh * 1_000) / 1_000;
  };
}

function coarse(random: Random): Signal {
  return (second) => {
    const daily = 2 * Math.sin((2 * Math.PI * second) / daySeconds);
    return Math.round((20 + daily + 0.1 * gaussian(random)) * 2) / 2;
  };
}

function door(random: Random): Signal {
  let open = 0;
  return () => {
    if (random.next() < 0.0003) open = 1 - open;
    return open;
  };
}

function sawTooth(random: Random): Signal {
  let [temperature, heating] = [20, false];
  return () => {
    temperature += heating ? 0.004 : -0.002;
    if (temperature > 21) heating = false;
    if (temperature < 19) heating = true;
    return temperature + 0.05 * gaussian(random);
  };
}

test.each(clean)("%s raises nothing in %i days at one reading a second", (name, days, make) => {
  for (let day = 0; day < days; day++) {
    expect(anomalies(make(seededRandom(`${name} ${day}`)), daySeconds)).toEqual([]);
  }
});

/** `signal`, changed for `length` seconds from `at` on and every `every` seconds after. */
function faulty(
  signal: Signal,
  fault: { at: number; length: number; every?: number },
  change: Signal,
): Signal {
  return (second) => {
    const since = second - fault.at;
    const value = signal(second);
    const isFaulty = since >= 0 && since % (fault.every ?? Infinity) < fault.length;
    return isFaulty ? change(value) : value;
  };
}

const faults: readonly [string, (random: Random) => Signal, Signal, number][] = [
  ["a jump by 15 over noise of 0.3", dailyTemperature, (value) => value + 15, 4],
  ["a drop by 20 over noise of 0.3", dailyTemperature, (value) => value - 20, 4],
  ["vibration five times as strong", (random) => () => 2 + 0.3 * gaussian(random), (v) => v * 5, 4],
  ["noise about zero six times as wide", (random) => () => gaussian(random), (v) => v * 6, 25],
];

test.each(faults)("%s is found in time and ends with the fault", (name, make, change, delay) => {
  for (let device = 0; device < 10; device++) {
    const fault = { at: 1_500, length: 40 };
    const signal = faulty(make(seededRandom(`${name} ${device}`)), fault, change);
    const [found, ...others] = anomalies(signal, 3_000);
    expect(others).toEqual([]);
    expect(found?.from).toBeGreaterThanOrEqual(fault.at);
    expect(found?.from).toBeLessThanOrEqual(fault.at + delay);
    expect(found?.to).toBeLessThanOrEqual(fault.at + fault.length + 40);
  }
});

test("a fault soon after the warm-up is found, and so is the same fault every four minutes", () => {
  for (let device = 0; device < 5; device++) {
    const fault = { at: 75, length: 45, every: 240 };
    const signal = faulty(room(seededRandom(`repeated ${device}`)), fault, (value) => value + 18);
    expect(anomalies(signal, 4 * 3_600)).toHaveLength(60);
  }
});

test("one wild reading is not enough, and not two; three are", () => {
  const random = seededRandom("wild");
  const noise: Signal = () => 20 + 0.3 * gaussian(random);
  const wild = (length: number) => faulty(noise, { at: 1_000, length }, (value) => value + 1e6);
  expect(anomalies(wild(1), 2_000)).toEqual([]);
  expect(anomalies(wild(2), 2_000)).toEqual([]);
  expect(anomalies(wild(3), 2_000)).toHaveLength(1);
});

test.each([2, 5, 50, 1e6])("a level that stays by %d spreads is learned in time", (spreads) => {
  const random = seededRandom(`level ${spreads}`);
  const noise: Signal = () => 20 + 0.3 * gaussian(random);
  const signal = faulty(noise, { at: 2_000, length: Infinity }, (value) => value + 0.3 * spreads);
  const found = anomalies(signal, 8_000);
  expect(found.length).toBeLessThanOrEqual(1);
  expect(found[0]?.to ?? 0).toBeLessThan(2_500);
});

test("a machine that switches is an alarm at first and usual before long", () => {
  const random = seededRandom("switching");
  const signal: Signal = (second) => 400 + 8 * gaussian(random) + (second % 600 < 420 ? 0 : 900);
  const found = anomalies(signal, daySeconds);
  expect(found.length).toBeGreaterThan(0);
  expect(found.length).toBeLessThanOrEqual(5);
  expect(found.at(-1)?.to ?? Infinity).toBeLessThan(2 * 3_600);
});

test("a series that stood still for long may move a little again", () => {
  const random = seededRandom("stuck");
  const lively: Signal = () => 20 + 0.01 * gaussian(random);
  const signal: Signal = (second) =>
    second < 500 ? lively(second) : second < 60_000 ? 20 : 20 + 0.02 * (second % 2);
  expect(anomalies(signal, 61_000)).toEqual([]);
});

describe("the first answers", () => {
  function kindsOf(detector: Detector<EwmaState>, values: readonly number[]): string[] {
    const state = detector.initial();
    return values.map((value) => detector.observe(state, value, 0).kind);
  }

  test("none before the warm-up is over", () => {
    const random = seededRandom("first");
    const kinds = kindsOf(ewmaDetector({ ...settings, warmUp: 80 }), [
      ...Array.from({ length: 100 }, () => gaussian(random)),
    ]);
    expect(kinds.indexOf("normal")).toBe(80);
  });

  test("none while the series has hardly changed: it has no spread to be measured by", () => {
    const steps = Array.from({ length: 2_000 }, (_, index) => (index === 1_000 ? 35 : 21));
    expect(new Set(kindsOf(ewmaDetector(settings), steps))).toEqual(new Set(["unknown"]));
  });
});

test("the reason names the value and what is usual", () => {
  const detector = ewmaDetector(settings);
  const state = detector.initial();
  const random = seededRandom("reason");
  for (let second = 0; second < 5_000; second++) {
    detector.observe(state, 20 + 0.3 * gaussian(random), 0);
  }
  for (let second = 0; second < 5; second++) detector.observe(state, 36.25, 0);
  const verdict = detector.observe(state, 36.25, 0);
  expect(verdict.kind === "anomalous" && verdict.reason).toMatch(
    /^36\.25 is [0-9.]+ spreads above the usual 20[0-9.]* ± 0\.[0-9]+$/,
  );
  expect(verdict.kind === "anomalous" && verdict.score).toBeGreaterThan(0.9);
});

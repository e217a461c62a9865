/**
 * Goal: what anyone would see is found without a single setting, on any scale; what is merely
 * lively, slow, coarse or new is left in peace; and the sentence says why.
 */
import { describe, expect, test } from "vitest";
import type { Random } from "../random.ts";
import { gaussian, seededRandom } from "../random.ts";
import type { AutoSettings } from "./auto.ts";
import { autoDetector } from "./auto.ts";

const settings: AutoSettings = {
  ...{ limit: 0.08, frozenLimit: 1.6, hold: 60 },
  ...{ warmUp: 100, reference: "adaptive" },
};
const minuteMs = 60_000;
const day = 1_440;

/** By the minute since the start; UTC midnight is 0. */
type Signal = (minute: number) => number;

interface Found {
  readonly minute: number;
  readonly reason: string;
}

/** The readings at which an alert would begin. */
function alerts(signal: Signal, minutes: number, given = settings): Found[] {
  const detector = autoDetector(given);
  const state = detector.initial();
  const found: Found[] = [];
  let isOn = false;
  for (let minute = 0; minute < minutes; minute++) {
    const verdict = detector.observe(state, signal(minute), minute * minuteMs);
    if (verdict.kind === "anomalous" && !isOn) found.push({ minute, reason: verdict.reason });
    isOn = verdict.kind === "anomalous";
  }
  return found;
}

const wave = (minute: number) => Math.sin((2 * Math.PI * minute) / day);

const clean: readonly [name: string, make: (random: Random) => Signal][] = [
  ["stationary noise", (random) => () => 50 + gaussian(random)],
  ["noise about zero", (random) => () => 0.2 * gaussian(random)],
  ["a daily cycle", (random) => (minute) => 20 + 5 * wave(minute) + 0.3 * gaussian(random)],
  ["coarse steps", (random) => (m) => Math.round((20 + 2 * wave(m) + 0.1 * gaussian(random)) * 2)],
  ["a count of pulses", () => (minute) => minute],
  ["an energy counter", energyCounter],
  ["a door", door],
  ["a saw tooth", sawTooth],
  ["a constant", () => () => 21],
  [
    "a perfect square wave",
    () => (minute) => (minute % day >= 540 && minute % day < 1_020 ? 80 : 20),
  ],
];

function energyCounter(random: Random): Signal {
  let kwh = 1_000;
  return (minute) => {
    kwh += (500 + 300 * wave(minute) + 50 * random.next()) / 60_000;
    return Math.round(kwh * 1_000) / 1_000;
  };
}

function door(random: Random): Signal {
  let open = 0;
  return () => {
    if (random.next() < 0.02) open = 1 - open;
    return open;
  };
}

function sawTooth(random: Random): Signal {
  let [temperature, heating] = [20, false];
  return () => {
    temperature += heating ? 0.24 : -0.12;
    if (temperature > 21) heating = false;
    if (temperature < 19) heating = true;
    return temperature + 0.05 * gaussian(random);
  };
}

test("over a mixed fleet of 40 clean devices there is at most one alert in 30 device-days", () => {
  const devices = 4;
  const days = 15;
  const found = clean.flatMap(([name, make]) =>
    Array.from({ length: devices }, (_, device) => {
      return alerts(make(seededRandom(`${name} ${device}`)), days * day).length;
    }),
  );
  const total = found.reduce((sum, count) => sum + count, 0);
  expect(total).toBeLessThanOrEqual((clean.length * devices * days) / 30);
});

interface Fault {
  readonly name: string;
  readonly change: (value: number, since: number) => number;
  readonly delayMax: number;
  readonly reason: RegExp;
}

const faults: readonly Fault[] = [
  {
    name: "a spike",
    change: (value, since) => value + (since === 0 ? 12 : 0),
    delayMax: 0,
    reason: /^[0-9.]+ is [0-9.]+ above anything before; typical [0-9.]+ to [0-9.]+$/,
  },
  {
    name: "a jump that stays",
    change: (value) => value + 12,
    delayMax: 2,
    reason: /above anything before/,
  },
  {
    name: "a drop to nothing",
    change: () => 0,
    delayMax: 0,
    reason: /^0 is [0-9.]+ below anything before; typical/,
  },
  {
    name: "a climb by 12 an hour",
    change: (value, since) => value + since / 5,
    delayMax: 3 * 60,
    reason: /typical [0-9.]+ to [0-9.]+$/,
  },
  {
    name: "a value that is stuck",
    change: () => 24.8,
    delayMax: 70,
    reason: /^stuck: exactly 24\.8 for 6[0-9] readings, at most [0-9]+ before$/,
  },
];

describe("in a daily cycle of ±5 with noise of 0.3, after ten days", () => {
  const begin = 10 * day + 300;
  test.each(faults)("$name is found, and told in words", ({ name, change, delayMax, reason }) => {
    for (let device = 0; device < 5; device++) {
      const random = seededRandom(`${name} ${device}`);
      const signal: Signal = (minute) => {
        const value = 20 + 5 * wave(minute) + 0.3 * gaussian(random);
        return minute < begin ? value : change(value, minute - begin);
      };
      const [first] = alerts(signal, begin + delayMax + 1);
      expect(first?.minute ?? Infinity).toBeGreaterThanOrEqual(begin);
      expect(first?.reason).toMatch(reason);
    }
  });
});

test("a work day on which nothing happens is unusual at that hour", () => {
  for (let device = 0; device < 5; device++) {
    const random = seededRandom(`holiday ${device}`);
    const signal: Signal = (minute) => {
      const isShift = minute % day >= 480 && minute % day < 1_020 && minute < 14 * day;
      return 20 + (isShift ? 10 : 0) + 0.3 * gaussian(random);
    };
    const found = alerts(signal, 15 * day);
    const [last] = found.slice(-1);
    expect(last?.minute).toBeGreaterThanOrEqual(14 * day + 480);
    expect(last?.minute).toBeLessThan(14 * day + 600);
    expect(last?.reason).toMatch(/what is usual at this hour/);
  }
});

test.each([1e-6, 1, 1e9])("the scale of the numbers makes no difference: times %d", (scale) => {
  const verdictsOf = (factor: number) => {
    const random = seededRandom("scale");
    const signal: Signal = (minute) => {
      return factor * (20 + 5 * wave(minute) + gaussian(random) + (minute === 5_000 ? 30 : 0));
    };
    return alerts(signal, 6_000).map(({ minute }) => minute);
  };
  expect(verdictsOf(scale)).toEqual([5_000]);
});

test("a counter that begins anew is left in peace, one that leaps is not", () => {
  const random = seededRandom("counter");
  let count = 500;
  const signal: Signal = (minute) => {
    if (minute === 3_000) count = 0;
    count += minute === 6_000 ? 900 : 2 + 6 * random.next();
    return count;
  };
  expect(alerts(signal, 7_000).map(({ minute }) => minute)).toEqual([6_000]);
});

test("a frozen reference calls a fault that stays anomalous until it ends", () => {
  const random = seededRandom("frozen");
  const frozen: AutoSettings = { ...settings, warmUp: 400, reference: "frozen" };
  const detector = autoDetector(frozen);
  const state = detector.initial();
  const kinds: string[] = [];
  for (let minute = 0; minute < 4_000; minute++) {
    const isFault = minute >= 1_000 && minute < 3_000;
    const value = 50 + gaussian(random) + (isFault ? 8 : 0);
    kinds.push(detector.observe(state, value, minute * minuteMs).kind);
  }
  expect(kinds.indexOf("anomalous")).toBeGreaterThanOrEqual(1_000);
  expect(new Set(kinds.slice(1_060, 3_000))).toEqual(new Set(["anomalous"]));
  expect(new Set(kinds.slice(3_060))).toEqual(new Set(["normal"]));
});

test("the first step of a young series without any noise is no fault: nothing says how rare it is", () => {
  expect(alerts((minute) => (minute < 120 ? 20 : 80), 500)).toEqual([]);
});

test("a climb in small steps is found, though each step alone is nothing", () => {
  for (let device = 0; device < 5; device++) {
    const random = seededRandom(`climb ${device}`);
    const begin = 5 * day;
    const signal: Signal = (minute) => 50 + gaussian(random) + Math.max(0, minute - begin) / 12;
    const [first] = alerts(signal, begin + 180);
    expect(first?.minute).toBeGreaterThan(begin);
    expect(first?.minute).toBeLessThan(begin + 120);
  }
});

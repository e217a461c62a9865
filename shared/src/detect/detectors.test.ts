/**
 * Goal: every detector keeps the contract; each finds the fault it is for, soon, and leaves the same
 * signal in peace while it is sound.
 */
import { describe, expect, test } from "vitest";
import type { Random } from "../random.ts";
import { gaussian, seededRandom } from "../random.ts";
import { detectorContract } from "./detector.contract.ts";
import type { DetectorSettings } from "./detectors.ts";
import { createDetector } from "./detectors.ts";

const minuteMs = 60_000;
const day = 1_440;

const learns = { warmUp: 100, reference: "adaptive" } as const;
const rate = { detector: "rate", rise: 5, fall: 5, per: minuteMs, over: 10_000 } as const;
const flat = { detector: "flat", after: 30 * minuteMs, tolerance: 0 } as const;
const seasons = { detector: "holt-winters", limit: 8, memory: 3 * 86_400_000 } as const;
const cusum = { detector: "cusum", limit: 12, slack: 0.5, memory: 2_000 } as const;
const hinkley = { detector: "page-hinkley", limit: 30, slack: 0.25 } as const;
const spot = { detector: "spot", risk: 1e-6, memory: 20_000 } as const;
const dspot = { detector: "dspot", risk: 1e-6, memory: 20_000, drift: 20 } as const;
const range = { detector: "range", limit: 0.3 } as const;

const auto = { detector: "auto", limit: 0.08, frozenLimit: 1.6, hold: 60 } as const;

const all: readonly DetectorSettings[] = [
  rate,
  flat,
  { detector: "absence", after: minuteMs },
  { ...seasons, ...learns },
  { ...cusum, ...learns },
  { ...cusum, ...learns, reference: "frozen" },
  { ...cusum, ...learns, reference: "slow", hold: 50 },
  { ...hinkley, ...learns },
  { ...spot, ...learns },
  { ...dspot, ...learns },
  { ...dspot, ...learns, counter: true },
  { ...range, ...learns },
  { ...auto, ...learns },
  { ...auto, ...learns, reference: "slow" },
  { ...auto, ...learns, reference: "frozen" },
];

describe.each(all)("%j", (settings) => detectorContract(() => createDetector(settings)));

/** By the minute since the start; UTC midnight is 0. */
type Signal = (minute: number) => number;

/** Minutes of the anomalous readings. */
function found(settings: DetectorSettings, signal: Signal, minutes: number): number[] {
  const detector = createDetector(settings);
  const state = detector.initial();
  return Array.from({ length: minutes }, (_, minute) => minute).filter(
    (minute) => detector.observe(state, signal(minute), minute * minuteMs).kind === "anomalous",
  );
}

function steady(random: Random): Signal {
  return () => 50 + gaussian(random);
}

function daily(random: Random): Signal {
  return (minute) => {
    const isShift = minute % day >= 8 * 60 && minute % day < 17 * 60;
    return 20 + (isShift ? 10 : 0) + 0.5 * gaussian(random);
  };
}

interface Case {
  readonly name: string;
  readonly settings: DetectorSettings;
  readonly sound: (random: Random) => Signal;
  readonly fault: (value: number, sinceMinutes: number) => number;
  readonly delayMax: number;
  /** In readings. */
  readonly soundMinutes: number;
}

const cases: readonly Case[] = [
  {
    name: "a climb of 6 a minute is too fast for rate",
    settings: { ...rate, over: 5 * minuteMs },
    sound: steady,
    fault: (value, since) => value + 6 * since,
    delayMax: 15,
    soundMinutes: 5_000,
  },
  {
    name: "a stuck value is flat",
    settings: flat,
    sound: steady,
    fault: () => 50,
    delayMax: 31,
    soundMinutes: 5_000,
  },
  {
    name: "the peak of a work day that does not come is unusual at that hour",
    settings: { ...seasons, ...learns, warmUp: 3 * day },
    sound: daily,
    fault: () => 20,
    delayMax: 5,
    soundMinutes: 14 * day + 10 * 60,
  },
  {
    name: "a shift by one and a half deviations is summed up by CUSUM",
    settings: { ...cusum, ...learns, warmUp: 1_000 },
    sound: steady,
    fault: (value) => value + 1.5,
    delayMax: 35,
    soundMinutes: 5_000,
  },
  {
    name: "a drop by two deviations is a change point for Page-Hinkley",
    settings: { ...hinkley, ...learns },
    sound: steady,
    fault: (value) => value - 2,
    delayMax: 40,
    soundMinutes: 5_000,
  },
  {
    name: "a spike of nine deviations is too rare for SPOT",
    settings: { ...spot, ...learns, warmUp: 1_000 },
    sound: steady,
    fault: (value) => value + 9,
    delayMax: 3,
    soundMinutes: 10_000,
  },
  {
    name: "a dip out of a level that drifts is too rare for DSPOT",
    settings: { ...dspot, ...learns, warmUp: 1_000 },
    sound: (random) => (minute) => 50 + minute / 50 + gaussian(random),
    fault: (value) => value - 12,
    delayMax: 3,
    soundMinutes: 10_000,
  },
  {
    name: "a value far beyond everything so far is new to range",
    settings: { ...range, ...learns },
    sound: steady,
    fault: (value) => value + 12,
    delayMax: 3,
    soundMinutes: 10_000,
  },
];

test.each(cases)("$name, and nothing before it", ({ settings, ...given }) => {
  for (let device = 0; device < 5; device++) {
    const { sound, fault, delayMax, soundMinutes } = given;
    const signal = sound(seededRandom(`${given.name} ${device}`));
    const broken: Signal = (minute) => {
      const value = signal(minute);
      return minute < soundMinutes ? value : fault(value, minute - soundMinutes);
    };
    const [first = Infinity] = found(settings, broken, soundMinutes + 60);
    expect(first).toBeGreaterThanOrEqual(soundMinutes);
    expect(first).toBeLessThanOrEqual(soundMinutes + delayMax);
  }
});

describe("the reference", () => {
  const shifted = (seed: string): Signal => {
    const signal = steady(seededRandom(seed));
    return (minute) => signal(minute) + (minute < 1_000 ? 0 : 4);
  };
  const lastOf = (reference: "adaptive" | "slow" | "frozen") => {
    const settings = { ...cusum, ...learns, warmUp: 500, reference };
    return found(settings, shifted("reference"), 9_000).at(-1) ?? 0;
  };

  test("that adapts takes a level that stays for usual; a frozen one never does", () => {
    expect(lastOf("adaptive")).toBeLessThan(4_000);
    expect(lastOf("slow")).toBeGreaterThan(lastOf("adaptive"));
    expect(lastOf("frozen")).toBe(8_999);
  });

  test("is kept over a pause while the evidence is not", () => {
    const detector = createDetector({ ...cusum, ...learns, reference: "frozen" });
    const state = detector.initial();
    const random = seededRandom("pause");
    let timeMs = 0;
    const next = (value: number, afterMs = minuteMs) => {
      timeMs += afterMs;
      return detector.observe(state, value, timeMs).kind;
    };
    for (let reading = 0; reading < 200; reading++) next(50 + gaussian(random));
    for (let reading = 0; reading < 5; reading++) next(54);
    expect(next(54)).toBe("anomalous");
    expect(next(54, 3 * 3_600_000)).toBe("normal");
    for (let reading = 0; reading < 5; reading++) next(54);
    expect(next(54)).toBe("anomalous");
  });
});

test("a counter's reset is no fall, and its pace is what is judged", () => {
  const random = seededRandom("counter");
  const settings: DetectorSettings = { ...range, ...learns, counter: true };
  let count = 0;
  const signal: Signal = (minute) => {
    if (minute === 700) count = 0;
    count += minute === 900 ? 900 : 60 + gaussian(random);
    return count;
  };
  expect(found(settings, signal, 1_200)).toEqual([900]);
});

test("a hold tells of a peak once, and again of a higher one", () => {
  const random = seededRandom("hold");
  const signal = steady(random);
  const peaks: Signal = (minute) => {
    const value = signal(minute);
    if (minute >= 2_000 && minute < 2_010) return value + 20;
    return minute === 2_015 ? 120 : value;
  };
  const settings: DetectorSettings = { ...range, ...learns, reference: "frozen", hold: 100 };
  const minutes = found(settings, peaks, 2_100);
  expect(minutes[0]).toBe(2_000);
  expect(minutes.at(-1)).toBe(2_015);
  expect(minutes.length).toBeLessThan(8);
});

test("silence is anomalous once it is longer than usual", () => {
  const detector = createDetector({ detector: "absence", after: 5 * minuteMs });
  expect(detector.tick?.(5 * minuteMs)).toEqual({ kind: "normal" });
  expect(detector.tick?.(6 * minuteMs)).toMatchObject({
    kind: "anomalous",
    reason: "nothing for 6 min; at most 5 are usual",
  });
});

test("every reason is a clause with the numbers that count", () => {
  const reasonOf = (settings: DetectorSettings, values: (minute: number) => number) => {
    const detector = createDetector(settings);
    const state = detector.initial();
    let reason = "";
    for (let minute = 0; minute < 400; minute++) {
      const verdict = detector.observe(state, values(minute), minute * minuteMs);
      if (verdict.kind === "anomalous") reason ||= verdict.reason;
    }
    return reason;
  };
  const wave = (minute: number) => (minute === 300 ? 80 : 40 + (minute % 5));
  const high = (minute: number) => 40 + (minute % 5) + (minute < 300 ? 0 : 5);
  expect(reasonOf({ ...range, ...learns }, wave)).toBe("80 is 36 above anything so far, 40 to 44");
  expect(reasonOf({ ...cusum, ...learns }, high)).toMatch(
    /^readings have stayed above the usual 4[12]\.?[0-9]* ± 1\.[0-9]+, now 4[0-9]$/,
  );
  expect(reasonOf({ ...rate, over: 60_000 }, wave)).toBe(
    "up 36 in 60 s, 7.2 times the pace of 5 in 60 s",
  );
  expect(reasonOf(flat, () => 7)).toBe("stuck: exactly 7 for 30 min, 31 readings");
});

describe.each([
  { detector: "hotelling", limit: 4, memory: 500 },
  { detector: "mewma", limit: 4, memory: 500, lambda: 0.1 },
] as const)("$detector of one metric", (settings) => {
  detectorContract(() => createDetector({ ...settings, ...learns }));
});

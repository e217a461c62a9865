/** What every detector promises (D1, D2), whatever it looks for. */
import { serialize } from "node:v8";
import { expect, test } from "vitest";
import type { Random } from "../random.ts";
import { gaussian, seededRandom } from "../random.ts";
import type { Detector, Verdict } from "./detector.ts";

const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;
const stateBytesMax = 2_048;
const storedCharactersMax = 1_024;

export interface TimedValue {
  readonly value: number;
  readonly timeMs: number;
}

/** Numbers of all kinds that devices send: noise, steps, standstill, the ends of the range. */
export function variedReadings(seed: string, count: number): number[] {
  const random = seededRandom(seed);
  let level = 20;
  return Array.from({ length: count }, (_, index) => {
    if (random.next() < 0.01) level = 200 * random.next() - 100;
    if (random.next() < 0.002) return extremes[index % extremes.length] ?? 0;
    return random.next() < 0.2 ? Math.round(level) : level + gaussian(random);
  });
}

const extremes = [0, -0, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 1e-200, 1e200];

/** The same at times as devices tell them: irregular, with pauses, repeats and steps back. */
export function variedSeries(seed: string, count: number): TimedValue[] {
  const random = seededRandom(`${seed} times`);
  let timeMs = 1.7e12;
  return variedReadings(seed, count).map((value) => {
    timeMs += intervalMs(random);
    return { value, timeMs };
  });
}

function intervalMs(random: Random): number {
  const chance = random.next();
  if (chance < 0.005) return 3 * dayMs * random.next();
  if (chance < 0.02) return 0;
  if (chance < 0.025) return -10 * minuteMs;
  return Math.round(minuteMs * (0.5 + random.next()));
}

export function detectorContract<State>(makeDetector: () => Detector<State>): void {
  test("the same readings get the same verdicts", () => {
    const readings = variedSeries("same", 3_000);
    expect(verdictsOf(makeDetector(), readings)).toEqual(verdictsOf(makeDetector(), readings));
  });

  test.each([0, 1, 59, 60, 61, 101, 200, 777, 1_499])(
    "a state that was stored after %i readings goes on as if it had not been",
    (stored) => {
      const readings = variedSeries(`stored ${stored}`, 1_500);
      const whole = verdictsOf(makeDetector(), readings);
      const detector = makeDetector();
      const state = detector.initial();
      verdictsOf(detector, readings.slice(0, stored), state);
      const restored = stateAgain(detector, state);
      const rest = verdictsOf(makeDetector(), readings.slice(stored), restored);
      expect(rest).toEqual(whole.slice(stored));
    },
  );

  test("in any split into batches, stored and restored between them, the verdicts are the same", () => {
    const readings = variedSeries("split", 2_000);
    const whole = verdictsOf(makeDetector(), readings);
    for (const seed of ["a", "b", "c"]) {
      const random = seededRandom(`split ${seed}`);
      let state = makeDetector().initial();
      const verdicts: Verdict[] = [];
      while (verdicts.length < readings.length) {
        const to = verdicts.length + 1 + Math.floor(120 * random.next());
        verdicts.push(...verdictsOf(makeDetector(), readings.slice(verdicts.length, to), state));
        state = stateAgain(makeDetector(), state);
      }
      expect(verdicts).toEqual(whole);
    }
  });

  test("scores lie in [0, 1] and reasons hold no NaN, even at the ends of the range", () => {
    const detector = makeDetector();
    const state = detector.initial();
    for (const { value, timeMs } of variedSeries("extremes", 20_000)) {
      const verdict = detector.observe(state, value, timeMs);
      const score = detector.score?.(state) ?? 0;
      expect(score >= 0 && score <= 1).toBe(true);
      if (verdict.kind !== "anomalous") continue;
      expect(verdict.score).toBeGreaterThanOrEqual(0);
      expect(verdict.score).toBeLessThanOrEqual(1);
      expect(verdict.reason).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  test("a state is small, and holds finite numbers only, so JSON can hold it", () => {
    const detector = makeDetector();
    const state = detector.initial();
    verdictsOf(detector, variedSeries("finite", 5_000), state);
    const stored = JSON.stringify(detector.encode(state));
    expect(stored).not.toContain("null");
    expect(stored.length).toBeLessThanOrEqual(storedCharactersMax);
    expect(serialize(state).byteLength).toBeLessThanOrEqual(stateBytesMax);
  });

  test.each([undefined, null, "x", {}, [], [1, 2], ["1"], 7.5, "cusum1:AAAA"])(
    "what is none of its states is not taken for one: %j",
    (json) => {
      expect(makeDetector().decode(json)).toBeUndefined();
    },
  );
}

function stateAgain<State>(detector: Detector<State>, state: State): State {
  const restored = detector.decode(JSON.parse(JSON.stringify(detector.encode(state))));
  expect(restored).toBeDefined();
  return restored as State;
}

function verdictsOf<State>(
  detector: Detector<State>,
  readings: readonly TimedValue[],
  state = detector.initial(),
): Verdict[] {
  return readings.map(({ value, timeMs }) => detector.observe(state, value, timeMs));
}

/** What every detector promises (D1, D2), whatever it looks for. */
import { expect, test } from "vitest";
import { gaussian, seededRandom } from "../random.ts";
import type { Detector, Verdict } from "./detector.ts";

const minuteMs = 60_000;

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

export function detectorContract<State>(makeDetector: () => Detector<State>): void {
  test("the same readings get the same verdicts", () => {
    const readings = variedReadings("same", 3_000);
    expect(verdictsOf(makeDetector(), readings)).toEqual(verdictsOf(makeDetector(), readings));
  });

  test.each([0, 1, 59, 60, 61, 200, 1_499])(
    "a state that was stored after %i readings goes on as if it had not been",
    (stored) => {
      const detector = makeDetector();
      const readings = variedReadings(`stored ${stored}`, 1_500);
      const whole = verdictsOf(detector, readings);
      const state = detector.initial();
      for (const value of readings.slice(0, stored)) detector.observe(state, value, 0);
      const restored = detector.decode(JSON.parse(JSON.stringify(detector.encode(state))));
      expect(restored).toBeDefined();
      const rest = verdictsOf(makeDetector(), readings.slice(stored), restored);
      expect(rest).toEqual(whole.slice(stored));
    },
  );

  test("scores lie in [0, 1] and reasons hold no NaN, even at the ends of the range", () => {
    for (const verdict of verdictsOf(makeDetector(), variedReadings("extremes", 20_000))) {
      if (verdict.kind !== "anomalous") continue;
      expect(verdict.score).toBeGreaterThanOrEqual(0);
      expect(verdict.score).toBeLessThanOrEqual(1);
      expect(verdict.reason).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  test("a state holds finite numbers only, so JSON can hold it", () => {
    const detector = makeDetector();
    const state = detector.initial();
    for (const value of variedReadings("finite", 5_000)) detector.observe(state, value, 0);
    expect(JSON.stringify(detector.encode(state))).not.toContain("null");
  });

  test.each([undefined, null, "x", {}, [], [1, 2], ["1"], 7.5])(
    "what is none of its states is not taken for one: %j",
    (json) => {
      expect(makeDetector().decode(json)).toBeUndefined();
    },
  );
}

function verdictsOf<State>(
  detector: Detector<State>,
  readings: readonly number[],
  state = detector.initial(),
): Verdict[] {
  return readings.map((value, index) => detector.observe(state, value, index * minuteMs));
}

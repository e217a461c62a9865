/** Goal: limits trip exactly where they are set, and do not flutter about them. */
import { describe, expect, test } from "vitest";
import { detectorContract } from "./detector.contract.ts";
import type { LimitsSettings } from "./limits.ts";
import { faultOfLimits, limitsDetector } from "./limits.ts";

const four = { lolo: -10, lo: 0, hi: 80, hihi: 95, hysteresis: 2 };

describe("contract", () => detectorContract(() => limitsDetector(four)));

function levelsOf(settings: LimitsSettings, values: readonly number[]): string {
  const detector = limitsDetector(settings);
  const state = detector.initial();
  const words = values.map((value) => {
    const verdict = detector.observe(state, value, 0);
    if (verdict.kind !== "anomalous") return verdict.kind;
    return /HIHI|HI|LOLO|LO/.exec(verdict.reason)?.[0];
  });
  return words.join(" ");
}

test.each<[string, readonly number[], string]>([
  ["a value at the limit is not yet beyond it", [80, 80.1], "normal HI"],
  ["a level is left by the hysteresis, not before", [81, 79, 78.1, 78], "HI HI HI normal"],
  ["the outer level is left into the inner one", [96, 93.5, 93, 79, 77], "HIHI HIHI HI HI normal"],
  ["the lower side is the upper side upside down", [-1, 1, 2], "LO LO normal"],
  ["LOLO is left into LO", [-11, -8.5, -8, 2], "LOLO LOLO LO normal"],
  ["a jump from one end to the other changes sides at once", [96, -11, 96], "HIHI LOLO HIHI"],
  ["a value within the hysteresis that comes from below is normal", [79, 79.9], "normal normal"],
])("%s", (_, values, expected) => {
  expect(levelsOf(four, values)).toBe(expected);
});

test("without hysteresis a level is left at its limit", () => {
  expect(levelsOf({ hi: 80, hysteresis: 0 }, [80.1, 80])).toBe("HI normal");
});

test("an outer limit can stand alone", () => {
  expect(levelsOf({ hihi: 95, hysteresis: 1 }, [94, 96, 94.5, 94])).toBe("normal HIHI HIHI normal");
});

test("the outer levels weigh more, and the reason names value and limit", () => {
  const detector = limitsDetector(four);
  const state = detector.initial();
  expect(detector.observe(state, 81.25, 0)).toEqual({
    kind: "anomalous",
    expected: { low: 0, high: 80 },
    score: 0.5,
    reason: "81.25 is above the HI limit 80",
  });
  expect(detector.observe(state, 96, 0)).toMatchObject({ score: 1 });
  expect(detector.observe(state, 94, 0)).toMatchObject({
    reason: "94 is not yet 2 back from the HIHI limit 95",
  });
});

test.each<[LimitsSettings, string | undefined]>([
  [{ hysteresis: 0 }, "hi"],
  [{ hi: 5, hihi: 5, hysteresis: 0 }, "hihi"],
  [{ lo: 5, lolo: 6, hysteresis: 0 }, "lolo"],
  [{ lo: 5, hi: 5, hysteresis: 0 }, "lo"],
  [{ lolo: 6, hihi: 5, hysteresis: 0 }, "lolo"],
  [{ lo: 0, hi: 5, hysteresis: 5 }, "hysteresis"],
  [{ lo: 0, hi: 5, hysteresis: 4.9 }, undefined],
  [{ lolo: -5, hysteresis: 100 }, undefined],
])("limits that contradict one another are told by parameter: %j", (settings, parameter) => {
  expect(faultOfLimits(settings)?.parameter).toBe(parameter);
});

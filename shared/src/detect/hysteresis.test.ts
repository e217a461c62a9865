// The goal: whatever has a limit has a level below it at which it is normal again, so that a value
// that dithers about the limit does not flap. Each table row: the signal beyond the limit, between
// the two levels, below both, between again, beyond again.
import { describe, expect, test } from "vitest";
import { gaussian, seededRandom } from "../random.ts";
import { rulesSchema } from "../rules/rule.ts";
import { detectorContract } from "./detector.contract.ts";
import type { DetectorSettings } from "./detectors.ts";
import { createDetector } from "./detectors.ts";

const stepMs = 10_000;
const frozen = { warmUp: 2_000, reference: "frozen" } as const;
const flips = (index: number): number => (index % 2 === 0 ? 1 : -1);
const long = (level: number, noise = flips) =>
  Array.from({ length: 60 }, (_, index) => level + noise(index));
const many = (count: number, value: number) => Array.from({ length: count }, () => value);
const levels = (beyond: number, between: number) => [beyond, between, 0, between, beyond];

const random = seededRandom("hysteresis");
const drawn = Array.from({ length: 5_000 }, () => gaussian(random));
const noise = (index: number) => drawn[index % drawn.length] ?? 0;
const slope = (each: number) => Array.from({ length: 6 }, () => each);

interface Row {
  readonly settings: DetectorSettings;
  /** Share, or the same of `limits`. */
  readonly with: object;
  readonly before?: (index: number) => number;
  readonly parts: readonly (readonly number[])[];
  /** The parts are steps from one value to the next. */
  readonly isSteps?: true;
}

const rows: readonly Row[] = [
  {
    settings: { detector: "limits", hi: 10, hysteresis: 0 },
    with: { hysteresis: 2 },
    parts: levels(11, 9).map((level) => [level]),
  },
  {
    settings: { detector: "ewma", limit: 3.1, memory: 1_000_000, warmUp: 60, clear: 1 },
    with: { clear: 0.7 },
    before: noise,
    parts: levels(8, 2.7).map((level) => long(level, noise)),
  },
  {
    settings: { detector: "rate", rise: 5, per: 60_000, over: stepMs },
    with: { clear: 0.5 },
    before: () => 0,
    parts: levels(1.2, 0.7).map(slope),
    isSteps: true,
  },
  {
    settings: { detector: "range", limit: 0.2, ...frozen },
    with: { clear: 0.5 },
    parts: levels(1.6, 1.3).map((level) => [level]),
  },
  {
    settings: { detector: "cusum", limit: 10, slack: 0.5, memory: 2_000, ...frozen },
    with: { clear: 0.5 },
    parts: [many(10, 3), [...many(7, -0.5), 0.5, 0.5], many(10, -0.5), many(8, 1.5), many(5, 1.5)],
  },
  {
    settings: { detector: "spot", risk: 1e-4, memory: 20_000, ...frozen },
    with: { clear: 0.7 },
    before: noise,
    parts: levels(8, 3.4).map((level) => [level]),
  },
  {
    settings: { detector: "dspot", risk: 1e-4, memory: 20_000, drift: 20, ...frozen },
    with: { clear: 0.7 },
    before: noise,
    parts: levels(8, 3.4).map((level) => [level]),
  },
  {
    settings: { detector: "holt-winters", limit: 8, memory: 3 * 86_400_000, ...frozen },
    with: { clear: 0.6 },
    parts: levels(12, 6.5).map((level) => [level]),
  },
  {
    settings: { detector: "hotelling", limit: 4, memory: 2_000, ...frozen },
    with: { clear: 0.6 },
    parts: levels(6, 3).map((level) => [level]),
  },
  {
    settings: { detector: "mewma", limit: 4, memory: 2_000, lambda: 0.1, ...frozen },
    with: { clear: 0.6 },
    parts: levels(1.5, 0.7).map((level) => long(level)),
  },
  {
    settings: { detector: "auto", limit: 0.08, frozenLimit: 1.6, hold: 60, ...frozen },
    with: { clear: 0.6 },
    parts: levels(5, 2.2).map((level) => [...long(level), ...long(level)]),
  },
];

/** What it says at the end of each part: A anomalous, n normal. */
function phases(settings: DetectorSettings, { before = flips, parts, isSteps }: Row): string {
  const detector = createDetector(settings);
  let state = detector.initial();
  let value = 0;
  let timeMs = 0;
  const say = (given: number) => {
    value = isSteps ? value + given : given;
    timeMs += stepMs;
    state = detector.decode(detector.encode(state)) ?? detector.initial();
    return detector.observe(state, value, timeMs, "m").kind;
  };
  for (let index = 0; index < 5_000; index++) say(before(index));
  return parts.map((part) => (part.map(say).at(-1) === "anomalous" ? "A" : "n")).join("");
}

test.each(rows)("$settings.detector is normal again only below its clear level", (row) => {
  expect(phases(row.settings, row)).toBe("AnnnA");
  expect(phases({ ...row.settings, ...row.with } as DetectorSettings, row)).toBe("AAnnA");
});

const kept = ["rate", "cusum", "mewma", "auto"];

describe.each(rows.filter(({ settings }) => kept.includes(settings.detector)))(
  "$settings.detector with a clear level",
  ({ settings, with: own }) => {
    detectorContract(() => createDetector({ ...settings, ...own } as DetectorSettings));
  },
);

test("the names of a rule that has no clear level stay as they were, and senseless ones are told", () => {
  const parse = (more: object) => rulesSchema.safeParse([{ name: "r", ...more }]);
  expect(parse({ detector: "cusum" }).data?.[0]).not.toHaveProperty("clear");
  expect(parse({ detector: "cusum", clear: 0.5 }).success).toBe(true);
  expect(parse({ detector: "cusum", clear: 1.5 }).success).toBe(false);
  expect(parse({ detector: "auto", clear: 0.5 }).success).toBe(false);
  expect(parse({ detector: "auto", clear: 0.5, reference: "frozen" }).success).toBe(true);
  // They come back only after a time of their own: they cannot dither.
  for (const detector of ["page-hinkley", "flat"])
    expect(parse({ detector, clear: 0.5 }).success).toBe(false);
});

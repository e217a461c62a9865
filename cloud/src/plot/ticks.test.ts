/** Goal: an axis reads well, whatever it spans. */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { timeTicks, valueTicks } from "./ticks.ts";

const labels = (ticks: readonly { label: string }[]) => ticks.map(({ label }) => label).join(" ");
const at = (text: string) => Date.parse(text);

test.each([
  [0, 1, 5, "0.0 0.2 0.4 0.6 0.8 1.0"],
  [-3, 12, 4, "0 5 10"],
  [19.83, 20.17, 4, "19.9 20.0 20.1"],
  [0, 48_000, 5, "0 10k 20k 30k 40k"],
  [-2.5e6, 2.5e6, 5, "-2M -1M 0 1M 2M"],
  [0.00001, 0.00004, 3, "1.0e-5 2.0e-5 3.0e-5 4.0e-5"],
])("values from %d to %d", (from, to, wanted, expected) => {
  expect(labels(valueTicks({ from, to }, wanted))).toBe(expected);
});

test.each([
  ["2026-01-01T00:00:00Z", "2026-01-01T00:00:40Z", "1 Jan 00:00:10 00:00:20 00:00:30 00:00:40"],
  ["2026-01-01T23:10:00Z", "2026-01-02T01:00:00Z", "23:30 2 Jan 00:30 01:00"],
  ["2026-01-01T00:00:00Z", "2026-01-06T12:00:00Z", "1 Jan 2 Jan 3 Jan 4 Jan 5 Jan 6 Jan"],
  ["2026-01-01T00:00:00Z", "2026-02-10T00:00:00Z", "5 Jan 12 Jan 19 Jan 26 Jan 2 Feb 9 Feb"],
  ["2020-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2020 2021 2022 2023 2024 2025"],
  [
    "2026-01-15T00:00:00Z",
    "2026-08-01T00:00:00Z",
    "Feb 2026 Mar 2026 Apr 2026 May 2026 Jun 2026 Jul 2026 Aug 2026",
  ],
])("times from %s to %s", (from, to, expected) => {
  expect(labels(timeTicks({ from: at(from), to: at(to) }, 7))).toBe(expected);
});

test("there are never too many ticks, and all lie within", () => {
  const random = seededRandom("ticks");
  for (let turn = 0; turn < 3_000; turn++) {
    const from = (random.next() - 0.5) * 10 ** Math.floor(random.next() * 30 - 15);
    const to = from + 10 ** Math.floor(random.next() * 30 - 15);
    if (!(to > from)) continue;
    const values = valueTicks({ from, to }, 5);
    expect(values.length).toBeLessThanOrEqual(13);
    const slack = (to - from) * 1e-6;
    for (const tick of values) {
      expect(tick.at).toBeGreaterThanOrEqual(from - slack);
      expect(tick.at).toBeLessThanOrEqual(to + slack);
    }
    const times = { from: random.next() * 2e12, to: 0 };
    times.to = times.from + 10 ** (random.next() * 12);
    const found = timeTicks(times, 8);
    expect(found.length).toBeLessThanOrEqual(8);
    for (const tick of found) {
      expect(tick.at).toBeGreaterThanOrEqual(times.from);
      expect(tick.at).toBeLessThanOrEqual(times.to);
    }
  }
});

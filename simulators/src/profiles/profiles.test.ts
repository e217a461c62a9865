// Profiles measure what such devices measure, and the same for the same seed.
import { seededRandom } from "@causeway/shared/random.ts";
import { describe, expect, test } from "vitest";
import { profileNames, profileOf } from "./catalogue.ts";
import type { Metrics } from "./profile.ts";
import { dayMs, modelOf } from "./profile.ts";

function run(name: string, seed: string, intervalMs: number, samples: number): readonly Metrics[] {
  const profile = profileOf(profileNames.find((known) => known === name) ?? "mixed", 0);
  const model = modelOf(profile, seededRandom(seed));
  return Array.from({ length: samples }, (_, index) => model(index * intervalMs));
}

function column(rows: readonly Metrics[], metric: string): readonly number[] {
  return rows.map((row) => row[metric] ?? Number.NaN);
}

function range(values: readonly number[]): readonly [least: number, most: number] {
  return [Math.min(...values), Math.max(...values)];
}

describe.each(["temperature", "vibration", "energy"])("the profile %s", (name) => {
  test("measures the same for the same seed and another for another", () => {
    expect(run(name, "7", 1_000, 100)).toEqual(run(name, "7", 1_000, 100));
    expect(run(name, "7", 1_000, 100)).not.toEqual(run(name, "8", 1_000, 100));
  });

  test("measures the metrics that it names, all finite", () => {
    const metrics = profileOf(profileNames.find((known) => known === name) ?? "mixed", 0).metrics;
    for (const row of run(name, "1", 1_000, 50)) {
      expect(Object.keys(row)).toEqual([...metrics]);
      expect(Object.values(row).every(Number.isFinite)).toBe(true);
    }
  });

  test("has a fault size that stands out of all it measures in a day", () => {
    const { metrics, faultSize } = profileOf(
      profileNames.find((known) => known === name) ?? "mixed",
      0,
    );
    const [least, most] = range(column(run(name, "1", 60_000, 1_440), metrics[0]));
    expect(faultSize).toBeGreaterThan(1.5 * (most - least));
  });
});

test("a room is between 15 and 27 degrees and goes up and down within a day", () => {
  for (const seed of ["1", "2", "3"]) {
    const values = column(run("temperature", seed, 60_000, 1_440), "temperature");
    const [least, most] = range(values);
    expect(least).toBeGreaterThan(15);
    expect(most).toBeLessThan(27);
    expect(most - least).toBeGreaterThan(2.5);
  }
});

test("the air of a room has a memory: samples a second apart are alike", () => {
  const values = column(run("temperature", "1", 1_000, 3_600), "temperature");
  const steps = values.slice(1).map((value, index) => Math.abs(value - (values[index] ?? 0)));
  const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  expect(mean).toBeLessThan(0.08);
});

test("a motor vibrates more under load", () => {
  const rows = run("vibration", "1", 10_000, 2_000);
  const mean = (wanted: (load: number) => boolean) => {
    const chosen = rows.filter(({ load = 0 }) => wanted(load));
    return chosen.reduce((sum, { vibration = 0 }) => sum + vibration, 0) / chosen.length;
  };
  expect(mean((load) => load > 70)).toBeGreaterThan(1.1 * mean((load) => load < 50));
});

test("a meter's energy only grows, by what its power says", () => {
  const rows = run("energy", "1", 1_000, 3_600);
  const energies = column(rows, "energy");
  expect(energies.every((value, index) => index === 0 || value >= (energies[index - 1] ?? 0))).toBe(
    true,
  );
  const powers = column(rows, "power").slice(1);
  const kilowattHours = powers.reduce((sum, power) => sum + power, 0) / 3_600_000;
  expect((energies.at(-1) ?? 0) - (energies[0] ?? 0)).toBeCloseTo(kilowattHours, 2);
});

test("the daily cycle of a day later is the same", () => {
  const late = modelOf(profileOf("energy", 0), seededRandom("1"));
  late(0);
  expect(Number.isFinite(late(10 * dayMs)["power"])).toBe(true);
});

test("mixed deals the profiles out in turn", () => {
  const names = [0, 1, 2, 3].map((index) => profileOf("mixed", index).name);
  expect(names).toEqual(["temperature", "vibration", "energy", "temperature"]);
});

/** Worlds of which not one may break a promise. */
import { expect } from "vitest";
import { faultNames } from "../faults.ts";
import { storyOf } from "../story.ts";
import { commitOf } from "../system-commit.ts";
import { drain } from "../system-drain.ts";
import { quickenZstd } from "../system-quick-zstd.ts";
import { runWorld } from "../world.ts";

quickenZstd();

export const minutes = 3;
export const plan = { minutes, faults: faultNames, traceLinesMax: 40 };

export async function keepPromise(from: number, seeds: number): Promise<void> {
  let [incidents, alerts, attempts, byHistory] = [0, 0, 0, 0];
  for (let seed = from; seed < from + seeds; seed++) {
    const result = await runWorld({ ...plan, seed: `${seed}` }, drain);
    if (result.violations.length > 0) {
      const commit = commitOf(import.meta.dirname);
      expect.unreachable(storyOf(result, { minutes, faults: plan.faults, commit }));
    }
    incidents += result.incidents;
    alerts += result.alerts;
    attempts += result.attempts;
    byHistory += result.byHistory;
  }
  expect(incidents / seeds, "or the test tests nothing").toBeGreaterThan(10);
  expect(alerts / seeds).toBeGreaterThan(10);
  expect(attempts / seeds).toBeGreaterThan(200);
  expect(byHistory / seeds).toBeGreaterThan(20);
}

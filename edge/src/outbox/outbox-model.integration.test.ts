// Goal: over some random lives on LevelDB the outbox agrees with its model.
import { expect, test } from "vitest";
import { levelPlace } from "../testing/level-place.ts";
import { nothingSeen, randomLives } from "./model.contract.ts";

const seeds = 15;

test(`over ${seeds} random lives on LevelDB what was acknowledged is there, or told`, async () => {
  const seen = nothingSeen();
  for (let seed = 1; seed <= seeds; seed++) {
    const place = await levelPlace();
    try {
      await randomLives(place, `level ${seed}`, seen);
    } catch (failed) {
      throw new Error(`seed "level ${seed}": ${String(failed)}`, { cause: failed });
    } finally {
      await place.remove();
    }
  }
  expect(seen.sent).toBeGreaterThan(seeds / 2);
  expect(seen.rollups + seen.losses).toBeGreaterThan(seeds / 3);
}, 120_000);

// Goal: over a thousand random lives in memory, with failing writes, the outbox agrees with its model.
import { expect, test } from "vitest";
import { MemoryDisk } from "./memory-store.ts";
import { nothingSeen, randomLives } from "./model.contract.ts";

const seeds = 1_000;

test(`over ${seeds} random lives what was acknowledged is there, or told as the policy allows`, async () => {
  const seen = nothingSeen();
  for (let seed = 1; seed <= seeds; seed++) {
    const disk = new MemoryDisk();
    const place = { open: async () => disk.open(), crash: async () => disk.crash() };
    try {
      await randomLives(place, `model ${seed}`, seen, disk);
    } catch (failed) {
      throw new Error(`seed "model ${seed}": ${String(failed)}`, { cause: failed });
    }
  }
  for (const [what, times] of Object.entries(seen)) {
    expect(times, `${what}: ${JSON.stringify(seen)}`).toBeGreaterThan(seeds / 2);
  }
}, 240_000);

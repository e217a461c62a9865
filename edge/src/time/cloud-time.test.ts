/** Goal: the bounds hold the true offset whatever is read when, and narrow as marks come. */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { CloudTime, unbounded } from "./cloud-time.ts";

test("the first mark is a lower bound only, however old it is", () => {
  const cloud = new CloudTime();
  cloud.read(1_000_000, 500);
  expect(cloud.bounds).toEqual({ lowMs: 999_500, highMs: Number.POSITIVE_INFINITY });
});

test("a newer mark was stored after the reading before, which a replica may lag", () => {
  const cloud = new CloudTime();
  cloud.read(1_000_000, 500);
  cloud.read(1_000_000, 9_000);
  cloud.read(1_010_000, 12_000);
  expect(cloud.bounds).toEqual({ lowMs: 999_500, highMs: 1_003_000 });
});

test("a cloud whose clock was set begins anew", () => {
  const cloud = new CloudTime();
  cloud.read(1_000_000, 500);
  cloud.read(1_001_000, 1_000);
  cloud.read(5_000_000, 2_000);
  expect(cloud.bounds).toEqual(unbounded);
});

test("over random readings the bounds hold the true offset", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(`cloud time ${seed}`);
    const cloud = new CloudTime();
    const offsetMs = Math.floor(random.next() * 1e12);
    let [nowMs, storedAtMs] = [0, 0];
    for (let step = 0; step < 50; step++) {
      nowMs += Math.floor(random.next() * 20_000);
      if (random.next() < 0.5) storedAtMs = nowMs;
      nowMs += Math.floor(random.next() * 3_000);
      cloud.read(offsetMs + storedAtMs, nowMs);
      const { lowMs, highMs } = cloud.bounds;
      expect(lowMs, `seed ${seed}`).toBeLessThanOrEqual(offsetMs);
      expect(highMs, `seed ${seed}`).toBeGreaterThanOrEqual(offsetMs);
    }
    const { lowMs, highMs } = cloud.bounds;
    expect(highMs - lowMs, `seed ${seed}`).toBeLessThanOrEqual(20_000);
  }
});

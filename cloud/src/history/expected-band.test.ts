// The band is what `auto` had learned before each reading: causal, as fine as asked, and about the curve.
import { expect, test } from "vitest";
import { ExpectedBand } from "./expected-band.ts";

const wave = (at: number) => 20 + Math.sin(at / 60_000) + ((at / 1_000) % 7) / 50;

function bandOf(readings: number, from: number, stepMs: number, spikeAt = -1) {
  const band = new ExpectedBand(from, stepMs);
  for (let index = 0; index < readings; index++) {
    const at = index * 1_000;
    band.take(index === spikeAt ? 90 : wave(at), at);
  }
  return band.bands();
}

test("nothing is expected before there was something to learn from", () => {
  expect(bandOf(90, 0, 1_000)).toEqual([]);
  expect(bandOf(3_000, 0, 1_000)[0]?.[0]).toBeGreaterThan(90_000);
});

test("most readings are within the band, which is told from the start of the range in steps", () => {
  const bands = bandOf(4_000, 2_000_000, 10_000);
  expect(bands.length).toBe(200);
  expect(bands[0]?.[0]).toBe(2_000_000);
  const within = bands.filter(([at, low, high]) => low <= wave(at) && wave(at) <= high);
  expect(within.length).toBeGreaterThan(190);
});

test("what comes later changes nothing of what was expected before", () => {
  const [calm, spiked] = [bandOf(3_000, 0, 1_000), bandOf(3_000, 0, 1_000, 2_000)];
  const before = ([at]: readonly [number, ...unknown[]]) => at <= 2_000_000;
  expect(spiked.filter(before)).toEqual(calm.filter(before));
  expect(spiked.at(-1)).not.toEqual(calm.at(-1));
});

// A roll-up says of each series and window what the readings said, and nothing that they did not.
import type { Reading, ReadingEvent, RollupEvent } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { integer, pick } from "@causeway/shared/testing/random-events.ts";
import { expect, test } from "vitest";
import { Rollup } from "./rollup.ts";

function reading(bootMs: number, readings: unknown, observedAt: number | null = null) {
  const place = { device: "d1", topic: "t", bootMs, observedAt };
  return eventSchema.parse({ kind: "reading", ...place, readings }) as ReadingEvent;
}

function rolled(events: readonly ReadingEvent[], windowMs: number): RollupEvent {
  const rollup = new Rollup(windowMs);
  for (const event of events) rollup.add(event);
  return rollup.finish(events.length, events[0]?.bootMs ?? 0);
}

test("numbers become min, max, mean, last and count; what is bad is counted and not mixed in", () => {
  const good = (value: Reading["value"], metric = "t") => ({ metric, value, quality: "good" });
  const bad = { metric: "t", value: 999, quality: "bad" };
  const { series } = rolled(
    [
      reading(59_999, [good(1)]),
      reading(60_000, [good(4)]),
      reading(61_000, [good(2), good("on", "mode")]),
      reading(62_000, [bad]),
      reading(119_000, [good(3), good("off", "mode"), good(true, "open")]),
      reading(119_500, [good(false, "open")]),
    ],
    60_000,
  );
  expect(series).toEqual([
    {
      ...{ device: "d1", metric: "t", time: "boot" },
      windows: [
        [0, 1, 0, 1, 1, 1, 1],
        [1, 4, 1, 3, 2, 4, 3],
      ],
    },
    {
      ...{ device: "d1", metric: "mode", time: "boot" },
      windows: [[1, 2, 0, "off", null, null, null]],
    },
    { ...{ device: "d1", metric: "open", time: "boot" }, windows: [[1, 2, 0, false, 0, 1, 0.5]] },
  ]);
});

test("the device's own time counts where there is one, and units are told apart", () => {
  const own = { metric: "t", value: 1, quality: "good", observedAt: 600_000 };
  const other = { metric: "t", value: 300, quality: "good", unit: "K" };
  const { series } = rolled([reading(5, [own, other], 120_000)], 60_000);
  expect(series).toEqual([
    { ...{ device: "d1", metric: "t", time: "observed" }, windows: [[10, 1, 0, 1, 1, 1, 1]] },
    {
      ...{ device: "d1", metric: "t", unit: "K", time: "observed" },
      windows: [[2, 1, 0, 300, 300, 300, 300]],
    },
  ]);
});

const hour = 3_600_000;

test("over 300 seeds: coarser windows made of finer ones say the same as made at once", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(`rollup ${seed}`);
    const values = [0, -1.5, 3e-9, 1.7e308, -1.7e308, 123_456_789.25, 7, true, "on", null];
    const events = Array.from({ length: 1 + integer(random, 60) }, () =>
      reading(
        integer(random, 3 * hour),
        Array.from({ length: 1 + integer(random, 3) }, () => ({
          metric: pick(random, ["a", "b"]),
          value: pick(random, values),
          quality: pick(random, ["good", "good", "uncertain", "bad"]),
        })),
      ),
    );
    const merged = new Rollup(hour);
    merged.merge(rolled(events, 60_000));
    const [fine, coarse] = [merged.finish(events.length, 0), rolled(events, hour)];
    expect(eventSchema.safeParse(fine).error, `seed ${seed}`).toBeUndefined();
    expect(fine.series.length, `seed ${seed}`).toBe(coarse.series.length);
    for (const [at, { windows }] of coarse.series.entries()) {
      const others = new Map(fine.series[at]?.windows.map((row) => [row[0], row]));
      for (const [number, count, bad, _last, min, max, mean] of windows) {
        const other = others.get(number);
        expect(other?.slice(1, 3), `seed ${seed}`).toEqual([count, bad]);
        // Text and nothing count as good, and weigh in the mean of means.
        const isExact = events.every(({ readings }) =>
          readings.every(({ value, quality }) => quality === "bad" || typeof value === "number"),
        );
        expect(other?.slice(4, 6), `seed ${seed}`).toEqual([min, max]);
        if (mean === null || min === null || max === null || !isExact) continue;
        expect(Math.abs((other?.[6] ?? 0) - mean)).toBeLessThanOrEqual((max - min) * 1e-6 + 1e-6);
      }
    }
  }
});

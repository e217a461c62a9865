/** Goal: however few points are drawn, nothing that stands out is lost. */
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import { describe, expect, test } from "vitest";
import type { Point } from "./chart.ts";
import { columnOf } from "./chart.ts";
import { Gathered, GatheredSpans, stretchesOf, thinned } from "./thin.ts";

function wandering(seed: string, count: number): Point[] {
  const random = seededRandom(seed);
  let timeMs = 0;
  return Array.from({ length: count }, (): Point => {
    timeMs += random.next() < 0.1 ? 0 : 1_000 * random.next();
    return [timeMs, gaussian(random) * (random.next() < 0.01 ? 50 : 1)];
  });
}

const seeds = Array.from({ length: 40 }, (_, index) => `thin ${index}`);

test.each(seeds)(
  "every column keeps its lowest and highest, and at most two points: %s (H1)",
  (seed) => {
    const random = seededRandom(`${seed} columns`);
    const points = wandering(seed, 1 + Math.floor(random.next() * 3_000));
    const columns = 1 + Math.floor(random.next() * 200);
    const extent = { from: points[0]?.[0] ?? 0, to: (points.at(-1)?.[0] ?? 0) + 1 };
    const kept = thinned(points, extent, columns);
    const byColumn = (of: readonly Point[]) =>
      Map.groupBy(of, ([timeMs]) => columnOf(extent, columns, timeMs));
    const [all, few] = [byColumn(points), byColumn(kept)];
    expect([...few.keys()]).toEqual([...all.keys()]);
    for (const [column, own] of all) {
      const shown = (few.get(column) ?? []).map(([, value]) => value);
      expect(Math.max(...shown)).toBe(Math.max(...own.map(([, value]) => value)));
      expect(Math.min(...shown)).toBe(Math.min(...own.map(([, value]) => value)));
    }
    // The ends of the line may come on top (H2).
    expect(kept.length).toBeLessThanOrEqual(2 * columns + 2);
    expect(kept[0]).toBe(points[0]);
    expect(kept.at(-1)?.[0]).toBe(points.at(-1)?.[0]);
    expect(kept).toEqual(kept.toSorted((left, right) => left[0] - right[0]));
  },
);

test("a pause ends a stretch, a value that is not finite does too, a single step does not (H3)", () => {
  const minutes = (...list: number[]) => list.map((minute): Point => [minute * 60_000, minute]);
  const regular = minutes(...Array.from({ length: 30 }, (_, minute) => minute));
  expect(stretchesOf([...regular, ...minutes(31, 32)])).toHaveLength(1);
  expect(stretchesOf([...regular, ...minutes(90, 91)]).map(({ length }) => length)).toEqual([
    30, 2,
  ]);
  const broken = regular.map(([at, value], index): Point => [at, index === 9 ? Number.NaN : value]);
  expect(stretchesOf(broken).map(({ length }) => length)).toEqual([9, 20]);
  expect(stretchesOf([])).toEqual([]);
});

describe("points that are gathered", () => {
  test.each(seeds)(
    "stay bounded and in order, and keep the lowest and highest of all: %s",
    (seed) => {
      const points = wandering(seed, 5_000);
      const gathered = new Gathered(64);
      let most = 0;
      for (const point of points) {
        gathered.add(point);
        most = Math.max(most, gathered.points.length);
      }
      expect(most).toBeLessThanOrEqual(64);
      const extremes = (of: readonly Point[]) => {
        const values = of.map(([, value]) => value);
        return [Math.min(...values), Math.max(...values)];
      };
      expect(extremes(gathered.points)).toEqual(extremes(points));
      expect(gathered.points.every((point) => points.includes(point))).toBe(true);
      const places = gathered.points.map((point) => points.indexOf(point));
      expect(places).toEqual(places.toSorted((left, right) => left - right));
    },
  );

  test("spans join what follows one on another, and at the bound the last one goes on", () => {
    const spans = new GatheredSpans(2);
    for (const [minute, isSo] of [1, 1, 0, 1, 0, 0, 1, 0, 1].entries())
      spans.note(minute, isSo === 1);
    expect(spans.spans).toEqual([
      { from: 0, to: 1 },
      { from: 3, to: 8 },
    ]);
  });
});

// Readings become lines that break where nothing came, keep late ones apart, and mark what is doubtful.
import { expect, test } from "vitest";
import type { ReadingsAnswer } from "./api-types.ts";
import type { Point } from "./chart-data.ts";
import { columnsOf, flags, flagWords, pointsOf, spansOf } from "./chart-data.ts";

const every = (count: number, from = 1_000): Point[] =>
  Array.from({ length: count }, (_, index) => [from + index * 1_000, index, 0]);

test("the line breaks where nothing came for several times as long as is usual", () => {
  const { times, last } = columnsOf([...every(5), ...every(3, 60_000)]);
  expect(last).toEqual([0, 1, 2, 3, 4, null, 0, 1, 2]);
  expect(times[5]).toBe(5_001);
});

test("late readings are a line of their own, in their place", () => {
  const { last, late } = columnsOf([
    [1_000, 1, 0],
    [2_000, 2, flags.late],
    [3_000, 3, 0],
  ]);
  expect(last).toEqual([1, null, 3]);
  expect(late).toEqual([null, 2, null]);
});

test("a reading that is not good is marked, and said in words", () => {
  const { doubtful } = columnsOf([
    [1_000, 1, flags.bad],
    [2_000, true, 0],
  ]);
  expect(doubtful).toEqual([1, null]);
  expect(flagWords(flags.late | flags.bad)).toEqual(["came late", "bad"]);
});

test("what does not go forward in time is left out: an axis goes one way", () => {
  const points = [...every(3), ...every(2)];
  expect(columnsOf(points).times).toEqual([1_000, 2_000, 3_000]);
});

test("a band holds from its time to the next", () => {
  const bands = [
    [1_500, 0, 9],
    [3_500, 1, 8],
  ] as const;
  expect(columnsOf(every(4), bands).low).toEqual([null, 0, 0, 1]);
});

test("an answer is read by its columns, and of the very series alone", () => {
  const place = { gateway: "g", device: "d", metric: "m" };
  const answer: ReadingsAnswer = {
    ...{ kind: "readings", columns: ["time", "value", "quality", "late", "receivedAt"] },
    truncated: false,
    series: [
      { ...place, metric: "m2", unit: "x", points: [[1, 1, "good", false, 1]] },
      {
        ...{ ...place, unit: "Cel" },
        points: [
          [1, 20, "uncertain", false, 1],
          [2, null, "thinned", true, 9],
        ],
      },
    ],
  };
  expect(pointsOf(answer, place)).toEqual({
    unit: "Cel",
    points: [
      [1, 20, flags.uncertain],
      [2, null, flags.rollup | flags.late],
    ],
  });
  expect(pointsOf(answer, { ...place, device: "none" }).points).toEqual([]);
});

test("an alert's span ends where it was resolved, and is open while it fires", () => {
  const alert = {
    ...{ id: "a", fingerprint: "f", rule: "r", gateway: "g", device: "d", metric: "m" },
    ...{ severity: "warning" as const, firingAt: 5, value: 1, reason: "x", late: false },
  };
  const spans = spansOf(
    [
      { ...alert, state: "firing" },
      { ...alert, state: "resolved", resolvedAt: 9 },
      { ...alert, metric: "other", state: "firing" },
    ],
    "m",
  );
  expect(spans.map(({ to }) => to)).toEqual([undefined, 9]);
});

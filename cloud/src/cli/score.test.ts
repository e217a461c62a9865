/** Goal: the scores of a file are those of the engine's path, row by row, and never look ahead. */
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import { describe, expect, test } from "vitest";
import type { ScoreSettings } from "./score.ts";
import { createScorer } from "./score.ts";

const settings: ScoreSettings = {
  ...{ detector: "auto", train: undefined, reference: undefined, parameters: new Map() },
  ...{ delimiter: ",", time: "timestamp", values: ["value"] },
};

function rowsOf(count: number, from = 0): string[] {
  const random = seededRandom("score");
  return Array.from({ length: count }, (_, minute) => {
    const time = new Date(minute * 60_000).toISOString().slice(0, 19).replace("T", " ");
    const value = 50 + gaussian(random) + (minute >= from && from > 0 ? 30 : 0);
    return `${time},${value.toFixed(3)}`;
  });
}

function scores(rows: readonly string[], given = settings, head = "timestamp,value"): number[] {
  const scorer = createScorer(given);
  scorer.head(head);
  return rows.map((row) => Number(scorer.row(row).split(given.delimiter).at(-1)));
}

test("each row comes back with its score as one more column", () => {
  const scorer = createScorer(settings);
  expect(scorer.head("timestamp,value")).toBe("timestamp,value,anomaly_score");
  expect(scorer.row("2026-01-01 00:00:00,5")).toBe("2026-01-01 00:00:00,5,0");
});

test("the score of a row is the same whatever follows it", () => {
  const [calm, faulty] = [rowsOf(3_000), rowsOf(3_000, 2_000)];
  const whole = scores(faulty);
  expect(scores(calm).slice(0, 2_000)).toEqual(whole.slice(0, 2_000));
  expect(scores(faulty.slice(0, 2_001))).toEqual(whole.slice(0, 2_001));
  expect(whole[2_000]).toBeGreaterThan(0.5);
});

test("of several columns the oddest counts; a field that is no number brings no reading", () => {
  const head = "at;a;b;note";
  const given = { ...settings, delimiter: ";", time: "at", values: ["a", "b"] };
  const rows = rowsOf(1_500).map((row, minute) => {
    const [at, value] = row.split(",");
    return `${at};${value};${minute === 1_400 ? 90 : minute % 7};${minute}`;
  });
  const found = scores(rows, given, head);
  expect(found.indexOf(Math.max(...found))).toBe(1_400);
  const holes = rows.map((row, minute) =>
    minute % 5 === 1 ? row.replace(/;[0-9.]+;/, ";;") : row,
  );
  expect(scores(holes, given, head).every((score) => score >= 0 && score <= 1)).toBe(true);
});

test("a trained and frozen reference stays alarmed while the fault lasts", () => {
  const given = { ...settings, train: 400, reference: "frozen" };
  const found = scores(rowsOf(1_200, 800), given);
  expect(Math.max(...found.slice(0, 400))).toBe(0);
  expect(Math.min(...found.slice(860))).toBeGreaterThan(0.5);
});

test("the detector's parameters are given by name", () => {
  const given = { ...settings, detector: "limits", parameters: new Map([["hi", "51"]]) };
  expect(scores(["2026-01-01 00:00:00,50", "2026-01-01 00:01:00,52"], given)).toEqual([0, 0.5]);
});

describe("what cannot be scored is told", () => {
  test.each([
    [{ detector: "magic" }, /detector: one of auto/],
    [{ reference: "icy" }, /reference: Invalid option/],
    [{ train: 3 }, /warmUp: Too small/],
    [{ parameters: new Map([["warmth", "3"]]) }, /warmth/],
  ])("%j", (change, message) => {
    expect(() => createScorer({ ...settings, ...change })).toThrow(message);
  });

  test("a column that is not there, a time that is none", () => {
    const scorer = createScorer(settings);
    expect(() => scorer.head("time,value")).toThrow("no column timestamp; there are time, value");
    scorer.head("timestamp,value");
    expect(() => scorer.row("yesterday,1")).toThrow("line 2: yesterday is no time");
  });
});

// Goal: a gap is where readings are missing, whatever the order in which they come.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { Pauses } from "./pauses.ts";

const minute = 60_000;
const leastMs = 3 * minute;
const day = { from: 0, to: 1_440 * minute };

function heard(times: readonly number[], from = new Pauses()): Pauses {
  for (const at of times) from.hear(at * minute, leastMs);
  return from;
}

const span = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
const gapsIn = (pauses: Pauses, to = 1_440) =>
  pauses
    .gapsIn({ from: 0, to: to * minute }, leastMs)
    .map((gap) => [gap.from / minute, gap.to / minute]);

test("a device that says nothing for longer than is usual leaves a gap", () => {
  expect(gapsIn(heard([...span(0, 100), ...span(130, 200)]), 201)).toEqual([[99, 130]]);
});

test("one that speaks once an hour is not silent after ten minutes, but after a day", () => {
  const hourly = span(0, 24).map((hour) => hour * 60);
  expect(gapsIn(heard(hourly), 24 * 60)).toEqual([]);
  const pauses = heard([...hourly, 60 * 60]);
  expect(gapsIn(pauses, 60 * 60)).toEqual([[23 * 60, 60 * 60]]);
});

test("what comes by history fills the gap, and what is left of it stays", () => {
  const live = [...span(0, 100), ...span(160, 200)];
  expect(gapsIn(heard([...live, ...span(100, 120)]), 201)).toEqual([[119, 160]]);
  expect(gapsIn(heard([...live, ...span(100, 160)]), 201)).toEqual([]);
  expect(gapsIn(heard([...live, ...span(120, 140)]), 201)).toEqual([
    [99, 120],
    [139, 160],
  ]);
});

test("in any order of what is held back the gaps are the same", () => {
  const random = seededRandom("pauses");
  const held = span(100, 400).filter((at) => at % 60 > 20);
  const live = [...span(0, 100), ...span(400, 500)];
  const expected = gapsIn(heard([...live, ...held]), 501);
  expect(expected.length).toBeGreaterThan(3);
  for (let round = 0; round < 50; round++) {
    const shuffled = held
      .map((at) => [random.next(), at] as const)
      .sort(([a], [b]) => a - b)
      .map(([, at]) => at);
    expect(gapsIn(heard([...live, ...shuffled]), 501)).toEqual(expected);
  }
});

test("what was before the first reading that came is a gap too, once something before it comes", () => {
  expect(gapsIn(heard([...span(100, 200), 10]), 201)).toEqual([[10, 100]]);
});

test("a roll-up stands for readings all through its windows", () => {
  const pauses = heard([...span(0, 100), ...span(160, 200)]);
  pauses.cover({ from: 100 * minute, to: 130 * minute }, leastMs);
  pauses.cover({ from: 130 * minute, to: 150 * minute }, leastMs);
  expect(gapsIn(pauses, 201)).toEqual([[150, 160]]);
});

test("a device was heard in a period where a gap does not cover it", () => {
  const pauses = heard([...span(0, 100), ...span(1_500, 1_600)]);
  expect(pauses.isHeardIn(day)).toBe(true);
  expect(pauses.isHeardIn({ from: 200 * minute, to: 1_400 * minute })).toBe(false);
  expect(pauses.isHeardIn({ from: 1_600 * minute, to: 1_700 * minute })).toBe(false);
  heard([700], pauses);
  expect(pauses.isHeardIn({ from: 200 * minute, to: 1_400 * minute })).toBe(true);
});

test("of more gaps than there is room for the longest stay, and all is kept over a restart", () => {
  const times = span(0, 60).flatMap((gap) => span(gap * 100, gap * 100 + 90 - gap));
  const pauses = heard(times);
  const gaps = gapsIn(pauses, times.at(-1) ?? 0);
  expect(gaps).toHaveLength(24);
  expect(gaps.at(-1)).toEqual([58 * 100 + 31, 5_900]);
  const again = Pauses.from(JSON.parse(JSON.stringify(pauses.row())));
  expect(again.row()).toEqual(pauses.row());
  expect(again).toEqual(pauses);
});

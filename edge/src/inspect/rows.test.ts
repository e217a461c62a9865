// Goal: however many names come, so many rows are there, and those that are in use stay.
import { expect, test } from "vitest";
import type { Row } from "./rows.ts";
import { Beyond, quietMs, Rows } from "./rows.ts";

class Named implements Row {
  readonly name: string;
  lastMs: number;
  isGone = false;
  constructor(name: string, nowMs: number) {
    this.name = name;
    this.lastMs = nowMs;
  }
}

function rowsOf(rowsMax: number, charactersMax = 10_000) {
  const removed: string[] = [];
  const rows = new Rows<Named>(
    { rowsMax, charactersMax },
    (name, nowMs) => new Named(name, nowMs),
    ({ name }) => removed.push(name),
  );
  return { rows, removed };
}

test("a name beyond the bound has no row while all others are in use", () => {
  const { rows, removed } = rowsOf(2);
  const [a, b] = [rows.of("a", 0), rows.of("b", 0)];
  expect(rows.of("c", quietMs - 1)).toBeUndefined();
  expect([rows.find("a"), rows.find("b"), rows.size, removed]).toEqual([a, b, 2, []]);
});

test("a name beyond the bound takes the place of one that was quiet, not of the oldest", () => {
  const { rows, removed } = rowsOf(3);
  for (const name of ["a", "b", "c"]) rows.of(name, 0);
  for (const name of ["a", "c"]) {
    const row = rows.find(name);
    if (row !== undefined) row.lastMs = quietMs;
  }
  const b = rows.find("b");
  expect(rows.of("d", quietMs)?.name).toBe("d");
  expect([removed, b?.isGone, rows.find("a")?.isGone]).toEqual([["b"], true, false]);
});

test("names are bounded together, and none takes more than a hundredth", () => {
  const { rows } = rowsOf(10_000, 1_000);
  expect(rows.of("12345678901", 0)).toBeUndefined();
  for (let n = 0; n < 99; n++) expect(rows.of(`1234567${100 + n}`, 0)).toBeDefined();
  expect(rows.of("12345678aa", 0)).toBeDefined();
  expect(rows.of("b", 0)).toBeUndefined();
});

test("a storm of new names takes no place of what is in use, and no time", () => {
  const { rows } = rowsOf(4_096, 1_000_000);
  for (let n = 0; n < 4_096; n++) rows.of(`used${n}`, 0);
  let made = 0;
  for (let n = 0; n < 200_000; n++) if (rows.of(`new${n}`, 1_000) !== undefined) made++;
  expect(made).toBe(0);
  expect(rows.size).toBe(4_096);
  expect(rows.find("used7")).toBeDefined();
});

test("a bound that is reached is told once, and again an hour after it was left", () => {
  const told: string[] = [];
  const beyond = new Beyond((detail) => told.push(detail));
  const hourMs = 3_600_000;
  for (const nowMs of [0, 1_000, hourMs - 1, 2 * hourMs - 2]) {
    beyond.happened(nowMs, () => `at ${nowMs}`);
  }
  expect(told).toEqual(["at 0"]);
  beyond.happened(3 * hourMs, () => "again");
  expect([told, beyond.count]).toEqual([["at 0", "again"], 5]);
});

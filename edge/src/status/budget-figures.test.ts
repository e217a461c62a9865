/** Goal: a person reads what a gateway may still send, what waits, and until when. */
import { expect, test } from "vitest";
import { wellStatus } from "../testing/edge-status.ts";
import type { BudgetStatus } from "../uplink/budget.ts";
import { budgetFields, budgetMetrics, budgetRows, budgetTroubles } from "./budget-figures.ts";

const hourMs = 3_600_000;
const midnight = Date.parse("2026-05-05T22:00:00Z");
const { uplink } = wellStatus;
const day = {
  ...{ usedBytes: 45_100_000, bytesMax: 50_000_000, endsAt: midnight },
  used: { priority: 1e6, live: 40e6, history: 3e6, other: 1.1e6 },
};
const until = { until: midnight, waitsMs: 3 * hourMs };
const waiting = { ...uplink.lanes, history: { unsentEvents: 9, untakenEvents: 9 } };

const rowsOf = (budget: Partial<BudgetStatus>, lanes = waiting) =>
  budgetRows({ ...uplink, lanes, budget: { ...uplink.budget, zone: "Europe/Berlin", ...budget } });

test("without a budget there is the cap alone", () => {
  expect(rowsOf({})).toEqual([["Cap", "none"]]);
  expect(rowsOf({ capBytesPerSecond: 4_096, bytesPerSecond: 4_096 })).toEqual([
    ["Cap", "4.0 KiB a second"],
  ]);
});

test("a day that is used up says until when, by the clock there", () => {
  const budget = { day, bytesPerSecond: 8_192, holds: { live: { why: "day", ...until } } } as const;
  expect(rowsOf(budget)[1]).toEqual([
    "Budget",
    "45.1 of 50 MB used since midnight; at most 8.0 KiB a second; the day's budget is used up " +
      "until 00:00 Europe/Berlin, in 3 h: live data waits, alarms go on",
  ]);
});

test("what holds history is told while history waits", () => {
  const holds = { history: { why: "hours", ...until } } as const;
  expect(rowsOf({ holds })[1]?.[1]).toBe(
    "history waits for its hours, until 00:00 Europe/Berlin, in 3 h",
  );
  expect(rowsOf({ holds }, uplink.lanes)).toHaveLength(1);
  const live = { history: { why: "live", until: undefined, waitsMs: undefined } } as const;
  expect(rowsOf({ day, holds: live })[1]?.[1]).toContain("as live data needs what is left");
});

test("where alarms wait, too, that is the trouble; while nobody knows the time it says so", () => {
  const holds = { priority: { why: "day", ...until }, live: { why: "day", ...until } } as const;
  const budget = { ...uplink.budget, day, holds };
  expect(budgetTroubles(budget)).toEqual([
    "the day's budget is used up, alarms' part too, until 22:00 UTC, in 3 h",
  ]);
  const unknown = { why: "day", until: undefined, waitsMs: undefined } as const;
  expect(budgetTroubles({ ...budget, holds: { live: unknown } })).toEqual([
    "the day's budget is used up until the clock is set: live data waits, alarms go on",
  ]);
});

test("heartbeats tell it where there is one, and metrics always", () => {
  expect(budgetFields(uplink.budget, 7)).toEqual({});
  expect(budgetFields({ ...uplink.budget, day }, undefined)).toEqual({
    ...{ drainMs: null, budgetBytes: 45_100_000, budgetBytesMax: 50_000_000 },
  });
  const holds = { live: { why: "day", ...until } } as const;
  const metrics = budgetMetrics({ ...uplink, budget: { ...uplink.budget, day, holds } });
  const values = metrics.map(({ name, labels, value }) => [
    name,
    ...Object.values(labels ?? {}),
    value,
  ]);
  expect(values).toEqual([
    ["causeway_edge_cap_bytes_per_second", -1],
    ["causeway_edge_budget_bytes_per_second", -1],
    ["causeway_edge_budget_day_bytes_max", 50_000_000],
    ["causeway_edge_budget_day_bytes", "priority", 1e6],
    ["causeway_edge_budget_day_bytes", "live", 40e6],
    ["causeway_edge_budget_day_bytes", "history", 3e6],
    ["causeway_edge_budget_day_bytes", "other", 1.1e6],
    ["causeway_edge_budget_held", "priority", 0],
    ["causeway_edge_budget_held", "live", 1],
    ["causeway_edge_budget_held", "history", 0],
  ]);
});

// The bar accounts for every position once, in order, and says of each what became of it.
import { expect, test } from "vitest";
import type { LedgerRow } from "./api-types.ts";
import { barOf } from "./ledger-bar.ts";

const row = (epoch: string, more: Partial<LedgerRow>): LedgerRow => ({
  ...{ epoch, log: "telemetry", through: 0, end: null, stretches: [] },
  ...more,
});
const told = (ledger: readonly LedgerRow[], waiting = 0) =>
  barOf("telemetry", ledger, waiting).pieces.map(
    ({ epoch, state, from, to }) => `${epoch} ${state} ${from}-${to}`,
  );

test("what was taken, lost and thinned stands in its place", () => {
  const stretches = [
    { from: 20, to: 29, state: "thinned", reason: "" },
    { from: 5, to: 6, state: "lost", reason: "disk-full" },
  ] as const;
  expect(told([row("1", { through: 40, end: 40, stretches })])).toEqual([
    "1 taken 1-4",
    "1 lost 5-6",
    "1 taken 7-19",
    "1 thinned 20-29",
    "1 taken 30-40",
  ]);
});

test("epochs come oldest first, and what waits is of the one that is open", () => {
  const ledger = [row("2", { through: 3 }), row("1", { through: 10, end: 12 })];
  expect(told(ledger, 5)).toEqual(["1 taken 1-10", "1 open 11-12", "2 taken 1-3", "2 waiting 4-8"]);
  expect(barOf("telemetry", ledger, 5).total).toBe(20);
});

test("a stretch at the start, at the end, and beyond what was taken is counted once", () => {
  const stretches = [{ from: 1, to: 3, state: "dead", reason: "" }] as const;
  expect(told([row("1", { through: 3, end: 3, stretches })])).toEqual(["1 dead 1-3"]);
  expect(told([row("1", { through: 1, stretches })], 0)).toEqual(["1 dead 1-3"]);
});

test("another log has a bar of its own", () => {
  const ledger = [row("1", { log: "priority", through: 2 }), row("1", { through: 9 })];
  expect(barOf("priority", ledger, 7).total).toBe(2);
});

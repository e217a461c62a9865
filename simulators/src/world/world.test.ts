// The goal: real gateways and engines keep their promise in any world of faults, and a seed replays
// exactly, so that what goes wrong once can be looked at again.
import { expect, test } from "vitest";
import { defaultFaults } from "./faults.ts";
import { drain } from "./system-drain.ts";
import { runWorld } from "./world.ts";

const seeds = 150;
const minutes = 3;
const plan = { minutes, faults: defaultFaults, traceLinesMax: 40 };

test("a world without faults takes everything, each event once", { timeout: 60_000 }, async () => {
  const result = await runWorld({ ...plan, seed: "calm", faults: [] }, drain);
  expect(result.violations).toEqual([]);
  expect(result.attempts).toBeGreaterThan(20);
  expect(result.sent).toBe(result.appended);
});

test(`${seeds} worlds of ${minutes} minutes keep what is promised`, {
  timeout: 120_000,
}, async () => {
  let [incidents, alerts, attempts] = [0, 0, 0];
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runWorld({ ...plan, seed: `${seed}` }, drain);
    const story = `seed ${seed}, faults ${result.faults.join(",")}\n${result.trace.join("\n")}`;
    expect(result.violations, story).toEqual([]);
    incidents += result.incidents;
    alerts += result.alerts;
    attempts += result.attempts;
  }
  expect(incidents / seeds, "or the test tests nothing").toBeGreaterThan(10);
  expect(alerts / seeds).toBeGreaterThan(10);
  expect(attempts / seeds).toBeGreaterThan(200);
});

test("the same seed gives the same history", { timeout: 60_000 }, async () => {
  for (const seed of ["7", "8", "9"]) {
    const [first, second] = [
      await runWorld({ ...plan, seed }, drain),
      await runWorld({ ...plan, seed }, drain),
    ];
    expect(second.traceHash).toBe(first.traceHash);
    expect(second).toEqual(first);
  }
  const other = await runWorld({ ...plan, seed: "10" }, drain);
  const again = await runWorld({ ...plan, seed: "11" }, drain);
  expect(again.traceHash).not.toBe(other.traceHash);
});

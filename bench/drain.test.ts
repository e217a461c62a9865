// Goal: the tables of the link say what was measured: medians, and the worst where one loss is one too many.
import { expect, test } from "vitest";
import { bytesPerReading, bytesTable } from "./bytes.ts";
import type { Drained } from "./drain.ts";
import { drainResultOf, drainTable } from "./drain.ts";
import { fleetMessages } from "./fleet-messages.ts";

function drained(drainedMs: number, lost = 0): Drained {
  const cpu = { edgeCpuSeconds: 0.25, cloudCpuSeconds: 1.5 };
  return { redialMs: 500, firstLiveMs: 200, drainedMs, lost, bytes: 1_640_000, ...cpu };
}

test("a peer is told by the medians of its rounds, and by the most that it lost", () => {
  const rounds = [drained(1_000), drained(9_000, 3), drained(2_000)];
  const result = drainResultOf("edge", 200_000, rounds, undefined);
  expect(result).toMatchObject({ drainedMs: 2_000, lost: 3, rounds: 3 });
  const [, , row] = drainTable([result]).split("\n");
  expect(row).toBe("| edge | 0.50 | 0.20 | 2.00 | 100k | 3 | 8.2 | 0.25 | 1.50 |");
});

test("a peer that was never measured has no figures, and says why", () => {
  const [, , row] = drainTable([drainResultOf("leaf", 10, [], "not installed")]).split("\n");
  expect(row).toMatch(/^\| leaf \(not installed\) \| - /);
});

test("bytes that are sent anyway are none of the readings", () => {
  const found = { peer: "edge", readings: 100, bytes: 3_000, spokeMs: 10_000 };
  const result = { ...found, idleBytes: 6_000, idleMs: 60_000 };
  expect(bytesPerReading(result)).toBe(20);
  const [, , row] = bytesTable([result]).split("\n");
  expect(row).toBe("| edge | 20.0 | 30.0 | 100.0 | 8.24 | 247.2 |");
});

test("the standard fleet is the same each time: twelve devices, each once a second", () => {
  const first = (count: number) => {
    const messages = fleetMessages(1_000);
    return Array.from({ length: count }, () => messages.next().value);
  };
  expect(first(24)).toEqual(first(24));
  expect(new Set(first(12).map(({ topic }) => topic)).size).toBe(12);
  expect(
    first(25)
      .map(({ atMs }) => atMs)
      .filter((ms) => ms % 1_000 === 0),
  ).toEqual([0, 1_000, 2_000]);
});

// The bench of workers reads metrics and tells figures as they are.
import { expect, test } from "vitest";
import { heldBy, takenBy, workersTable } from "./workers.ts";

test("events and partitions are read from the metrics of all workers", () => {
  const one = "causeway_engine_events_total 7\ncauseway_engine_partitions 32\n";
  expect(takenBy([one, one])).toBe(14);
  expect(heldBy([one, ""])).toEqual([32, 0]);
});

test("CPU and memory are told per million events, per worker and per series", () => {
  const told = workersTable([
    {
      ...{ series: 1_000, workers: 2, events: 2_000_000, seconds: 4, cpuSeconds: 8 },
      ...{ serverCpuSeconds: 1, residentBefore: 100e6, residentAfter: 102e6 },
    },
  ]);
  expect(told).toContain("| 1000 | 2 | 500k | 4.00 | 250k | 0.50 | 51 | 2000 |");
});

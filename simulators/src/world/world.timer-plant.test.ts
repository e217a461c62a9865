// The goal: a gateway that never goes back by itself is found. What the cloud could not tell, because it
// never got it, no mark can name.
import type * as Lanes from "@causeway/edge/uplink/lane.ts";
import { expect, test, vi } from "vitest";
import { findPlanted } from "./testing/planted.ts";

vi.mock(import("@causeway/edge/uplink/lane.ts"), async (original) => {
  const lanes: typeof Lanes = await original();
  const without = <Lane extends Lanes.Lane>(lane: Lane): Lane =>
    Object.defineProperty(lane, "nothingTakenMs", { get: () => 1e12, set: () => {} });
  return { ...lanes, newLane: (...parts) => without(lanes.newLane(...parts)) };
});

test("a planted bug is found: the go-back timer is missing", { timeout: 120_000 }, async () => {
  const planted = {
    name: "timer",
    finds: ["C7"],
    faults: [],
    sure: ["ack-without-store"] as const,
  };
  expect(await findPlanted(planted)).toBeGreaterThan(0);
});

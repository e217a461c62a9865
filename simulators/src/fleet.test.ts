// A fleet on a clock and a broker in memory: who publishes what and when, whatever happens.
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import type { Connection, Publish } from "./connection.ts";
import type { FaultLabel } from "./faults/fault.ts";
import { parseFault } from "./faults/fault-text.ts";
import type { FleetPlan } from "./fleet.ts";
import { fleetClientIds, fleetMembers, runFleet } from "./fleet.ts";
import { Tally } from "./tally.ts";
import { MemoryBroker } from "./testing/memory-connection.ts";

const startWallMs = Date.UTC(2026, 0, 1);

/** A clock whose process can have been asleep. */
class PausingClock extends VirtualClock {
  pausedMs = 0;
  override bootMs(): number {
    return super.bootMs() + this.pausedMs;
  }
}

function openFleet(changes: Partial<FleetPlan> = {}, windowMax = 100) {
  const clock = new PausingClock(startWallMs);
  const broker = new MemoryBroker();
  const tally = new Tally();
  const labels: FaultLabel[] = [];
  const members = changes.members ?? fleetMembers("sim-", 2, "temperature");
  const listener = { online() {}, offline() {}, written() {}, refused() {} };
  const counting = {
    ...listener,
    sent: () => void tally.sent++,
    acknowledged: () => void tally.acknowledged++,
  };
  const connections: Connection[] = members.map(() => broker.connect(windowMax, counting));
  for (const connection of connections) connection.start();
  const plan = { members, seed: "1", intervalMs: 1_000, faults: [], ...changes };
  const ports = {
    clock,
    connections,
    tally,
    label: (label: FaultLabel) => void labels.push(label),
  };
  const ending = new AbortController();
  let over = false;
  const run = runFleet(plan, ports, ending.signal).then(() => {
    over = true;
  });
  return { clock, broker, tally, labels, ending, run, isOver: () => over };
}

function bodyOf({ payload }: Publish): Record<string, number> {
  return JSON.parse(payload) as Record<string, number>;
}

test("devices publish once an interval, their phases spread over it, each from seq 1", async () => {
  const { clock, broker } = openFleet();
  await clock.advance(2_600);
  const seen = broker.received.map((publish) => {
    const { ts = 0, seq } = bodyOf(publish);
    return [publish.topic, ts - startWallMs, seq];
  });
  expect(seen).toEqual([
    ["devices/sim-001/telemetry", 0, 1],
    ["devices/sim-002/telemetry", 500, 1],
    ["devices/sim-001/telemetry", 1_000, 2],
    ["devices/sim-002/telemetry", 1_500, 2],
    ["devices/sim-001/telemetry", 2_000, 3],
    ["devices/sim-002/telemetry", 2_500, 3],
  ]);
});

test("the same seed measures the same, another seed another", async () => {
  const valuesOf = async (seed: string) => {
    const { clock, broker } = openFleet({ seed });
    await clock.advance(10_000);
    return broker.received.map((publish) => bodyOf(publish)["temperature"]);
  };
  expect(await valuesOf("7")).toEqual(await valuesOf("7"));
  expect(await valuesOf("7")).not.toEqual(await valuesOf("8"));
});

test("it ends at its count, over all devices", async () => {
  const { clock, broker, isOver } = openFleet({ publishesMax: 5 });
  await clock.advance(10_000);
  expect(broker.received.length).toBe(5);
  expect(isOver()).toBe(true);
});

test("it ends when its time is over, not before", async () => {
  const { clock, broker, isOver } = openFleet({ durationMs: 3_000 });
  await clock.advance(2_999);
  expect(isOver()).toBe(false);
  await clock.advance(1);
  expect(isOver()).toBe(true);
  expect(broker.received.length).toBe(6);
});

test("it ends at once when it is told to", async () => {
  const { clock, ending, isOver } = openFleet();
  await clock.advance(100);
  ending.abort();
  await clock.advance(0);
  expect(isOver()).toBe(true);
});

test("while the broker is away it keeps a window and skips the rest without a seq", async () => {
  const { clock, broker, tally } = openFleet({}, 3);
  await clock.advance(1_900);
  broker.away();
  await clock.advance(60_000);
  expect(tally.skipped).toBe(120 - 6);
  broker.back();
  await clock.advance(2_000);
  const seqs = broker.received.filter(({ device }) => device === "sim-001").map(({ seq }) => seq);
  expect(seqs).toEqual(Array.from(seqs, (_, index) => index + 1));
  expect(tally.acknowledged).toBe(tally.sent);
});

test("values after an outage are those that the seed gives to that moment", async () => {
  const undisturbed = openFleet();
  await undisturbed.clock.advance(30_000);
  const disturbed = openFleet({}, 1);
  await disturbed.clock.advance(5_100);
  disturbed.broker.away();
  await disturbed.clock.advance(10_000);
  disturbed.broker.back();
  await disturbed.clock.advance(14_900);
  const last = ({ broker }: { broker: MemoryBroker }) =>
    bodyOf(broker.received.at(-1) as Publish)["temperature"];
  expect(last(disturbed)).toBe(last(undisturbed));
});

test("after a pause of the process the past is not made up for", async () => {
  const { clock, broker, tally } = openFleet();
  await clock.advance(100);
  clock.pausedMs = 3_600_000;
  await clock.advance(2_000);
  expect(broker.received.length).toBeLessThan(10);
  expect(tally.skipped).toBeGreaterThan(7_000);
});

test("a fault changes one metric of one device for its time and is labelled once", async () => {
  const members = fleetMembers("sim-", 3, "mixed");
  const fault = parseFault("device=2,metric=vibration,at=10s,for=5s,size=50", members);
  const { clock, broker, labels } = openFleet({ members, faults: [fault] });
  await clock.advance(30_000);
  const faulty = broker.received.filter((publish) => (bodyOf(publish)["vibration"] ?? 0) > 40);
  expect(faulty.length).toBe(5);
  expect(new Set(faulty.map(({ device }) => device))).toEqual(new Set(["sim-002"]));
  expect(labels).toEqual([
    {
      device: "sim-002",
      metric: "vibration",
      kind: "shift",
      size: 50,
      from: startWallMs + 10_000,
      to: startWallMs + 15_000,
    },
  ]);
});

test("names sort as they count", () => {
  expect(fleetMembers("d", 2, "energy").map(({ name }) => name)).toEqual(["d001", "d002"]);
  expect(fleetMembers("d", 1_000, "energy").at(-1)?.name).toBe("d1000");
});

test("each device has a connection while there are enough, else they share", () => {
  const members = fleetMembers("d", 3, "energy");
  expect(fleetClientIds(members, "d", 3)).toEqual(["d001", "d002", "d003"]);
  expect(fleetClientIds(members, "d", 2)).toEqual(["dshared-1", "dshared-2"]);
});

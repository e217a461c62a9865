// A replay keeps the file's order and its pace, and waits for the broker.
import { deviceId } from "@causeway/shared/names.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import type { ConnectionListener } from "../connection.ts";
import { MemoryBroker } from "../testing/memory-connection.ts";
import type { Row } from "./columns.ts";
import { latestTimeMs, replay } from "./replay.ts";

const deaf: ConnectionListener = {
  online() {},
  offline() {},
  sent() {},
  acknowledged() {},
  written() {},
  refused() {},
};

async function* rowsAt(...timesMs: readonly number[]): AsyncGenerator<readonly Row[]> {
  for (const timeMs of timesMs) yield [{ timeMs, metrics: { value: timeMs / 1_000 } }];
}

function open(timesMs: readonly number[], speed: number, windowMax = 10, shiftMs = 0) {
  const clock = new VirtualClock();
  const broker = new MemoryBroker();
  const connection = broker.connect(windowMax, deaf);
  connection.start();
  const ending = new AbortController();
  const plan = { device: deviceId("pump"), speed, shiftMs, windowMax };
  const done = replay(plan, rowsAt(...timesMs), connection, clock, ending.signal);
  return { clock, broker, ending, done, payloads: () => broker.received.map((p) => p.payload) };
}

test("payloads hold the row's time, its metrics and seq", async () => {
  const { done, broker } = open([1_000, 2_000], Infinity);
  expect(await done).toEqual({ complete: true });
  expect(broker.received).toEqual([
    {
      device: "pump",
      topic: "devices/pump/telemetry",
      payload: '{"ts":1000,"value":1,"seq":1}',
      seq: 1,
    },
    {
      device: "pump",
      topic: "devices/pump/telemetry",
      payload: '{"ts":2000,"value":2,"seq":2}',
      seq: 2,
    },
  ]);
});

test("R1 rows keep the file's order where times repeat and step back", async () => {
  const { done, payloads } = open([5_000, 5_000, 1_000, 6_000], Infinity);
  await done;
  expect(payloads().map((payload) => (JSON.parse(payload) as { ts: number }).ts)).toEqual([
    5_000, 5_000, 1_000, 6_000,
  ]);
});

test("at speed 60 an hour of the file takes a minute", async () => {
  const { clock, payloads } = open([0, 1_800_000, 3_600_000], 60);
  await clock.advance(29_999);
  expect(payloads().length).toBe(1);
  await clock.advance(1);
  expect(payloads().length).toBe(2);
  await clock.advance(30_000);
  expect(payloads().length).toBe(3);
});

test("a step back in time follows at once, and the pace goes on from where it was", async () => {
  const { clock, payloads } = open([0, 10_000, 4_000, 11_000], 1);
  await clock.advance(10_000);
  expect(payloads().length).toBe(3);
  await clock.advance(999);
  expect(payloads().length).toBe(3);
  await clock.advance(1);
  expect(payloads().length).toBe(4);
});

test("a wait longer than timers can count is waited for in pieces", async () => {
  const { clock, payloads } = open([0, 30 * 86_400_000], 1);
  await clock.advance(30 * 86_400_000 - 1);
  expect(payloads().length).toBe(1);
  await clock.advance(1);
  expect(payloads().length).toBe(2);
});

test("a shift is added to every time", async () => {
  const { done, payloads } = open([1_000], Infinity, 10, 500);
  await done;
  expect(payloads()).toEqual(['{"ts":1500,"value":1,"seq":1}']);
});

test("R2 it waits while the window is full, and goes on in order", async () => {
  const times = Array.from({ length: 20 }, (_, index) => index);
  const { clock, broker, done, payloads } = open(times, Infinity, 3);
  broker.away();
  await clock.advance(60_000);
  const before = payloads().length;
  expect(before).toBeLessThan(4);
  broker.back();
  await clock.advance(0);
  expect(await done).toEqual({ complete: true });
  const seqs = payloads().map((payload) => (JSON.parse(payload) as { seq: number }).seq);
  expect(seqs).toEqual(times.map((time) => time + 1));
});

test("it ends where it stands when it is told to, in a wait for time or for room", async () => {
  const slow = open([0, 60_000], 1);
  await slow.clock.advance(1_000);
  slow.ending.abort();
  expect(await slow.done).toEqual({ complete: false });
  const full = open([0, 0, 0, 0], Infinity, 1);
  full.broker.away();
  await full.clock.advance(1_000);
  full.ending.abort();
  expect(await full.done).toEqual({ complete: false });
});

test("the latest time of a recording need not be its last", async () => {
  expect(await latestTimeMs(rowsAt(1, 5, 3))).toBe(5);
  expect(await latestTimeMs(rowsAt())).toBeUndefined();
});

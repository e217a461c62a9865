// The goal: a load tells the truth about a real broker: what was acknowledged arrived, what a broken
// connection left open comes again, and a stall is seen by every message that it held up.

import { systemClock } from "@causeway/shared/system-clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AedesBroker } from "../testing/aedes-broker.ts";
import { isGoodLoad } from "./report.ts";
import type { LoadOptions } from "./system-load.ts";
import { runLoad } from "./system-load.ts";

const clock = systemClock();
let broker: AedesBroker;

beforeEach(async () => {
  broker = new AedesBroker();
  await broker.back();
});

afterEach(() => broker.away());

function load(own: Partial<LoadOptions>, lines: object[] = []) {
  const options: LoadOptions = {
    host: "127.0.0.1",
    port: Number(new URL(broker.url).port),
    username: undefined,
    password: undefined,
    qos: 1,
    connections: 4,
    window: 20,
    rate: undefined,
    messages: Number.POSITIVE_INFINITY,
    warmUpMs: 0,
    durationMs: 20_000,
    drainMs: 10_000,
    payloadBytes: 120,
    topic: "devices/%d/telemetry",
    prefix: "load-",
    reconnects: false,
    pid: process.pid,
    ...own,
  };
  const acked = { write: (line: object) => void lines.push(line), close: () => {} };
  return runLoad(options, clock, acked, new AbortController().signal);
}

const seqsOf = (device: string) =>
  broker.received
    .filter(({ topic }) => topic === `devices/${device}/telemetry`)
    .map(({ payload }) => (JSON.parse(payload) as { seq: number }).seq);

test("so many messages as asked for are acknowledged, each once and in order", async () => {
  const lines: { device?: string; seq?: number }[] = [];
  const report = await load({ messages: 1_001 }, lines);
  expect(report).toMatchObject({ messages: 1_001, again: 0, unacknowledged: 0, failures: [] });
  expect(isGoodLoad(report)).toBe(true);
  expect(report.process?.residentBytesMax).toBeGreaterThan(10_000_000);
  expect(report.latencyMs?.max).toBeGreaterThan(0);
  expect(seqsOf("load-0001")).toEqual(Array.from({ length: 251 }, (_, index) => index + 1));
  expect(seqsOf("load-0004")).toHaveLength(250);
  expect(lines.filter(({ device }) => device === "load-0001").map(({ seq }) => seq)).toEqual(
    seqsOf("load-0001"),
  );
});

test("at QoS 0 the end is known by a ping", async () => {
  const report = await load({ qos: 0, messages: 1_000, reconnects: false });
  expect(report).toMatchObject({ messages: 1_000, latencyMs: undefined, failures: [] });
  expect(broker.received).toHaveLength(1_000);
});

test("what a broken connection left open comes again, marked, and is acknowledged", async () => {
  broker.silence(300);
  const lines: { device: string; seq: number }[] = [];
  const running = load({ messages: 2_000, reconnects: true }, lines);
  await broker.untilReceived(300);
  await broker.away();
  await broker.back();
  const report = await running;
  expect(report).toMatchObject({ unacknowledged: 0, failures: [] });
  expect(report.again).toBeGreaterThan(0);
  expect(new Set(lines.map(({ device, seq }) => `${device} ${seq}`)).size).toBe(2_000);
  expect(broker.received.filter(({ dup }) => dup).length).toBeGreaterThanOrEqual(report.again);
});

test("a lost connection is told where it is not made again", async () => {
  const running = load({});
  await broker.untilReceived(100);
  await broker.away();
  const report = await running;
  expect(report.failures[0]).toMatch(/^load-000[1-4]: /);
  expect(isGoodLoad(report)).toBe(false);
});

test("in an open loop every message that a stall held up shows it", async () => {
  broker.silence(500);
  const running = load({ rate: 1_000, messages: 1_500, reconnects: true, window: 10 });
  await broker.untilReceived(500);
  await broker.away();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await broker.back();
  const report = await running;
  expect(report).toMatchObject({ messages: 1_500, unacknowledged: 0 });
  // A closed loop would have told of 40 slow messages; here a third of all were due meanwhile.
  expect(report.latencyMs?.p90).toBeGreaterThan(200);
});

// Messages that are as large, or as bad, as a gateway can make them, on a real nats-server: each is
// worked off, has its effect once, and leaves a commit that the server takes.

import type { Event } from "@causeway/shared/event.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { MetricName } from "@causeway/shared/names.ts";
import { deviceId } from "@causeway/shared/names.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import type { RunningEngine } from "./testing/nats-engine.ts";
import { startEngine, storedTransitions, until } from "./testing/nats-engine.ts";

/** Each reading is a transition, without end. */
const counting = rulesSchema.parse([{ name: "hot", detector: "limits", hi: 50, flap: "off" }]);

let server: NatsServer;
let connection: NatsConnection;
let running: RunningEngine;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection), { engineBytesMax: 512 * 1_024 * 1_024 });
  running = await startEngine(server.url, counting);
});

afterEach(async () => {
  await running.stop();
  await connection.close();
  await server.remove();
});

async function publish(from: number, events: readonly Event[]): Promise<void> {
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  await publishMessage(connection, journalMessage(0, from, events, { head }));
}

async function through(): Promise<number> {
  const manager = await jetstreamManager(connection);
  const found = await manager.streams.getMessage("ENGINE", { last_by_subj: "mark.*.g1" });
  const mark = found === null ? undefined : decodeMark(found.string());
  return mark?.epochs[0]?.logs.telemetry.through ?? 0;
}

test("35,000 events in one message, each of which is an alert: all once, over a crash", async () => {
  const flips = (from: number) =>
    Array.from({ length: 35_000 }, (_, index) =>
      readingEvent("d1", "temperature", (from + index) % 2 === 1 ? 60 : 20, from + index),
    );
  await publish(1, flips(1));
  await until("all is taken", async () => (await through()) === 35_000);
  await running.connection.close(); // as if it were killed: no snapshot, nothing released
  running = await startEngine(server.url, counting);
  await publish(35_001, flips(35_001));
  await until("all is taken", async () => (await through()) === 70_000);
  const told = (await storedTransitions(connection)).filter(({ rule }) => rule === "hot");
  expect(told).toHaveLength(70_000);
  expect(new Set(told.map(({ id, state }) => `${id} ${state}`)).size).toBe(70_000);
});

test("a gateway of 1,000 devices with 10 metrics each, all of them hot at once", async () => {
  const whole = (value: number): Event[] =>
    Array.from({ length: 1_000 }, (_, device) => ({
      kind: "reading",
      device: deviceId(`d${device}`),
      topic: `devices/d${device}/telemetry`,
      bootMs: 1_000,
      observedAt: null,
      readings: Array.from({ length: 10 }, (_, metric) => ({
        ...{ metric: `m${metric}` as MetricName, value, quality: "good" as const },
      })),
    }));
  await publish(1, whole(60));
  await publish(1_001, whole(20));
  await until("all is taken", async () => (await through()) === 2_000);
  const told = (await storedTransitions(connection)).filter(({ rule }) => rule === "hot");
  const refused = running.engine.status().alertsRefused;
  expect(told.filter(({ state }) => state === "firing").length + refused).toBe(10_000);
  expect(told.filter(({ state }) => state === "firing").length).toBeGreaterThanOrEqual(1_000);
  const open = told.filter(({ state }) => state === "firing").length;
  expect(told.filter(({ state }) => state === "resolved")).toHaveLength(open);
});

test("5,000 events in one batch that cannot be understood: the partition goes on, each is counted", async () => {
  const bad = Array.from({ length: 5_000 }, (_, index) => {
    const event = readingEvent("d1", "temperature", 20, index + 1);
    return { ...event, kind: "unheard-of" } as unknown as Event;
  });
  await publish(1, bad);
  await publish(5_001, [readingEvent("d1", "temperature", 60, 5_001)]);
  await until("all is taken", async () => (await through()) === 5_001);
  expect(running.engine.status().dead).toBe(5_000);
  expect(await storedTransitions(connection)).toMatchObject([{ rule: "hot", state: "firing" }]);
});

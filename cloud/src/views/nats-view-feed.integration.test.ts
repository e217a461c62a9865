// The view follows the real streams: from their first message, over a killed server, and over one
// that came back older than it was.
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { derivedEvent } from "@causeway/shared/testing/derived-event.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { journalMessage } from "../testing/journal-writer.ts";
import {
  connectTest,
  mebibyte,
  prepareStreams,
  publishMessage,
} from "../testing/nats-journal-writer.ts";
import { FleetView } from "./fleet-view.ts";
import { NatsViewFeed } from "./nats-view-feed.ts";
import { readings } from "./testing/taken.ts";

const patience = { timeout: 30_000, interval: 20 };

let server: NatsServer;
let connection: NatsConnection;
let view: FleetView;
let feed: NatsViewFeed;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager, { telemetryBytesMax: mebibyte, engineBytesMax: mebibyte });
  view = new FleetView();
  const client = jetstream(connection);
  const parts = { connection, jetstream: client, manager, view, random: systemRandom };
  feed = new NatsViewFeed({ ...parts, clock: systemClock(), log: silentLogger });
});

afterEach(async () => {
  await feed.stop();
  await connection.close();
  await server.remove();
});

/** One batch of events with consecutive values from position `from`. */
async function publish(from: number, values: readonly number[], random = "1"): Promise<void> {
  const events = values.map((value) => readings("tank", { level: value }));
  const options = { gateway: "gw-1", head: { nonce: `0.${random}` } };
  await publishMessage(connection, journalMessage(0, from, events, options), "gw-1");
}

/** What is asked while the client dials anew is lost, and only a time-out tells so. */
async function connected(): Promise<void> {
  await vi.waitFor(() => connection.rtt(), patience);
}

async function tell(id: string): Promise<void> {
  const message = { v: 1, transitions: [transition({ id })] };
  await jetstream(connection).publish("alert.3.gw-1.too-warm", JSON.stringify(message));
}

const levels = () => view.latestSeries(1)[0]?.recent;
const alertIds = () => view.alerts().open.map(({ id }) => id);

test("what the journal held before the start is shown, and what comes after", async () => {
  await publish(1, [10, 11]);
  await tell("early");
  feed.start();
  await vi.waitFor(() => expect(levels()).toEqual([10, 11]), patience);
  await publish(3, [12]);
  await tell("late");
  await vi.waitFor(() => expect(levels()).toEqual([10, 11, 12]), patience);
  await vi.waitFor(() => expect(alertIds()).toEqual(["early", "late"]), patience);
  expect(view.counters()).toMatchObject({ events: 3, repeats: 0, dead: 0 });
  expect(view.gateways(1)[0]?.storedAt).toBeGreaterThan(Date.now() - 60_000);
});

test("what rules emit is shown, and one message that cannot be read hides no other", async () => {
  const emit = (text: string) => jetstream(connection).publish("derived.3.gw-1.door-ajar", text);
  const message = (id: string) => JSON.stringify({ v: 1, events: [derivedEvent({ id })] });
  await emit(message("one"));
  feed.start();
  await emit("garbage");
  await emit(message("two"));
  const ids = () => view.derived(10).map(({ id }) => id);
  await vi.waitFor(() => expect(ids()).toEqual(["two", "one"]), patience);
  expect(alertIds()).toEqual([]);
});

test("a repeated batch is taken once, one that came too early not at all", async () => {
  await publish(1, [10]);
  await publish(1, [10]);
  await publish(3, [12]);
  feed.start();
  await vi.waitFor(() => expect(view.counters()).toMatchObject({ doubts: 1 }), patience);
  expect(view.counters()).toMatchObject({ events: 1, repeats: 1 });
});

test("over a killed server nothing is missed and nothing counted twice", async () => {
  feed.start();
  await publish(1, [10]);
  await tell("before");
  await vi.waitFor(() => expect(alertIds()).toEqual(["before"]), patience);
  await server.kill();
  await server.start();
  await connected();
  await publish(2, [11]);
  await tell("after");
  await vi.waitFor(() => expect(alertIds()).toEqual(["before", "after"]), patience);
  await vi.waitFor(() => expect(levels()).toEqual([10, 11]), patience);
  expect(feed.status()).toMatchObject({ events: { rebuilds: 0 }, alerts: { rebuilds: 0 } });
});

test("after a rollback the view is built anew from what the streams hold now", async () => {
  await publish(1, [10]);
  await tell("kept");
  await server.stop();
  const [store, backup] = [join(server.folder, "store"), join(server.folder, "backup")];
  await cp(store, backup, { recursive: true });
  await server.start();
  feed.start();
  await connected();
  await publish(2, [11], "2");
  await tell("gone");
  await vi.waitFor(() => expect(levels()).toEqual([10, 11]), patience);
  await vi.waitFor(() => expect(alertIds()).toEqual(["kept", "gone"]), patience);
  const { generation } = view;
  await server.kill();
  await rm(store, { recursive: true });
  await cp(backup, store, { recursive: true });
  await server.start();
  await connected();
  await publish(2, [21, 22], "3");
  await tell("new");
  await vi.waitFor(() => expect(levels()).toEqual([10, 21, 22]), patience);
  await vi.waitFor(() => expect(alertIds()).toEqual(["kept", "new"]), patience);
  expect(view.generation).toBe(generation + 2);
  expect(feed.status()).toMatchObject({ events: { rebuilds: 1 }, alerts: { rebuilds: 1 } });
});

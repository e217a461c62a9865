/**
 * Goal: sessions and queues are bounded by age, count and bytes, what is given up is counted and gone
 * from the disk too, and nobody who reads pays for those who stay away.
 */
import { silentLogger } from "@causeway/shared/log.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { Life } from "../testing/outbox-life.ts";
import { defaultBrokerBounds } from "./bounds.ts";
import type { SessionBounds } from "./sessions.ts";
import { Sessions } from "./sessions.ts";

const hourMs = 3_600_000;
const topic = "devices/d1/telemetry/t";

async function begin(
  bounds: Partial<SessionBounds> = {},
  { disk = new MemoryDisk(), bootMs = 0 } = {},
) {
  const life = await Life.begin(disk);
  await life.clock.advance(bootMs);
  life.outbox.listen({ epochOpened() {}, appended() {}, poisoned() {} });
  const forgotten: string[] = [];
  const sessions = new Sessions({
    records: life.outbox.records,
    clock: life.clock,
    bounds: { ...defaultBrokerBounds.sessions, ...bounds },
    log: silentLogger,
    forgotten: (client) => forgotten.push(client),
  });
  await sessions.load();
  const done = async <Result>(work: Promise<Result>): Promise<Result> => {
    await life.clock.advance(10);
    return work;
  };
  const subscribed = async (client: string, filter = "devices/#") => {
    await done(sessions.open(client));
    await done(sessions.subscribe(client, [{ topic: filter, qos: 1 }]));
  };
  const publish = (bytes: number, value = 1, on = topic) => {
    const payload = Buffer.alloc(bytes, value);
    return done(sessions.enqueueAlone({ topic: on, payload, qos: 1, retain: false }).write);
  };
  const queueOf = async (client: string) => {
    const batch = await done(sessions.batch(client, 0));
    return batch.map((each) => (each.kind === "publish" ? each.message.payload[0] : each.kind));
  };
  const onDisk = async (kind: string) => {
    // What nobody waits for goes with the next group, or alone a second later.
    await life.clock.advance(2_000);
    const next = String.fromCharCode(kind.charCodeAt(0) + 1);
    const range = { from: Buffer.from(`q${kind}`), until: Buffer.from(`q${next}`), countMax: 100 };
    return (await life.outbox.records.scan(range)).length;
  };
  return { life, sessions, forgotten, done, subscribed, publish, queueOf, onDisk };
}

test("a client that was away for its time is forgotten with its queue, one that came back is not", async () => {
  const { life, sessions, forgotten, done, subscribed, publish, onDisk } = await begin({
    expiryMs: hourMs,
  });
  for (const client of ["gone", "back"]) {
    await subscribed(client);
    sessions.left(client);
  }
  await publish(10);
  await life.clock.advance(hourMs / 2);
  await done(sessions.open("back"));
  await life.clock.advance(hourMs / 2 + 1_000);
  sessions.sweep();
  expect(forgotten).toEqual(["gone"]);
  expect([sessions.has("gone"), sessions.has("back")]).toEqual([false, true]);
  expect(await onDisk("s")).toBe(1);
});

test("what was queued for its time is dropped and counted, what is younger stays", async () => {
  const { life, sessions, subscribed, publish, queueOf, onDisk } = await begin({
    expiryMs: hourMs,
  });
  await subscribed("a");
  await publish(10, 1);
  await life.clock.advance(hourMs / 2);
  await publish(10, 2);
  await life.clock.advance(hourMs / 2 + 1_000);
  sessions.sweep();
  expect(await queueOf("a")).toEqual([2]);
  expect(sessions.counters()).toMatchObject({ queuedMessages: 1, dropped: 1 });
  expect(await onDisk("o")).toBe(1);
});

test("a queue beyond its bytes loses its oldest", async () => {
  const { sessions, subscribed, publish, queueOf, onDisk } = await begin({
    queueBytesMax: 64 * 1_024,
  });
  await subscribed("a");
  for (const value of [1, 2, 3, 4]) await publish(20_000, value);
  expect(await queueOf("a")).toEqual([2, 3, 4]);
  expect(sessions.counters()).toMatchObject({ queuedMessages: 3, dropped: 1 });
  expect(sessions.counters().queuedBytes).toBeLessThanOrEqual(64 * 1_024);
  expect(await onDisk("o")).toBe(3);
});

test("beyond the bytes of all queues the largest gives way, not the one that reads", async () => {
  const bytesMax = 64 * 1_024;
  const { sessions, done, subscribed, publish, queueOf } = await begin({ bytesMax });
  await subscribed("away");
  await publish(30_000, 1);
  await publish(30_000, 2);
  await subscribed("reader", "alarms");
  await publish(6_000, 3, "alarms");
  expect(await queueOf("reader")).toEqual([3]);
  expect(await queueOf("away")).toEqual([2]);
  expect(sessions.counters()).toMatchObject({ dropped: 1 });
  await publish(100_000, 4);
  expect(sessions.counters().queuedBytes).toBeLessThanOrEqual(bytesMax);
  await done(Promise.resolve());
});

test("a process that follows finds what is left, within the same bounds, and its age goes on", async () => {
  const disk = new MemoryDisk();
  const before = await begin({ expiryMs: hourMs }, { disk });
  await before.subscribed("a");
  for (const value of [1, 2, 3]) await before.publish(10, value);
  before.sessions.left("a");
  await before.life.clock.advance(2_000);
  await before.life.outbox.close();
  const next = await begin({ expiryMs: hourMs }, { disk, bootMs: hourMs / 2 });
  next.sessions.sweep();
  expect(next.sessions.counters()).toMatchObject({ sessions: 1, queuedMessages: 3 });
  expect(await next.queueOf("a")).toEqual([1, 2, 3]);
  await next.life.outbox.close();
  const after = await begin({ expiryMs: hourMs }, { disk, bootMs: hourMs + 60_000 });
  after.sessions.sweep();
  expect(after.sessions.counters()).toMatchObject({ sessions: 0, queuedMessages: 0 });
  expect([await after.onDisk("s"), await after.onDisk("o")]).toEqual([0, 0]);
});

/** Goal: over real sockets, a repeat of QoS 1 is no second event, and what may be news always is one. */
import { expect, test } from "vitest";
import type { MqttEdge } from "../testing/mqtt-edge.ts";
import type { PublishOptions, RawMqtt } from "../testing/mqtt-raw-client.ts";
import { packetTypes, publishPacket } from "../testing/mqtt-raw-client.ts";
import { restartEdge, startEdge } from "../testing/system-test-edge.ts";

const { puback } = packetTypes;
const topic = "devices/d1/telemetry/t";
const message = { topic, payload: "1", qos: 1, id: 7 } as const;
const repeat = { ...message, dup: true } as const;

/** Connects, publishes until acknowledged, and breaks off. */
async function life(edge: MqttEdge, ...publishes: readonly PublishOptions[]): Promise<RawMqtt> {
  const client = await edge.connect({ clean: false });
  client.send(...publishes.map((each) => publishPacket(each)));
  await client.count(puback, publishes.length);
  client.close();
  return client;
}

test("a repeat on the next connection is acknowledged and no event", async () => {
  const edge = await startEdge();
  await life(edge, message);
  await life(edge, repeat);
  expect(await edge.values()).toEqual([1]);
  expect(edge.broker.status().folded).toBe(1);
});

test("so it is over a restart, and a third repeat is taken as new", async () => {
  let edge = await startEdge();
  await life(edge, message);
  edge = await restartEdge(edge);
  await life(edge, repeat);
  edge = await restartEdge(edge);
  await life(edge, repeat);
  expect(await edge.values()).toEqual([1, 1]);
  await edge.stop();
});

test("a door contact that wakes, says the same under the same id and sleeps is heard each time", async () => {
  const edge = await startEdge();
  for (let wake = 0; wake < 5; wake++) await life(edge, message);
  await life(edge, repeat);
  expect(await edge.values()).toEqual([1, 1, 1, 1, 1, 1]);
});

test.each<[string, PublishOptions]>([
  ["payload", { ...repeat, payload: "2" }],
  ["topic", { ...repeat, topic: `${topic}2` }],
  ["id", { ...repeat, id: 8 }],
])("DUP with another %s is new", async (_what, other) => {
  const edge = await startEdge();
  await life(edge, message);
  await life(edge, other);
  expect(await edge.events()).toHaveLength(2);
});

test("DUP of another client, or on the same connection, is new", async () => {
  const edge = await startEdge();
  await life(edge, message, repeat);
  const other = await edge.connect({ clientId: "other" });
  other.send(publishPacket(repeat));
  await other.count(puback, 1);
  expect(await edge.values()).toEqual([1, 1, 1]);
});

test("bytes behind a PUBACK end it: the id may be in use for news", async () => {
  const edge = await startEdge();
  const client = await edge.connect({ clean: false });
  client.send(publishPacket(message));
  await client.count(puback, 1);
  await client.ping();
  client.close();
  await life(edge, repeat);
  expect(await edge.values()).toEqual([1, 1]);
});

test("a repeat of what still waits for the disk is one event, acknowledged once that is synced", async () => {
  const edge = await startEdge();
  const client = await edge.connect({ clean: false });
  edge.gate.shut();
  client.send(publishPacket(message));
  await expect.poll(() => edge.gate.waiting).toBe(1);
  const next = await edge.connect({ clean: false });
  await client.untilClosed();
  next.send(publishPacket(repeat), publishPacket({ ...message, id: 8, payload: "2" }));
  await expect.poll(() => edge.broker.status().folded).toBe(1);
  expect(next.of(puback)).toEqual([]);
  edge.gate.open();
  await next.count(puback, 2);
  expect(next.ids(puback)).toEqual([7, 8]);
  expect(await edge.values()).toEqual([1, 2]);
});

test("a window of publishes that lost its PUBACKs is repeated in full and is no second event", async () => {
  const edge = await startEdge();
  const client = await edge.connect({ clean: false });
  const window = Array.from({ length: 100 }, (_, at) => ({
    ...message,
    id: at + 1,
    payload: `${at}`,
  }));
  edge.gate.shut();
  client.send(...window.map(publishPacket));
  await expect.poll(() => edge.outbox.usage().pendingBytes).toBeGreaterThan(10_000);
  client.close();
  edge.gate.open();
  const repeats = window.map((each) => ({ ...each, dup: true }));
  const again = await life(edge, ...repeats, { ...message, id: 101, payload: "100" });
  expect(again.ids(puback)).toEqual([...window.map(({ id }) => id), 101]);
  expect(await edge.values()).toEqual([...window.keys(), 100]);
  expect(edge.broker.status().folded).toBe(100);
});

test("a folding that could not be synced closes the connection, and folds the next time", async () => {
  const edge = await startEdge();
  await life(edge, message);
  const client = await edge.connect({ clean: false });
  edge.gate.failure = new Error("input/output error");
  client.send(publishPacket(repeat));
  await client.untilClosed();
  expect(client.of(puback)).toEqual([]);
  edge.gate.failure = undefined;
  const tried = () =>
    life(edge, repeat).then(
      () => true,
      () => false,
    );
  await expect.poll(tried, { timeout: 20_000 }).toBe(true);
  expect(await edge.values()).toEqual([1]);
});

test("following repeats costs no sync: groups are written as without", async () => {
  const edge = await startEdge();
  const client = await edge.connect({ clean: false });
  client.send(publishPacket({ ...message, id: 51 }));
  // Behind it, what the connection itself brought is written too.
  await client.count(puback, 1);
  const before = edge.gate.syncs;
  for (let id = 1; id <= 50; id++) {
    client.send(publishPacket({ ...message, id }));
    await client.count(puback, 1 + id);
  }
  expect(edge.gate.syncs - before).toBe(50);
});

/**
 * Goal: what a local subscriber was promised survives a restart, in order: its session, its
 * subscriptions, what is queued for it, how far each delivery was, and retained messages.
 */
import { describe, expect, test } from "vitest";
import type { MqttEdge } from "../testing/mqtt-edge.ts";
import type { RawMqtt } from "../testing/mqtt-raw-client.ts";
import {
  answerPacket,
  packetTypes,
  publishPacket,
  pubrelPacket,
  subscribePacket,
  unsubscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { restartEdge, startEdge } from "../testing/system-test-edge.ts";
import { defaultBrokerBounds } from "./bounds.ts";

const { connack, puback, publish, pubrec, pubrel, pubcomp, suback, unsuback } = packetTypes;
const topic = "devices/d1/telemetry/t";
const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, at) => from + at);

async function send(edge: MqttEdge, values: readonly number[], qos: 1 | 2 = 1): Promise<void> {
  const device = await edge.connect({ clientId: `device ${values[0]}` });
  device.send(...values.map((id) => publishPacket({ topic, payload: `${id}`, qos, id })));
  await device.count(qos === 1 ? puback : pubrec, values.length);
  device.close();
}

const isPresent = (client: RawMqtt) => client.of(connack)[0]?.body[0] === 1;
const payloads = (client: RawMqtt) => client.published().map(({ payload }) => Number(payload));
const reader = (edge: MqttEdge, clean = false) => edge.connect({ clientId: "reader", clean });

async function subscribed(edge: MqttEdge, filter = "devices/#", qos = 1): Promise<RawMqtt> {
  const client = await reader(edge);
  client.send(subscribePacket(filter, qos));
  await client.count(suback, 1);
  return client;
}

describe("sessions", () => {
  test("what is queued comes in order over restarts, once", async () => {
    let edge = await startEdge();
    (await subscribed(edge)).close();
    await send(edge, numbers(150));
    edge = await restartEdge(edge);
    await send(edge, numbers(150, 151));
    edge = await restartEdge(edge);
    const client = await reader(edge);
    await client.count(publish, 300);
    expect(isPresent(client)).toBe(true);
    expect(payloads(client)).toEqual(numbers(300));
    client.send(...client.published().map(({ id }) => answerPacket(puback, id ?? 0)));
    await client.ping();
    edge = await restartEdge(edge);
    const again = await reader(edge);
    await again.ping();
    expect(isPresent(again)).toBe(true);
    expect(again.published()).toEqual([]);
  });

  test("a session is present also without subscriptions, and a clean one ends it", async () => {
    let edge = await startEdge();
    const first = await reader(edge);
    expect(isPresent(first)).toBe(false);
    first.close();
    edge = await restartEdge(edge);
    const second = await reader(edge);
    expect(isPresent(second)).toBe(true);
    second.close();
    expect(isPresent(await reader(edge, true))).toBe(false);
    edge = await restartEdge(edge);
    expect(isPresent(await reader(edge))).toBe(false);
  });

  test("a clean session drops subscriptions and queue for good", async () => {
    let edge = await startEdge();
    (await subscribed(edge)).close();
    await send(edge, [1, 2]);
    (await reader(edge, true)).close();
    await send(edge, [3]);
    edge = await restartEdge(edge);
    const client = await reader(edge);
    await client.ping();
    expect(client.published()).toEqual([]);
    expect(edge.broker.status()).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
  });

  test("an unsubscribed filter stays so", async () => {
    let edge = await startEdge();
    const client = await subscribed(edge);
    client.send(unsubscribePacket("devices/#"));
    await client.count(unsuback, 1);
    client.close();
    edge = await restartEdge(edge);
    await send(edge, [1]);
    const again = await reader(edge);
    await again.ping();
    expect(again.published()).toEqual([]);
  });

  test("a subscription that is refused is not kept, and gets nothing", async () => {
    const edge = await startEdge();
    const client = await reader(edge);
    client.send(subscribePacket("$share/g/devices/#", 1));
    await client.count(suback, 1);
    client.close();
    expect(client.of(suback)[0]?.body.at(-1)).toBe(0x80);
    await send(edge, [1]);
    expect(edge.broker.status().queuedMessages).toBe(0);
  });

  test("messages that come while the queue is sent keep their place behind it", async () => {
    const edge = await startEdge();
    (await subscribed(edge)).close();
    await send(edge, numbers(2_000));
    const [client] = await Promise.all([reader(edge), send(edge, numbers(2_000, 2_001))]);
    await client.count(publish, 4_000);
    expect(payloads(client)).toEqual(numbers(4_000));
  });

  test("a full queue loses its oldest, and says how many", async () => {
    const sessions = { ...defaultBrokerBounds.sessions, queueMessagesMax: 10 };
    let edge = await startEdge({ sessions });
    (await subscribed(edge)).close();
    await send(edge, numbers(30));
    expect(edge.broker.status()).toMatchObject({ queuedMessages: 10, dropped: 20 });
    edge = await restartEdge(edge, { sessions });
    const client = await reader(edge);
    await client.count(publish, 10);
    expect(payloads(client)).toEqual(numbers(10, 21));
  });

  test("beyond its bound the longest absent session is forgotten", async () => {
    const sessions = { ...defaultBrokerBounds.sessions, countMax: 2 };
    const edge = await startEdge({ sessions });
    const present = async (clientId: string) => {
      const client = await edge.connect({ clientId, clean: false });
      client.close();
      await expect.poll(() => edge.broker.status().connections).toBe(0);
      return isPresent(client);
    };
    for (const id of ["a", "b", "c"]) expect(await present(id), id).toBe(false);
    expect([await present("b"), await present("a")]).toEqual([true, false]);
  });

  test("a subscriber whose queue could not be synced is not told of the publish either", async () => {
    const edge = await startEdge();
    (await subscribed(edge)).close();
    const device = await edge.connect();
    edge.gate.failure = new Error("input/output error");
    device.send(publishPacket({ topic, payload: "1", id: 1 }));
    await device.untilClosed();
    edge.gate.failure = undefined;
    await expect.poll(() => edge.broker.status().queuedMessages).toBe(0);
    await expect
      .poll(
        () =>
          send(edge, [2]).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    const after = await restartEdge(edge);
    const client = await reader(after);
    await client.count(publish, 1);
    await client.ping();
    expect(payloads(client)).toEqual([2]);
  });
});

describe("redelivery", () => {
  test("what was sent and not acknowledged comes again with DUP and its id, then the rest", async () => {
    let edge = await startEdge();
    const client = await subscribed(edge);
    await send(edge, numbers(5));
    await client.count(publish, 5);
    const [first] = client.published();
    client.send(answerPacket(puback, first?.id ?? 0));
    await client.ping();
    client.close();
    await send(edge, [6]);
    edge = await restartEdge(edge);
    const again = await reader(edge);
    await again.count(publish, 5);
    const expected = client.published().slice(1);
    expect(again.published()).toMatchObject([
      ...expected.map(({ payload, id }) => ({ payload, id, dup: true })),
      { payload: "6", dup: false },
    ]);
    const ids = again.published().map(({ id }) => id);
    expect(new Set(ids).size).toBe(5);
  });

  test("a QoS 2 delivery goes on where it was: its PUBREL, and not the message again", async () => {
    let edge = await startEdge();
    const client = await subscribed(edge, "devices/#", 2);
    await send(edge, [1, 2], 2);
    await client.count(publish, 2);
    const [first, second] = client.published().map(({ id }) => id ?? 0);
    client.send(answerPacket(pubrec, first ?? 0));
    await client.count(pubrel, 1);
    edge = await restartEdge(edge);
    const again = await reader(edge);
    await again.count(publish, 1);
    expect(again.ids(pubrel)).toEqual([first]);
    expect(again.published()).toMatchObject([{ payload: "2", id: second, dup: true, qos: 2 }]);
    again.send(answerPacket(pubcomp, first ?? 0), answerPacket(pubrec, second ?? 0));
    await again.count(pubrel, 2);
    again.send(answerPacket(pubcomp, second ?? 0));
    await again.ping();
    await expect.poll(() => edge.broker.status().queuedMessages).toBe(0);
  });

  test("a message comes at the lower of the two qualities", async () => {
    const edge = await startEdge();
    const client = await subscribed(edge, "devices/#", 1);
    await send(edge, [1], 2);
    await client.count(publish, 1);
    client.close();
    await send(edge, [2], 2);
    const again = await reader(edge);
    await again.count(publish, 2);
    expect(client.published()).toMatchObject([{ qos: 1 }]);
    expect(again.published()).toMatchObject([
      { payload: "1", qos: 1, dup: true },
      { payload: "2", qos: 1, dup: false },
    ]);
  });

  test("QoS 2 ids of a session do not outlive it", async () => {
    const edge = await startEdge();
    const message = { topic, payload: "1", qos: 2, id: 9 } as const;
    const first = await edge.connect({ clean: false });
    first.send(publishPacket(message));
    await first.count(pubrec, 1);
    first.close();
    (await edge.connect({ clean: true })).close();
    const second = await edge.connect({ clean: false });
    second.send(publishPacket({ ...message, dup: true }));
    await second.count(pubrec, 1);
    second.send(pubrelPacket(9));
    await second.count(pubcomp, 1);
    expect(await edge.values()).toEqual([1, 1]);
  });
});

describe("retained messages", () => {
  const retain = { topic, qos: 1, retain: true } as const;
  const publishOne = async (edge: MqttEdge, options: Parameters<typeof publishPacket>[0]) => {
    const client = await edge.connect({ clientId: "writer" });
    client.send(publishPacket(options));
    await client.count(puback, 1);
    client.close();
  };

  test("the last one of a topic is there after a restart, until an empty one deletes it", async () => {
    let edge = await startEdge();
    await publishOne(edge, { ...retain, payload: "1" });
    await publishOne(edge, { ...retain, payload: "2" });
    await publishOne(edge, { ...retain, topic: `${topic}/other`, payload: "3" });
    edge = await restartEdge(edge);
    const client = await reader(edge, true);
    client.send(subscribePacket("devices/+/telemetry/t", 1));
    await client.count(publish, 1);
    expect(client.published()).toMatchObject([{ payload: "2", retain: true }]);
    await publishOne(edge, { ...retain, payload: "" });
    edge = await restartEdge(edge);
    const other = await reader(edge, true);
    other.send(subscribePacket("#", 1));
    await other.count(publish, 1);
    await other.ping();
    expect(other.published()).toMatchObject([{ payload: "3" }]);
  });

  test("beyond the bound a new topic is not retained, those that are stay, and it is counted", async () => {
    const edge = await startEdge({ retained: { countMax: 1, bytesMax: 1_024 } });
    await publishOne(edge, { ...retain, payload: "1" });
    await publishOne(edge, { ...retain, topic: `${topic}/x`, payload: "2" });
    await publishOne(edge, { ...retain, payload: "3".repeat(2_000) });
    const client = await reader(edge, true);
    client.send(subscribePacket("#", 1));
    await client.count(publish, 1);
    await client.ping();
    expect(client.published()).toMatchObject([{ payload: "1" }]);
    expect(edge.broker.status()).toMatchObject({ retained: 1, retainedRefused: 2 });
    await expect.poll(() => edge.system("retained-full")).toHaveLength(1);
    expect(await edge.events()).toHaveLength(3);
  });
});

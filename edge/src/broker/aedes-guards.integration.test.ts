/**
 * Goal: what a client may not send is refused before it does harm, a subscriber that does not read
 * costs nobody else anything, and what clients do to each other is told with their addresses.
 */
import { connect as connectSocket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { MqttEdge } from "../testing/mqtt-edge.ts";
import {
  connectPacket,
  packetTypes,
  publishPacket,
  type RawMqtt,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { rawClient, startEdge } from "../testing/system-test-edge.ts";

const { connack, puback, publish, suback } = packetTypes;
const topic = "devices/d1/telemetry/t";
const mebibyte = 1_024 * 1_024;
const bad = Buffer.from([0x64, 0x2f, 0xc3, 0x28]);
const disconnect = Buffer.from([0xe0, 0]);

describe("CONNECT", () => {
  test.each([
    ["a client id that is no UTF-8", { clientId: bad }],
    ["a client id with U+0000", { clientId: "a\0b" }],
    ["a will topic that is no UTF-8", { will: { topic: bad, payload: "1", qos: 1 } }],
    ["an empty will topic", { will: { topic: "", payload: "1", qos: 1 } }],
    ["a will topic with a wildcard", { will: { topic: "a/#", payload: "1", qos: 1 } }],
    ["a will topic of 101 levels", { will: { topic: "a/".repeat(100), payload: "1", qos: 1 } }],
  ])("%s closes the connection without an answer", async (_what, options) => {
    const edge = await startEdge();
    const client = rawClient(edge);
    client.send(connectPacket(options));
    await client.untilClosed();
    expect(client.packets).toEqual([]);
    expect(await edge.events()).toEqual([]);
    await expect.poll(() => edge.system("packet-malformed")).toHaveLength(1);
  });

  test("a client id beyond the bound is rejected by its return code", async () => {
    const edge = await startEdge();
    const client = rawClient(edge);
    client.send(connectPacket({ clientId: "x".repeat(257) }));
    await client.untilClosed();
    expect(client.of(connack)[0]?.body[1]).toBe(2);
  });

  test("connections beyond the bound are not accepted, and told", async () => {
    const edge = await startEdge({ connectionsMax: 2 });
    await edge.connect({ clientId: "a" });
    await edge.connect({ clientId: "b" });
    const third = rawClient(edge);
    await third.untilClosed();
    await expect.poll(() => edge.system("connections-full")).toHaveLength(1);
  });

  test("a keep alive longer than allowed, and none, are refused where a bound is set", async () => {
    const edge = await startEdge({ keepaliveSecondsMax: 60 });
    for (const [keepAlive, code] of [
      [0, 6],
      [61, 6],
      [60, 0],
    ] as const) {
      const client = rawClient(edge);
      client.send(connectPacket({ keepAlive }));
      await client.count(connack, 1);
      expect(client.of(connack)[0]?.body[1], `${keepAlive} s`).toBe(code);
      client.close();
    }
  });

  test("packets sent without waiting for the CONNACK are taken in order", async () => {
    const edge = await startEdge();
    const client = rawClient(edge);
    const ids = Array.from({ length: 200 }, (_, at) => at + 1);
    client.send(
      connectPacket(),
      ...ids.map((id) => publishPacket({ topic, payload: `${id}`, id })),
    );
    await client.count(puback, 200);
    expect(client.ids(puback)).toEqual(ids);
    expect(await edge.values()).toEqual(ids);
  });
});

describe("SUBSCRIBE", () => {
  test.each([
    ["that is no UTF-8", bad],
    ["with U+0000", "a\0"],
    ["with a wildcard inside a level", "a+"],
    ["with levels behind #", "#/a"],
    ["of 101 levels", "a/".repeat(100)],
  ])("a filter %s closes the connection", async (_what, filter) => {
    const edge = await startEdge();
    const client = await edge.connect();
    client.send(subscribePacket(filter));
    await client.untilClosed();
    expect(client.of(suback)).toEqual([]);
  });
});

describe("PUBLISH", () => {
  test.each([
    ["a topic that is no UTF-8", { topic: bad }],
    ["a topic with U+0000", { topic: "devices/a\0b/telemetry" }],
    ["an empty topic", { topic: "" }],
    ["a topic with a wildcard", { topic: "devices/+/telemetry" }],
    ["a topic of 101 levels", { topic: "a/".repeat(100) }],
    ["a topic of the broker's own", { topic: "$SYS/a" }],
    ["message id 0", { topic, id: 0 }],
  ])(
    "%s closes the connection, alone and among good ones, and is no event",
    async (_what, wrong) => {
      const edge = await startEdge();
      for (const others of [0, 3]) {
        const client = await edge.connect();
        const good = (id: number) => publishPacket({ topic, payload: `${id}`, id });
        const before = Array.from({ length: others }, (_, at) => good(at + 1));
        client.send(...before, publishPacket(wrong), ...(others > 0 ? [good(others + 1)] : []));
        await client.untilClosed();
        expect(client.ids(puback)).not.toContain(0);
        expect(client.ids(puback)).not.toContain(others + 1);
      }
      const values = await edge.values();
      expect(values).toEqual([1, 2, 3].slice(0, values.length));
    },
  );
});

describe("subscribers", () => {
  test.each([0, 1])(
    "one of QoS %i that does not read is cut off, and intake goes on",
    async (qos) => {
      const edge = await startEdge();
      const frozen = await edge.connect({ clientId: "frozen" });
      frozen.send(subscribePacket("#", qos));
      await frozen.count(suback, 1);
      frozen.socket.pause();
      const reading = await edge.connect({ clientId: "reading" });
      reading.send(subscribePacket("#", 1));
      await reading.count(suback, 1);
      const device = await edge.connect();
      const payload = "x".repeat(8_000);
      let [sent, wentOn] = [0, 0];
      while ((await edge.system("subscriber-frozen")).length === 0) {
        for (let round = 0; round < 20; round++) {
          device.send(
            ...Array.from({ length: 50 }, () => publishPacket({ topic, payload, id: 1 })),
          );
          sent += 50;
          await device.count(puback, sent);
          if (edge.broker.status().connections === 3) wentOn = sent;
        }
        expect(sent).toBeLessThan(200_000);
      }
      // More than the frozen one's buffers hold, and acknowledged while it was still connected.
      expect(wentOn * payload.length).toBeGreaterThan(6 * mebibyte);
      await reading.count(publish, sent);
      const [event] = await edge.system("subscriber-frozen");
      expect(event).toMatchObject({
        detail: expect.stringMatching(/^"frozen" at 127\.0\.0\.1:\d+ /),
      });
    },
  );
});

describe("bounds", () => {
  test("what all clients together have waiting is bounded, and nothing of it is lost", async () => {
    const edge = await startEdge({ waitingBytesMax: 256 * 1_024 });
    const clients = await Promise.all(
      Array.from({ length: 10 }, (_, at) => edge.connect({ clientId: `c${at}` })),
    );
    edge.gate.shut();
    const payload = "y".repeat(1_000);
    const ids = Array.from({ length: 400 }, (_, at) => at + 1);
    for (const client of clients) {
      client.send(...ids.map((id) => publishPacket({ topic, payload, id })));
    }
    await expect.poll(() => edge.gate.waiting).toBe(1);
    await expect.poll(() => edge.outbox.usage().pendingBytes).toBeGreaterThan(200 * 1_024);
    expect(edge.outbox.usage().pendingBytes).toBeLessThan(mebibyte);
    edge.gate.open();
    for (const client of clients) {
      await client.count(puback, ids.length);
      expect(client.ids(puback)).toEqual(ids);
    }
    expect(await edge.events()).toHaveLength(4_000);
  });

  test("QoS 0 that a full outbox refuses is dropped and counted, and the connection stays", async () => {
    const edge = await startEdge({ outboxBytesMax: mebibyte });
    const client = await edge.connect();
    const payload = "z".repeat(100_000);
    const sink = await edge.connect({ clientId: "sink" });
    for (let id = 1; !sink.closed && id < 100; id++) {
      sink.send(publishPacket({ topic, payload, id }));
      await sink.count(puback, id).catch(() => {});
    }
    expect(sink.closed, "QoS 1 has no other answer").toBe(true);
    client.send(publishPacket({ topic, qos: 0, retain: true }));
    await client.ping();
    await expect.poll(() => edge.broker.status().droppedPublishes).toBe(1);
    expect(client.closed).toBe(false);
    expect(edge.broker.status().retained).toBe(0);
  });
});

describe("who is there", () => {
  const presence = async (edge: MqttEdge) =>
    (await edge.events("priority")).flatMap((event) =>
      event.kind === "presence" ? [[event.device, event.online, event.reason]] : [],
    );

  test("coming and going is told with how it ended", async () => {
    const edge = await startEdge();
    const will = { topic, payload: "1", qos: 0 };
    const polite = await edge.connect({ clientId: "polite", will });
    polite.send(disconnect);
    await polite.untilClosed();
    (await edge.connect({ clientId: "lost" })).close();
    await expect.poll(() => presence(edge)).toHaveLength(4);
    (await edge.connect({ clientId: "dying", will })).close();
    await expect.poll(() => presence(edge)).toHaveLength(6);
    const first = await edge.connect({ clientId: "twin" });
    await edge.connect({ clientId: "twin" });
    await first.untilClosed();
    await expect
      .poll(() => presence(edge))
      .toEqual([
        ["polite", true, "connected"],
        ["polite", false, "clean"],
        ["lost", true, "connected"],
        ["lost", false, "lost"],
        ["dying", true, "connected"],
        ["dying", false, "will"],
        ["twin", true, "connected"],
        ["twin", false, "takeover"],
        ["twin", true, "connected"],
      ]);
    expect(await edge.values(), "only the will of the one that died").toEqual([1]);
  });

  test("clients that share an id are told once, with both addresses and the id escaped", async () => {
    const edge = await startEdge();
    const clientId = 'pump "1"\n';
    const clients: RawMqtt[] = [];
    for (let count = 0; count < 12; count++) {
      clients.push(await edge.connect({ clientId }));
      const previous = clients.at(-2);
      await previous?.untilClosed();
    }
    await expect.poll(() => edge.system("client-takeover-loop")).toHaveLength(1);
    const [told] = await edge.system("client-takeover-loop");
    expect(told).toMatchObject({
      detail: expect.stringMatching(
        /^client id "pump \\"1\\"\\n" is used from 127\.0\.0\.1:\d+ and 127\.0\.0\.1:\d+,/,
      ),
    });
    const last = clients.at(-1);
    last?.send(publishPacket({ topic, id: 1 }));
    await last?.count(puback, 1);
    expect(edge.broker.status().connections).toBe(1);
  });

  test("a client that flaps is told of a bounded number of times", async () => {
    const edge = await startEdge();
    for (let count = 0; count < 20; count++) (await edge.connect({ clientId: "flap" })).close();
    await expect.poll(() => edge.broker.status().connections).toBe(0);
    expect(await presence(edge)).toHaveLength(6);
  });
});

test("a connection that says nothing is closed by the connect timeout", async () => {
  const edge = await startEdge({ timeouts: { connectMs: 500, drainMs: 2_000 } });
  const socket = connectSocket(edge.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const began = performance.now();
  await new Promise((resolve) => socket.once("close", resolve));
  expect(performance.now() - began).toBeGreaterThan(450);
});

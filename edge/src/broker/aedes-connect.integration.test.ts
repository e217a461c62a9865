/**
 * Goal: whoever comes, goes, or is thrown out while the disk is slow, an id is never locked, nothing is
 * read before its sender is known, and nobody is dropped for what the disk does.
 */
import { describe, expect, test, vi } from "vitest";
import type { MqttEdge } from "../testing/mqtt-edge.ts";
import {
  connectPacket,
  packetTypes,
  publishPacket,
  pubrelPacket,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { rawClient, startEdge } from "../testing/system-test-edge.ts";
import { parsePasswords, passwordLine } from "./access.ts";
import { defaultBrokerBounds } from "./bounds.ts";

const { connack, puback, publish, pubrec, pubcomp, suback } = packetTypes;
const topic = "devices/d1/telemetry/t";

const line = passwordLine("pump", "secret", Buffer.alloc(16, 1));
const byPassword = {
  auth: { anonymous: false, passwordFile: "passwords" },
  access: { passwords: parsePasswords(line, "passwords"), acl: undefined, pairs: [] },
};
const known = { user: "pump", password: "secret" };
const passing = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("strangers", () => {
  test("what comes between a CONNECT and its answer is not worked off before the sender is known", async () => {
    const edge = await startEdge(byPassword);
    const password = "x".repeat(65_536 - 25);
    const connect = connectPacket({ clientId: "x", user: "pump", password });
    // Together with its CONNECT a publish waits; this one comes with the next chunk of the socket.
    expect(connect).toHaveLength(65_536);
    for (let round = 0; round < 5; round++) {
      const stranger = rawClient(edge);
      stranger.send(connect, publishPacket({ topic }), subscribePacket("#"));
      await stranger.untilClosed();
      expect(stranger.packets.map(({ type }) => type)).not.toContain(puback);
      expect(stranger.packets.map(({ type }) => type)).not.toContain(suback);
    }
    expect(edge.broker.status().published).toBe(0);
    expect(await edge.events()).toEqual([]);
  });

  test("one with a wrong password takes nothing from the session whose name it uses", async () => {
    const edge = await startEdge(byPassword);
    const message = { topic, payload: "7", qos: 2, id: 5 } as const;
    const device = await edge.connect({ ...known, clean: false });
    device.send(publishPacket(message));
    await device.count(pubrec, 1);
    const stranger = rawClient(edge);
    stranger.send(connectPacket({ user: "pump", password: "no", clean: true }));
    await stranger.untilClosed();
    expect(device.closed).toBe(false);
    device.close();
    const again = await edge.connect({ ...known, clean: false });
    again.send(publishPacket({ ...message, dup: true }));
    await again.count(pubrec, 1);
    again.send(pubrelPacket(5));
    await again.count(pubcomp, 1);
    expect(await edge.values()).toEqual([7]);
  });
});

describe("a disk that stands still", () => {
  test("pings are answered while publishes wait, and nobody is dropped", async () => {
    const edge = await startEdge();
    const client = await edge.connect({ keepAlive: 1 });
    edge.gate.shut();
    client.send(...[1, 2, 3].map((id) => publishPacket({ topic, payload: `${id}`, id })));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    for (let half = 0; half < 5; half++) {
      await client.ping();
      await passing(500);
    }
    expect(client.of(puback)).toEqual([]);
    edge.gate.open();
    await client.count(puback, 3);
    expect(client.ids(puback)).toEqual([1, 2, 3]);
  });

  test("a client at its bound, which is not read, is not timed out until it is read again", async () => {
    const edge = await startEdge({ inflightPerClientMax: 2 });
    const client = await edge.connect({ keepAlive: 1 });
    edge.gate.shut();
    client.send(...[1, 2, 3].map((id) => publishPacket({ topic, payload: `${id}`, id })));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    await passing(2_200);
    expect(client.closed).toBe(false);
    edge.gate.open();
    await client.count(puback, 3);
    // It says nothing any more.
    await client.untilClosed();
  });
});

describe("order", () => {
  test("a live subscriber gets what one client publishes in order, for each QoS, however it is cut", async () => {
    const edge = await startEdge();
    const subscriber = await edge.connect({ clientId: "subscriber" });
    subscriber.send(subscribePacket("devices/#", 1));
    await subscriber.count(suback, 1);
    const device = await edge.connect();
    const count = 4_000;
    const packets = Array.from({ length: count }, (_, at) =>
      publishPacket({
        topic,
        payload: `${at}${" ".repeat((at * 37) % 200)}`,
        qos: at % 7 === 0 ? 0 : 1,
        id: at + 1,
        retain: at % 11 === 0,
      }),
    );
    const bytes = Buffer.concat(packets);
    for (let at = 0; at < bytes.length; at += 9_973) device.send(bytes.subarray(at, at + 9_973));
    await subscriber.count(publish, count);
    const numbers = subscriber.published().map(({ payload }) => Number(payload));
    const isZero = (at: number) => at % 7 === 0;
    const all = Array.from({ length: count }, (_, at) => at);
    expect(numbers.filter(isZero)).toEqual(all.filter(isZero));
    expect(numbers.filter((at) => !isZero(at))).toEqual(all.filter((at) => !isZero(at)));
    expect(device.ids(puback)).toEqual(all.filter((at) => !isZero(at)).map((at) => at + 1));
    expect(await edge.values()).toEqual(all);
  });
});

test.each([0, 1, 2] as const)(
  "DUP of a device's publish of QoS %i is not handed on to a subscriber",
  async (qos) => {
    const edge = await startEdge();
    const subscriber = await edge.connect({ clientId: "subscriber" });
    subscriber.send(subscribePacket("devices/#", 2));
    await subscriber.count(suback, 1);
    const device = await edge.connect();
    for (const retain of [false, true]) {
      device.send(publishPacket({ topic, qos, id: retain ? 2 : 1, dup: true, retain }));
    }
    await subscriber.count(publish, 2);
    expect(subscriber.published()).toMatchObject([{ dup: false }, { dup: false }]);
  },
);

describe("QoS 2 ids", () => {
  const open = async (edge: MqttEdge, clientId: string, clean: boolean) => {
    const client = await edge.connect({ clientId, clean });
    client.send(publishPacket({ topic, qos: 2, id: 5 }));
    await client.count(pubrec, 1);
    client.close();
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(0));
  };
  const idsOf = (edge: MqttEdge) =>
    edge.outbox.records.scan({ from: Buffer.from("qi"), until: Buffer.from("qj"), countMax: 10 });

  test("those of a session that is forgotten at the bound go with it", async () => {
    const sessions = { ...defaultBrokerBounds.sessions, countMax: 1 };
    const edge = await startEdge({ sessions });
    await open(edge, "a", false);
    expect(await idsOf(edge)).toHaveLength(1);
    await (await edge.connect({ clientId: "b", clean: false })).ping();
    await vi.waitFor(async () => expect(await idsOf(edge)).toEqual([]));
  });

  test("a client that leaves more of them open than its bound is disconnected, on whichever connection", async () => {
    const edge = await startEdge();
    const other = await edge.connect({ clientId: "other" });
    const open = (from: number, count: number) =>
      Array.from({ length: count }, (_, at) => publishPacket({ topic, qos: 2, id: from + at }));
    const first = await edge.connect({ clean: false });
    first.send(...open(1, 1_000));
    await first.count(pubrec, 1_000);
    first.close();
    const second = await edge.connect({ clean: false });
    second.send(...open(1_001, 1));
    await second.untilClosed();
    expect(second.of(pubrec)).toEqual([]);
    expect(await edge.events()).toHaveLength(1_000);
    await other.ping();
  });
});

describe("one id", () => {
  test("a client that goes while its session is being written does not lock its id", async () => {
    const edge = await startEdge();
    edge.gate.shut();
    const first = rawClient(edge);
    first.send(connectPacket({ clean: false }));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    first.close();
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(0));
    edge.gate.open();
    const second = await edge.connect({ clean: false });
    second.send(publishPacket({ topic }));
    await second.count(puback, 1);
    expect(await edge.values()).toEqual([1]);
  });

  test("of many that come at once under one id the last is served, and the id is free behind it", async () => {
    const edge = await startEdge();
    edge.gate.shut();
    const clients = Array.from({ length: 6 }, () => rawClient(edge));
    for (const client of clients) client.send(connectPacket({ clean: false }));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    edge.gate.open();
    await vi.waitFor(() => expect(clients.filter(({ closed }) => !closed)).toHaveLength(1), 10_000);
    const [survivor] = clients.filter(({ closed }) => !closed);
    await survivor?.count(connack, 1);
    survivor?.send(publishPacket({ topic }));
    await survivor?.count(puback, 1);
    const next = await edge.connect({ clean: false });
    await survivor?.untilClosed();
    next.send(publishPacket({ topic }));
    await next.count(puback, 1);
    expect(await edge.values()).toEqual([1, 1]);
  });

  test("a session is not taken for one that is away when its client is taken over, however fast", async () => {
    const sessions = { ...defaultBrokerBounds.sessions, countMax: 1 };
    const edge = await startEdge({ sessions });
    const first = await edge.connect({ clean: false });
    first.send(subscribePacket("devices/#", 1));
    await first.count(suback, 1);
    const later = [rawClient(edge), rawClient(edge)];
    for (const client of later) client.send(connectPacket({ clean: false }));
    await vi.waitFor(() => expect(later.filter(({ closed }) => closed)).toHaveLength(1), 10_000);
    const [survivor] = later.filter(({ closed }) => !closed);
    await survivor?.count(connack, 1);
    expect(survivor?.of(connack)[0]?.body[0], "session present").toBe(1);
    // At the bound of sessions there is nothing to forget.
    const stranger = rawClient(edge);
    stranger.send(connectPacket({ clientId: "stranger", clean: false }));
    await stranger.untilClosed();
    const device = await edge.connect({ clientId: "sensor" });
    device.send(publishPacket({ topic }));
    await survivor?.count(publish, 1);
  });

  test("a client that takes over is registered behind the end of the one before", async () => {
    const edge = await startEdge();
    const first = await edge.connect();
    // Aedes takes subscriptions off one by one, a turn later, and a clean session begins at once.
    first.send(subscribePacket("devices/#"));
    await first.count(suback, 1);
    const second = await edge.connect();
    await first.untilClosed();
    second.send(publishPacket({ topic }));
    await second.count(puback, 1);
    const told = (await edge.events("priority")).filter((event) => event.kind === "presence");
    expect(told).toMatchObject([
      { online: true, reason: "connected" },
      { online: false, reason: "takeover" },
      { online: true, reason: "connected" },
    ]);
  });
});

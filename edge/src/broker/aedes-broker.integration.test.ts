/**
 * Goal: over real sockets and a real LevelDB, an acknowledgement means a synced append, whatever the
 * device, the disk or another subscriber does. Clients are raw sockets, so that they can be wrong.
 */
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type MqttEdge, readValue } from "../testing/mqtt-edge.ts";
import type { ConnectOptions } from "../testing/mqtt-raw-client.ts";
import {
  packetTypes,
  publishPacket,
  pubrelPacket,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { startEdge } from "../testing/system-test-edge.ts";
import { parsePasswords, passwordLine } from "./access.ts";

const { connack, puback, pubrec, pubcomp, suback } = packetTypes;
const topic = "devices/d1/telemetry/t";
const mebibyte = 1_024 * 1_024;
const open = (edge: MqttEdge, connect?: ConnectOptions) => edge.connect(connect);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const publishes = (ids: readonly number[], qos: 1 | 2 = 1) =>
  ids.map((id) => publishPacket({ topic, payload: `${id}`, qos, id }));

describe("acknowledgement", () => {
  test("a PUBACK comes only after the append is synced", async () => {
    const edge = await startEdge();
    const client = await open(edge);
    edge.gate.shut();
    client.send(publishPacket({ topic, id: 7 }));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    await client.ping();
    expect(client.of(puback)).toEqual([]);
    edge.gate.open();
    await client.count(puback, 1);
    expect(client.ids(puback)).toEqual([7]);
    expect((await edge.events("telemetry")).map(readValue)).toEqual([1]);
  });

  test("PUBACKs and events keep the order of the publishes over many groups", async () => {
    const edge = await startEdge();
    const client = await open(edge);
    const ids = numbers(2_000);
    for (let at = 0; at < ids.length; at += 37) client.send(...publishes(ids.slice(at, at + 37)));
    await client.count(puback, ids.length);
    expect(client.ids(puback)).toEqual(ids);
    expect((await edge.events("telemetry")).map(readValue)).toEqual(ids);
  });

  test("a failed append closes the connection, and nothing of it is acknowledged later", async () => {
    const edge = await startEdge();
    const client = await open(edge);
    client.send(...publishes([1, 2]));
    await client.count(puback, 2);
    edge.gate.shut();
    client.send(...publishes([3, 4]));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    client.send(...publishes([5]));
    edge.gate.failure = new Error("input/output error");
    edge.gate.open();
    await client.untilClosed();
    expect(client.ids(puback)).toEqual([1, 2]);
    edge.gate.failure = undefined;
    await vi.waitFor(async () => {
      const again = await open(edge, { clientId: "again" });
      again.send(...publishes([6]));
      await again.count(puback, 1);
    }, 20_000);
    expect((await edge.events("telemetry")).map(readValue)).toEqual([1, 2, 6]);
  });

  test("a payload that cannot be read is quarantined and acknowledged", async () => {
    const edge = await startEdge();
    const client = await open(edge);
    client.send(publishPacket({ topic: "devices/d1/telemetry", payload: "{", id: 1 }));
    client.send(publishPacket({ topic: "some/other/topic", payload: "hello\nyou", id: 2 }));
    await client.count(puback, 2);
    expect(await edge.events("telemetry")).toMatchObject([
      { kind: "quarantined", reason: "not-json" },
      { kind: "quarantined", reason: "topic-unknown" },
    ]);
  });
});

describe("QoS 2", () => {
  test("no PUBREC before the append is synced, and a repeat in the same bytes is appended once", async () => {
    const edge = await startEdge();
    const client = await open(edge, { clean: false });
    edge.gate.shut();
    const first = { topic, payload: "1", qos: 2, id: 9 } as const;
    client.send(publishPacket(first), publishPacket({ ...first, dup: true }));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    await (await open(edge, { clientId: "other" })).ping();
    expect(client.of(pubrec)).toEqual([]);
    edge.gate.open();
    await client.count(pubrec, 1);
    client.send(pubrelPacket(9));
    await client.count(pubcomp, 1);
    expect(await edge.events("telemetry")).toHaveLength(1);
  });

  test("a repeat after a reconnect is answered and not appended; a new publish of the id is", async () => {
    const edge = await startEdge();
    const client = await open(edge, { clean: false });
    const first = { topic, payload: "1", qos: 2, id: 9 } as const;
    client.send(publishPacket(first));
    await client.count(pubrec, 1);
    client.close();
    const again = await open(edge, { clean: false });
    again.send(publishPacket({ ...first, dup: true }));
    await again.count(pubrec, 1);
    again.send(pubrelPacket(9));
    await again.count(pubcomp, 1);
    again.send(publishPacket({ ...first, payload: "2" }));
    await again.count(pubrec, 2);
    expect((await edge.events("telemetry")).map(readValue)).toEqual([1, 2]);
  });

  test("an id that is still open is a new message where DUP=0 and the bytes are others", async () => {
    const edge = await startEdge();
    const client = await open(edge, { clean: false });
    const first = { topic, payload: "1", qos: 2, id: 9 } as const;
    for (const [count, publish] of [
      first,
      { ...first, dup: true },
      first,
      { ...first, payload: "2" },
      { ...first, payload: "2", dup: true },
    ].entries()) {
      client.send(publishPacket(publish));
      await client.count(pubrec, count + 1);
    }
    expect(await edge.values()).toEqual([1, 2]);
  });

  test("without the sync of its removal there is no PUBCOMP: the connection is closed", async () => {
    const edge = await startEdge();
    const client = await open(edge, { clean: false });
    client.send(publishPacket({ topic, qos: 2, id: 9 }));
    await client.count(pubrec, 1);
    edge.gate.failure = new Error("input/output error");
    client.send(pubrelPacket(9));
    await client.untilClosed();
    expect(client.of(pubcomp)).toEqual([]);
  });

  test("a failed append leaves no trace of the id: the repeat is appended", async () => {
    const edge = await startEdge();
    const client = await open(edge, { clean: false });
    const first = { topic, payload: "1", qos: 2, id: 9 } as const;
    edge.gate.failure = new Error("input/output error");
    client.send(publishPacket(first));
    await client.untilClosed();
    expect(client.of(pubrec)).toEqual([]);
    edge.gate.failure = undefined;
    await vi.waitFor(async () => {
      const again = await open(edge, { clean: false });
      again.send(publishPacket({ ...first, dup: true }));
      await again.count(pubrec, 1);
    }, 20_000);
    expect((await edge.events("telemetry")).map(readValue)).toEqual([1]);
  });
});

describe("wills", () => {
  test.each([0, 1, 2])("a will of QoS %i is appended once when the device dies", async (qos) => {
    const edge = await startEdge();
    const client = await open(edge, { will: { topic, payload: "13", qos } });
    client.close();
    await vi.waitFor(async () =>
      expect((await edge.events("telemetry")).map(readValue)).toEqual([13]),
    );
  });
});

describe("hostile clients", () => {
  test("a payload of 10 MB closes the connection, is noticed once and never acknowledged", async () => {
    const edge = await startEdge();
    for (const id of [1, 2]) {
      const client = await open(edge);
      client.send(publishPacket({ topic, payload: Buffer.alloc(10 * mebibyte), id }));
      await client.untilClosed();
      expect(client.of(puback)).toEqual([]);
    }
    await vi.waitFor(async () => expect(await edge.system("packet-too-large")).toHaveLength(1));
    expect(await edge.events("telemetry")).toEqual([]);
  });

  test.each([0, 1, 2] as const)(
    "a topic that is no UTF-8 closes the connection, QoS %i",
    async (qos) => {
      const edge = await startEdge();
      const client = await open(edge);
      const bad = Buffer.from([0x64, 0x2f, 0xc3, 0x28]);
      client.send(publishPacket({ topic: bad, qos }));
      await client.untilClosed();
      expect(client.packets.filter(({ type }) => type !== connack)).toEqual([]);
      expect(await edge.events("telemetry")).toEqual([]);
    },
  );

  test("an empty client id without a clean session is told so and closed", async () => {
    const edge = await startEdge();
    const client = await open(edge, { clientId: "", clean: false });
    await client.untilClosed();
    expect(client.of(connack)[0]?.body[1], "identifier rejected").toBe(2);
    const other = await open(edge, { clientId: "", clean: true });
    expect(other.of(connack)[0]?.body[1]).toBe(0);
  });

  test("a shared subscription is refused and an ordinary one granted", async () => {
    const edge = await startEdge();
    const client = await open(edge);
    client.send(subscribePacket("$share/group/a", 0, 1), subscribePacket("a/#", 0, 2));
    await client.count(suback, 2);
    expect(client.of(suback).map(({ body }) => body.at(-1))).toEqual([0x80, 0]);
  });

  test("only a device with its password connects, and a wrong one is noticed", async () => {
    const line = passwordLine("pump", "secret", Buffer.alloc(16, 1));
    const edge = await startEdge({
      auth: { anonymous: false, passwordFile: "passwords" },
      access: { passwords: parsePasswords(line, "passwords"), acl: undefined, pairs: [] },
    });
    await open(edge, { user: "pump", password: "secret" });
    for (const wrong of [{}, { user: "pump", password: "no" }, { user: "x", password: "secret" }]) {
      const client = await open(edge, { clientId: "other", ...wrong }).catch(() => undefined);
      await client?.untilClosed();
      expect(client?.of(connack)[0]?.body[1] ?? 5, "not authorised").toBe(5);
    }
    await vi.waitFor(async () =>
      expect(await edge.system("authentication-failed")).toHaveLength(1),
    );
  });

  test("a subscriber to everything that does not read does not stop the intake", async () => {
    const edge = await startEdge();
    const frozen = await open(edge, { clientId: "frozen" });
    frozen.send(subscribePacket("#"));
    await frozen.count(suback, 1);
    frozen.socket.pause();
    const client = await open(edge);
    const payload = "x".repeat(2_000);
    for (let round = 0; round < 10; round++) {
      const ids = numbers(1_000).map((id) => round * 1_000 + id);
      client.send(...ids.map((id) => publishPacket({ topic, payload, id })));
      await client.count(puback, (round + 1) * 1_000);
    }
    expect(client.of(puback)).toHaveLength(10_000);
  });
});

describe("bounds", () => {
  test("a client at its bound is not read on, and nothing of it is lost", async () => {
    const edge = await startEdge({ inflightPerClientMax: 10 });
    const client = await open(edge);
    const ids = numbers(3_000);
    edge.gate.shut();
    const payload = "y".repeat(500);
    client.send(...ids.map((id) => publishPacket({ topic, payload, id })));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    // A chunk of a socket is at most 64 KB; much more would mean that it is read on.
    const isDone = () => client.of(puback).length === ids.length;
    while (!isDone()) {
      expect(edge.outbox.usage().pendingBytes).toBeLessThan(4 * 64 * 1_024);
      edge.gate.turn();
      await vi.waitFor(() => expect(edge.gate.waiting === 1 || isDone()).toBe(true), 10_000);
    }
    edge.gate.open();
    expect(client.ids(puback)).toEqual(ids);
    expect(await edge.events("telemetry")).toHaveLength(ids.length);
  });

  test("a taken port is told with the cure", async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void squatter.close());
    const address = squatter.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const listeners = [{ host: "127.0.0.1", port, protocol: "mqtt" as const }];
    await expect(startEdge({ listeners })).rejects.toMatchObject({ code: "BROKER_ADDRESS_IN_USE" });
  });
});

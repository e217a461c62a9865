/**
 * Goal: over real sockets and a real LevelDB, a client does what it is allowed and nothing else, now
 * and after the files have changed, and who stays notices nothing of the change.
 */
import { createConnection } from "node:net";
import mqtt from "mqtt";
import { describe, expect, test, vi } from "vitest";
import type { MqttEdge } from "../testing/mqtt-edge.ts";
import type { ConnectOptions } from "../testing/mqtt-raw-client.ts";
import {
  connectPacket,
  packetTypes,
  publishPacket,
  RawMqtt,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { restartEdge, startEdge } from "../testing/system-test-edge.ts";
import { parsePasswords, passwordLine } from "./access.ts";
import { parseAcl } from "./acl.ts";
import type { Access } from "./admission.ts";

const { connack, puback, pubrec, suback } = packetTypes;
const users = ["pump", "fan", "reader"];
const salt = Buffer.alloc(16, 3);
const lines = new Map(users.map((user) => [user, passwordLine(user, `${user}-secret`, salt)]));
const rules = `
user * publish devices/%u/#
user reader subscribe devices/#
user pump subscribe devices/pump/#
`;

function accessOf(acl: string | undefined, names: readonly string[] = users): Access {
  const text = names.map((name) => lines.get(name) ?? name).join("\n");
  const parsed = acl === undefined ? undefined : parseAcl(acl, "acl");
  return { passwords: parsePasswords(text, "passwords"), acl: parsed, pairs: [undefined] };
}

const auth = { anonymous: false, passwordFile: "passwords" };
const guarded = (acl = rules) => ({ auth, access: accessOf(acl) });

const as = (user: string, more: ConnectOptions = {}): ConnectOptions => ({
  clientId: user,
  user,
  password: `${user}-secret`,
  ...more,
});

/** The return code of a CONNACK; undefined where there was none. */
async function codeOf(edge: MqttEdge, connect: ConnectOptions): Promise<number | undefined> {
  const client = new RawMqtt(edge.port);
  client.send(connectPacket(connect));
  await client.count(connack, 1).catch(() => {});
  client.close();
  return client.of(connack)[0]?.body[1];
}

async function subscribed(edge: MqttEdge, filter: string, qos = 1): Promise<RawMqtt> {
  const reader = await edge.connect(as("reader"));
  reader.send(subscribePacket(filter, qos));
  await reader.count(suback, 1);
  return reader;
}

/** The reader has all that was sent to it before, once its own message has come back. */
async function receivedBy(reader: RawMqtt): Promise<string[]> {
  const end = "devices/reader/end";
  reader.send(publishPacket({ topic: end, id: 60_000 }));
  await vi.waitFor(() => expect(reader.published().map(({ topic }) => topic)).toContain(end));
  return reader.published().flatMap(({ topic }) => (topic === end ? [] : [topic]));
}

describe("publishing", () => {
  test.each([1, 2] as const)("QoS %d: a denied one closes the connection", async (qos) => {
    const edge = await startEdge(guarded());
    const reader = await subscribed(edge, "devices/#");
    for (let round = 0; round < 2; round++) {
      const client = await edge.connect(as("pump"));
      client.send(publishPacket({ topic: "devices/fan/telemetry/t", qos, id: 7, retain: true }));
      await client.untilClosed();
      expect([...client.of(puback), ...client.of(pubrec)]).toEqual([]);
    }
    expect(await receivedBy(reader)).toEqual([]);
    expect((await edge.events()).map(({ topic }) => topic)).toEqual(["devices/reader/end"]);
    expect(edge.broker.status()).toMatchObject({ deniedPublishes: 2, retained: 0 });
    const told = await edge.system("publish-denied");
    const detail = /^user "pump", client "pump" at 127.* publish on "devices\/fan\/telemetry\/t"$/;
    expect(told, "once a minute").toMatchObject([{ detail: expect.stringMatching(detail) }]);
  });

  test("QoS 0: a denied one goes nowhere, and the connection goes on", async () => {
    const edge = await startEdge(guarded());
    const reader = await subscribed(edge, "devices/#");
    const client = await edge.connect(as("pump"));
    client.send(
      publishPacket({ topic: "devices/fan/telemetry/t", qos: 0, retain: true }),
      publishPacket({ topic: "devices/pump/telemetry/t", id: 2 }),
    );
    await client.count(puback, 1);
    expect(await receivedBy(reader)).toEqual(["devices/pump/telemetry/t"]);
    expect(await edge.events()).toHaveLength(2);
    expect(edge.broker.status()).toMatchObject({ deniedPublishes: 1, retained: 0 });
  });

  test("a will on a denied topic is refused with its CONNECT", async () => {
    const edge = await startEdge(guarded());
    const will = (topic: string) => as("pump", { will: { topic, payload: "gone", qos: 1 } });
    expect(await codeOf(edge, will("devices/fan/telemetry/t"))).toBe(5);
    expect(await codeOf(edge, will("devices/pump/telemetry/t"))).toBe(0);
  });

  test("a will that the rules deny by now is not published", async () => {
    const edge = await startEdge(guarded());
    const reader = await subscribed(edge, "devices/#");
    const will = { topic: "devices/pump/telemetry/t", payload: "gone", qos: 1 };
    const client = await edge.connect(as("pump", { will }));
    edge.broker.renew(accessOf(rules.replace("user * publish", "user reader publish")));
    client.close();
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(1));
    expect(await receivedBy(reader)).toEqual([]);
  });
});

describe("subscribing", () => {
  test("a denied filter is answered by 0x80, those beside it are granted", async () => {
    const edge = await startEdge(guarded());
    const client = await edge.connect(as("pump"));
    const filters = ["#", "devices/#", "devices/+/t", "devices/pump/#", "$SYS/#", "devices/pump/+"];
    for (const [id, filter] of filters.entries()) client.send(subscribePacket(filter, 1, id + 1));
    await client.count(suback, filters.length);
    const answers = client.of(suback).map(({ body }) => [body.readUInt16BE(0), body[2]] as const);
    const granted = answers.filter(([, code]) => code === 1).map(([id]) => filters[id - 1]);
    expect(granted.toSorted()).toEqual(["devices/pump/#", "devices/pump/+"]);
    expect(answers.filter(([, code]) => code === 0x80)).toHaveLength(4);
    expect(edge.broker.status().deniedSubscribes).toBe(4);
    await vi.waitFor(async () => expect(await edge.system("subscribe-denied")).toHaveLength(1));
  });

  test("a denied filter is not kept in the session, nor is what is retained there told", async () => {
    const edge = await startEdge(guarded());
    const fan = await edge.connect(as("fan"));
    fan.send(publishPacket({ topic: "devices/fan/telemetry/t", retain: true }));
    await fan.count(puback, 1);
    const client = await edge.connect(as("pump", { clean: false }));
    client.send(subscribePacket("devices/#", 1));
    await client.count(suback, 1);
    await client.ping();
    const later = await restartEdge(edge, guarded());
    const again = await later.connect(as("pump", { clean: false }));
    again.send(publishPacket({ topic: "devices/pump/telemetry/t" }));
    await again.count(puback, 1);
    await again.ping();
    expect([...client.published(), ...again.published()]).toEqual([]);
  });

  test("a session from before the rules gets nothing that they deny", async () => {
    const open = "user * both devices/#";
    const edge = await startEdge(guarded(open));
    const before = await edge.connect(as("pump", { clean: false }));
    before.send(subscribePacket("devices/#", 1));
    await before.count(suback, 1);
    before.close();
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(0));
    const fan = await edge.connect(as("fan"));
    fan.send(publishPacket({ topic: "devices/fan/telemetry/t", id: 1 }));
    fan.send(publishPacket({ topic: "devices/pump/telemetry/t", id: 2 }));
    await fan.count(puback, 2);
    edge.broker.renew(accessOf(rules));
    const after = await edge.connect(as("pump", { clean: false }));
    await vi.waitFor(() => expect(after.published()).not.toEqual([]));
    await after.ping();
    expect(after.published().map(({ topic }) => topic)).toEqual(["devices/pump/telemetry/t"]);
  });
});

describe("client ids", () => {
  const bound = `${rules}\nuser * connect %u\n`;

  test("another's is refused, and does not throw it out", async () => {
    const edge = await startEdge(guarded(bound));
    const pump = await edge.connect(as("pump"));
    expect(await codeOf(edge, as("fan", { clientId: "pump" }))).toBe(5);
    await pump.ping();
    await vi.waitFor(async () => expect(await edge.system("connect-denied")).toHaveLength(1));
  });

  test("one that the rules no longer allow is disconnected", async () => {
    const edge = await startEdge(guarded());
    const [wrong, right] = [
      await edge.connect(as("fan", { clientId: "x" })),
      await edge.connect(as("pump")),
    ];
    edge.broker.renew(accessOf(bound));
    await wrong.untilClosed();
    await right.ping();
  });
});

describe("files that have changed", () => {
  test("who is gone, or has another password, is disconnected; who stays is not", async () => {
    const edge = await startEdge(guarded());
    const [pump, fan, reader] = [
      await edge.connect(as("pump")),
      await edge.connect(as("fan")),
      await edge.connect(as("reader")),
    ];
    edge.broker.renew(accessOf(rules, ["pump", passwordLine("fan", "other", salt)]));
    await Promise.all([fan.untilClosed(), reader.untilClosed()]);
    pump.send(publishPacket({ topic: "devices/pump/telemetry/t" }));
    await pump.count(puback, 1);
    expect(await codeOf(edge, as("reader"))).toBe(5);
    expect(await codeOf(edge, as("fan"))).toBe(5);
    expect(await codeOf(edge, as("fan", { password: "other" }))).toBe(0);
  });

  test("a rule counts at once for who is connected", async () => {
    const edge = await startEdge(guarded());
    const pump = await edge.connect(as("pump"));
    const publish = (id: number) => publishPacket({ topic: "devices/pump/telemetry/t", id });
    pump.send(publish(1));
    await pump.count(puback, 1);
    edge.broker.renew(accessOf("user pump publish other/#"));
    pump.send(publish(2));
    await pump.untilClosed();
    expect(await edge.events()).toHaveLength(1);
    edge.broker.renew(accessOf(undefined));
    const again = await edge.connect(as("pump"));
    again.send(publish(2));
    await again.count(puback, 1);
  });

  test("a subscriber from before the rules gets nothing more that they deny", async () => {
    const edge = await startEdge(guarded());
    const reader = await subscribed(edge, "devices/#", 0);
    const pump = await edge.connect(as("pump"));
    edge.broker.renew(accessOf(rules.replace("subscribe devices/#", "subscribe devices/reader/#")));
    pump.send(publishPacket({ topic: "devices/pump/telemetry/t" }));
    await pump.count(puback, 1);
    expect(await receivedBy(reader)).toEqual([]);
  });
});

describe("one that is refused reads why", () => {
  test("also where it did not wait for the answer, and reads late", async () => {
    const edge = await startEdge(guarded());
    const client = new RawMqtt(edge.port, { reads: false });
    const failures: string[] = [];
    client.socket.on("error", ({ message }) => failures.push(message));
    const early = publishPacket({ topic: "devices/pump/telemetry/t", payload: "x".repeat(60_000) });
    client.send(connectPacket(as("pump", { password: "x" })), ...Array<Buffer>(40).fill(early));
    await vi.waitFor(async () =>
      expect(await edge.system("authentication-failed")).toHaveLength(1),
    );
    client.socket.resume();
    const bytes: Buffer[] = [];
    client.socket.on("data", (chunk) => bytes.push(chunk));
    await client.untilClosed();
    expect(failures).toEqual([]);
    expect(Buffer.concat(bytes)).toEqual(Buffer.from([0x20, 2, 0, 5]));
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(0));
  });

  test("is cut off where it stays", async () => {
    const edge = await startEdge(guarded());
    const client = new RawMqtt(createConnection({ port: edge.port, allowHalfOpen: true }));
    client.send(connectPacket(as("pump", { password: "x" })));
    await client.count(connack, 1);
    expect(edge.broker.status().connections).toBe(1);
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(0), 5_000);
    client.close();
  });

  test("and a library tells it at once", async () => {
    const edge = await startEdge(guarded());
    const url = `mqtt://127.0.0.1:${edge.port}`;
    const options = { username: "pump", password: "x", reconnectPeriod: 0 };
    await expect(mqtt.connectAsync(url, options, false)).rejects.toMatchObject({ code: 5 });
  });
});

describe("guessing", () => {
  test("is answered ever later, and only for that user at that address", async () => {
    const edge = await startEdge(guarded());
    const wrong = as("pump", { password: "x" });
    const codes: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 5; attempt++) codes.push(await codeOf(edge, wrong));
    expect(codes, "then unavailable, whatever the password").toEqual([5, 5, 5, 3, 3]);
    expect(await codeOf(edge, as("pump"))).toBe(3);
    expect(await codeOf(edge, as("fan"))).toBe(0);
    await vi.waitFor(async () => expect(await edge.system("login-throttled")).toHaveLength(1));
    await vi.waitFor(async () => expect(await codeOf(edge, as("pump"))).toBe(0), 5_000);
  });
});

/**
 * Goal: a device may come by TCP, TLS, WebSocket or both, and finds the same promise and the same
 * bounds; whoever speaks none of them is turned away, in time, and costs nobody else anything.
 */
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { silentLogger } from "@causeway/shared/log.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import type { IClientOptions, MqttClient } from "mqtt";
import mqtt from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createWebSocketStream, WebSocket } from "ws";
import {
  authority,
  type CertificateName,
  listenerOf,
  pairTexts,
  strangerAuthority as stranger,
  tlsOf,
} from "../testing/file-certificates.ts";
import { type MqttEdge, readValue } from "../testing/mqtt-edge.ts";
import {
  connectPacket,
  packetTypes,
  publishPacket,
  RawMqtt,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { startEdge } from "../testing/system-test-edge.ts";
import { Listeners } from "./tcp-listeners.ts";

const topic = "devices/d1/telemetry/t";
const server = tlsOf("server");
const four = {
  listeners: [
    listenerOf("mqtt"),
    listenerOf("mqtt", server.tls),
    listenerOf("ws"),
    listenerOf("ws", server.tls),
  ],
  access: {
    passwords: undefined,
    acl: undefined,
    pairs: [undefined, server.pair, undefined, server.pair],
  },
};

function addressOf(edge: MqttEdge, scheme: string): URL {
  const found = edge.broker.addresses().find((address) => address.startsWith(`${scheme}:`));
  if (found === undefined) throw new Error(`no ${scheme} in ${edge.broker.addresses()}`);
  return new URL(found);
}

async function open(url: URL, options: IClientOptions = {}): Promise<MqttClient> {
  const usual = { ca: authority, servername: "localhost", reconnectPeriod: 0 };
  const client = await mqtt.connectAsync(url.href, { clientId: "d1", ...usual, ...options }, false);
  onTestFinished(() => client.endAsync(true));
  return client;
}

interface Closing {
  once(event: "close", act: (told?: unknown) => void): unknown;
}

/** With the first thing that is told of it; an error on the way is no matter. */
function untilClosed(from: Closing): Promise<unknown> {
  return new Promise((resolve) => from.once("close", resolve));
}

/** Once, however often it happens in a minute. */
async function untilTold(edge: MqttEdge, name: string, detail = /./): Promise<void> {
  const told = () => edge.system(name);
  await vi.waitFor(async () => expect(await told()).not.toEqual([]));
  expect(await told()).toMatchObject([{ detail: expect.stringMatching(detail) }]);
}

/** A connection of which nothing is read. */
async function openBytes({ protocol, port, href }: URL): Promise<Duplex> {
  if (protocol.startsWith("ws")) {
    const socket = new WebSocket(href, "mqtt", { ca: authority });
    await once(socket, "open");
    return usual(createWebSocketStream(socket));
  }
  const where = { host: "127.0.0.1", port: Number(port) };
  if (protocol === "mqtt:") return usual(connectTcp(where));
  return usual(connectTls({ ...where, ca: authority, servername: "localhost" }));
}

function usual(stream: Duplex): Duplex {
  stream.on("error", () => {});
  onTestFinished(() => void stream.destroy());
  return stream;
}

/** A WebSocket of which a test decides the frames. */
async function openWebSocket(edge: MqttEdge): Promise<WebSocket> {
  const socket = new WebSocket(addressOf(edge, "ws"), "mqtt");
  socket.on("error", () => {});
  onTestFinished(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

/** The types of the packets that come, one a frame or not. */
function typesFrom(socket: WebSocket): number[] {
  const types: number[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("message", (data: Buffer) => {
    bytes = Buffer.concat([bytes, data]);
    for (let end = 2 + (bytes[1] ?? 0); bytes.length >= end; end = 2 + (bytes[1] ?? 0)) {
      types.push((bytes[0] ?? 0) >> 4);
      bytes = bytes.subarray(end);
      if (bytes.length < 2) return;
    }
  });
  return types;
}

async function refusal(edge: MqttEdge, path: string, protocols: string[], origin?: string) {
  const url = new URL(path, addressOf(edge, "ws"));
  const socket = new WebSocket(url, protocols, origin === undefined ? {} : { origin });
  const [, response] = await Promise.race([
    once(socket, "unexpected-response"),
    once(socket, "open").then(() => [undefined, { statusCode: 101 }]),
  ]);
  socket.on("error", () => {});
  socket.terminate();
  return (response as { statusCode: number }).statusCode;
}

describe.each(["mqtt", "mqtts", "ws", "wss"])("%s", (scheme) => {
  test("a PUBACK comes only after the append is synced", async () => {
    const edge = await startEdge(four);
    const client = await open(addressOf(edge, scheme));
    edge.gate.shut();
    let isAcknowledged = false;
    const published = client.publishAsync(topic, "7", { qos: 1 });
    void published.then(() => {
      isAcknowledged = true;
    });
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    expect(isAcknowledged).toBe(false);
    edge.gate.open();
    await published;
    expect((await edge.events()).map(readValue)).toEqual([7]);
  });

  test("a thousand publishes keep their order, and come back to a subscriber", async () => {
    const edge = await startEdge(four);
    const client = await open(addressOf(edge, scheme));
    const received: string[] = [];
    client.on("message", (_topic, payload) => received.push(payload.toString()));
    await client.subscribeAsync("devices/#", { qos: 1 });
    const wanted = Array.from({ length: 1_000 }, (_, index) => index);
    await Promise.all(wanted.map((value) => client.publishAsync(topic, `${value}`, { qos: 1 })));
    expect((await edge.events()).map(readValue)).toEqual(wanted);
    await vi.waitFor(() => expect(received.map(Number).toSorted((a, b) => a - b)).toEqual(wanted));
  });

  test("a packet beyond the bound closes the connection, is told, and no event", async () => {
    const edge = await startEdge({ ...four, packetBytesMax: 2_000 });
    const client = await open(addressOf(edge, scheme));
    client.on("error", () => {});
    const closed = untilClosed(client);
    client.publish(topic, "x".repeat(200_000), { qos: 1 });
    await closed;
    await untilTold(edge, "packet-too-large");
    expect(await edge.events()).toEqual([]);
  });

  test("a wrong password is answered by return code 5", async () => {
    const passwords = new Map();
    const edge = await startEdge({
      ...four,
      auth: { anonymous: false, passwordFile: "passwords" },
      access: { ...four.access, passwords },
    });
    const refused = open(addressOf(edge, scheme), { username: "pump", password: "x" });
    await expect(refused).rejects.toMatchObject({ code: 5 });
  });

  test("what it closes, it forgets", async () => {
    const edge = await startEdge({ ...four, connectionsMax: 1 });
    for (let round = 0; round < 5; round++) {
      const client = await vi.waitFor(() => open(addressOf(edge, scheme)), 5_000);
      await client.endAsync();
    }
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(0));
  });

  test("a subscriber that reads nothing is thrown out, and stops nobody", async () => {
    const edge = await startEdge({ ...four, timeouts: { connectMs: 10_000, drainMs: 200 } });
    const frozen = await openBytes(addressOf(edge, scheme));
    frozen.write(connectPacket({ clientId: "frozen" }));
    frozen.write(subscribePacket("devices/#"));
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(1));
    const client = await edge.connect({ clientId: "d1" });
    const payload = "x".repeat(100_000);
    for (let id = 1; id <= 300; id++) {
      client.send(publishPacket({ topic, payload, id }));
      await client.count(packetTypes.puback, id);
    }
    await vi.waitFor(() => expect(edge.broker.status().connections).toBe(1), 10_000);
    await untilTold(edge, "subscriber-frozen", /"frozen"/);
  });
});

describe("WebSocket", () => {
  test("many packets may stand in one frame, and one packet in many", async () => {
    const edge = await startEdge(four);
    const socket = await openWebSocket(edge);
    const types = typesFrom(socket);
    const publish = (id: number) => publishPacket({ topic, payload: `${id}`, id });
    socket.send(Buffer.concat([connectPacket(), publish(1), publish(2)]));
    for (const byte of publish(3)) socket.send(Buffer.from([byte]));
    const { connack, puback } = packetTypes;
    await vi.waitFor(() => expect(types).toEqual([connack, puback, puback, puback]));
    expect(await edge.values()).toEqual([1, 2, 3]);
  });

  test("a frame of text closes the connection, and what it says is not taken", async () => {
    const edge = await startEdge(four);
    const socket = await openWebSocket(edge);
    const types = typesFrom(socket);
    const closed = untilClosed(socket);
    socket.send(connectPacket());
    await vi.waitFor(() => expect(types).toEqual([packetTypes.connack]));
    socket.send(publishPacket({ topic }).toString("latin1"));
    await closed;
    expect(await edge.events()).toEqual([]);
  });

  test("a frame that would gather more than the bound is not gathered", async () => {
    const edge = await startEdge({ ...four, packetBytesMax: 2_000 });
    const socket = await openWebSocket(edge);
    const closed = untilClosed(socket);
    const small = publishPacket({ topic, payload: "x".repeat(1_000), qos: 0 });
    socket.send(Buffer.concat([connectPacket(), ...Array(200).fill(small)]));
    expect(await closed, "message too big").toBe(1009);
    expect(await edge.events()).toEqual([]);
  });

  test.each<[string, string, string[], string | undefined, number]>([
    ["the path /mqtt by MQTT", "/mqtt", ["mqtt"], undefined, 101],
    ["a query too", "/mqtt?x=1", ["mqtt"], undefined, 101],
    ["MQTT 3.1 by its own name", "/mqtt", ["mqttv3.1"], undefined, 101],
    ["another path", "/", ["mqtt"], undefined, 404],
    ["another protocol", "/mqtt", ["chat"], undefined, 400],
    ["no protocol", "/mqtt", [], undefined, 400],
    ["a page of this machine", "/mqtt", ["mqtt"], "http://localhost:3000", 101],
    ["a page of any site, where no password is asked", "/mqtt", ["mqtt"], "https://a.test", 403],
    ["a page without an origin of its own", "/mqtt", ["mqtt"], "null", 403],
  ])("%s", async (_what, path, protocols, origin, status) => {
    expect(await refusal(await startEdge(four), path, protocols, origin)).toBe(status);
  });

  test("a page of any site may ask for a password", async () => {
    const auth = { anonymous: false, passwordFile: "passwords" };
    const edge = await startEdge({ ...four, auth });
    expect(await refusal(edge, "/mqtt", ["mqtt"], "https://a.test")).toBe(101);
  });

  test("a browser that only looks is told what is here", async () => {
    const { host } = addressOf(await startEdge(four), "ws");
    const answer = await fetch(`http://${host}/mqtt`);
    expect([answer.status, await answer.text()]).toEqual([426, "MQTT over WebSocket\n"]);
  });
});

describe("certificates of clients", () => {
  async function startSecure(
    certificateIdentity: "cn" | "san",
    protocol: "mqtt" | "ws" = "mqtt",
  ): Promise<MqttEdge> {
    const { tls, pair } = tlsOf("server", "required");
    return startEdge({
      listeners: [listenerOf(protocol, tls)],
      auth: { anonymous: false, certificateIdentity },
      access: { passwords: undefined, acl: undefined, pairs: [pair] },
    });
  }
  const enter = (edge: MqttEdge, name?: CertificateName, more: IClientOptions = {}) =>
    open(new URL(edge.broker.addresses()[0] ?? ""), {
      ...(name === undefined ? {} : pairTexts(name)),
      ...more,
    });

  test.each([
    ["cn", "mqtt", "pump-7"],
    ["san", "mqtt", "urn:dev:pump-7"],
    ["cn", "ws", "pump-7"],
  ] as const)("by %s over %s the user is %s", async (identity, protocol, user) => {
    const edge = await startSecure(identity, protocol);
    const client = await enter(edge, "device", { username: user, password: "" });
    await client.publishAsync(topic, "1", { qos: 1 });
    expect(await edge.values()).toEqual([1]);
    const other = enter(edge, "device", { username: "other", password: "" });
    await expect(other, "another name than its certificate's").rejects.toMatchObject({ code: 5 });
  });

  test("one that names nobody, or several, does not let in", async () => {
    const refused = { code: 5 };
    await expect(enter(await startSecure("cn"), "nameless")).rejects.toMatchObject(refused);
    await expect(enter(await startSecure("san"), "nameless")).rejects.toMatchObject(refused);
  });

  test.each<[string, CertificateName | undefined, RegExp]>([
    ["none", undefined, /from 127\.0\.0\.1:\d+: .*peer did not return a certificate/],
    ["a stranger's", "stranger", /from 127\.0\.0\.1:\d+: UNABLE_TO_/],
    ["an expired one", "expired", /from 127\.0\.0\.1:\d+: CERT_HAS_EXPIRED/],
  ])("%s is refused in the handshake, and told with address and reason", async (_, name, told) => {
    const edge = await startSecure("cn");
    await expect(enter(edge, name)).rejects.toThrow();
    await untilTold(edge, "tls-failed", told);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "%s: a resumed session has its user, until another authority counts",
    async (version) => {
      const edge = await startSecure("cn");
      const dial = async (session?: Buffer) => {
        const { port } = new URL(edge.broker.addresses()[0] ?? "");
        const socket = connectTls({
          ...{ port: Number(port), ca: authority, servername: "localhost", maxVersion: version },
          ...(session === undefined ? pairTexts("device") : { session }),
        });
        const sessions: Buffer[] = [];
        socket.on("session", (ticket: Buffer) => sessions.push(ticket));
        const client = new RawMqtt(socket);
        onTestFinished(() => client.close());
        client.send(connectPacket({ user: "pump-7" }));
        await client.count(packetTypes.connack, 1).catch(() => {});
        const code = client.of(packetTypes.connack)[0]?.body[1];
        return { code, isResumed: socket.isSessionReused(), session: sessions.at(-1) };
      };
      const first = await dial();
      expect(first).toMatchObject({ code: 0, isResumed: false });
      expect(await dial(first.session)).toMatchObject({ code: 0, isResumed: true });
      const { pair } = tlsOf("server", "required");
      const ca = stranger;
      edge.broker.renew({ passwords: undefined, acl: undefined, pairs: [{ ...pair, ca }] });
      expect(await dial(first.session)).toMatchObject({ code: undefined });
    },
  );

  test("where one is not required, a stranger's counts as none", async () => {
    const { tls, pair } = tlsOf("server", "optional");
    const edge = await startEdge({
      listeners: [listenerOf("mqtt", tls)],
      auth: { anonymous: false, passwordFile: "passwords", certificateIdentity: "cn" },
      access: { passwords: new Map(), acl: undefined, pairs: [pair] },
    });
    await enter(edge, "device");
    await expect(enter(edge, "stranger")).rejects.toMatchObject({ code: 5 });
    await expect(enter(edge)).rejects.toMatchObject({ code: 5 });
  });
});

describe("the door", () => {
  test("counts the connections of all listeners together, those in a handshake too", async () => {
    const edge = await startEdge({ ...four, connectionsMax: 2 });
    const silent = connectTcp(Number(addressOf(edge, "mqtts").port), "127.0.0.1");
    onTestFinished(() => void silent.destroy());
    await once(silent, "connect");
    await open(addressOf(edge, "ws"));
    const third = new RawMqtt(edge.port);
    third.send(connectPacket({ clientId: "third" }));
    await third.untilClosed();
    expect(third.packets).toEqual([]);
    await untilTold(edge, "connections-full");
    silent.destroy();
    const fourth = await vi.waitFor(() => RawMqtt.open(edge.port, { clientId: "fourth" }), 5_000);
    fourth.close();
  });

  test("an address that connects too often is not served, until a second has passed", async () => {
    const throttle = { connectionsPerSecond: 2, connectionsBurst: 3 };
    const edge = await startEdge({ ...four, throttle });
    const clients = Array.from({ length: 5 }, () => new RawMqtt(edge.port));
    for (const [index, client] of clients.entries()) {
      client.send(connectPacket({ clientId: `c${index}` }));
    }
    await Promise.all(clients.slice(3).map((client) => client.untilClosed()));
    await Promise.all(clients.slice(0, 3).map((each) => each.count(packetTypes.connack, 1)));
    await untilTold(edge, "connections-throttled");
    const late = await vi.waitFor(() => RawMqtt.open(edge.port, { clientId: "late" }), 5_000);
    for (const client of [...clients, late]) client.close();
  });

  test("bytes that are no TLS, and a client that trusts another authority, are told", async () => {
    const edge = await startEdge(four);
    const port = Number(addressOf(edge, "mqtts").port);
    const plain = new RawMqtt(port);
    plain.send(connectPacket());
    await plain.untilClosed();
    const wary = connectTls({ port, host: "127.0.0.1", servername: "localhost" });
    const [failure] = await once(wary, "error");
    expect(failure).toMatchObject({ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
    await untilTold(edge, "tls-failed", /from 127\.0\.0\.1:\d+: /);
    await open(addressOf(edge, "mqtts"));
  });

  test.each(["mqtts", "ws", "wss"])(
    "%s: who says nothing for 10 s is sent away",
    async (scheme) => {
      const clock = new VirtualClock();
      const listeners = new Listeners({
        ...four,
        auth: { anonymous: true },
        throttle: { connectionsPerSecond: 1, connectionsBurst: 10 },
        pairs: four.access.pairs,
        connectionsMax: 10,
        packetBytesMax: 1_024,
        clock,
        log: silentLogger,
        arrived: () => {},
        notice: () => {},
      });
      await listeners.open();
      onTestFinished(() => listeners.close());
      const url = listeners.addresses().find((each) => each.startsWith(`${scheme}:`)) ?? "";
      const silent = connectTcp(Number(new URL(url).port), "127.0.0.1");
      silent.on("error", () => {});
      const closed = untilClosed(silent);
      await once(silent, "connect");
      // Its door has opened once a later one has passed it.
      await vi.waitFor(async () => {
        await clock.advance(5_000);
        expect(silent.readyState).toBe("closed");
      });
      await closed;
      expect(clock.bootMs()).toBeGreaterThanOrEqual(10_000);
    },
  );

  test("stopping sends away those who have not arrived too", async () => {
    const edge = await startEdge(four);
    const silent = ["mqtt", "mqtts", "ws", "wss"].map((scheme) => {
      const socket = connectTcp(Number(addressOf(edge, scheme).port), "127.0.0.1");
      socket.on("error", () => {});
      return { connected: once(socket, "connect"), closed: untilClosed(socket) };
    });
    await Promise.all(silent.map(({ connected }) => connected));
    const client = await edge.connect({ clientId: "d1" });
    const beganMs = Date.now();
    await edge.stop();
    await Promise.all([client.untilClosed(), ...silent.map(({ closed }) => closed)]);
    expect(Date.now() - beganMs, "long before they would be sent away").toBeLessThan(5_000);
  });
});

/**
 * Goal: what another broker was told to be done with is on this gateway's disk, in its order, whatever
 * becomes of the gateway, the disk or the connection. Hostile brokers are raw sockets; the honest one
 * is mosquitto.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Clock } from "@causeway/shared/clock.ts";
import { sparkplugBytes } from "@causeway/shared/decode/sparkplug-payload.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import mqtt from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import { authorityFile, pairFiles } from "../testing/file-certificates.ts";
import { eventsOf, readValue } from "../testing/mqtt-edge.ts";
import type { PublishOptions } from "../testing/mqtt-raw-client.ts";
import { packetTypes, publishPacket, RawMqtt } from "../testing/mqtt-raw-client.ts";
import type { EdgeProcess } from "../testing/system-edge-process.ts";
import { runEdge, startEdge, testFolder } from "../testing/system-test-edge.ts";
import { MqttSource } from "./mqtt-source.ts";
import type { SourceSettings } from "./source-settings.ts";

const { puback } = packetTypes;
const [connect, subscribe, pingreq] = [1, 8, 12];
const topic = "devices/d1/telemetry/t";
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
/** A broker that does what a test tells it. */
class Upstream {
  readonly port: number;
  readonly visits: RawMqtt[] = [];
  #arrived: () => void = () => {};

  private constructor(port: number) {
    this.port = port;
  }

  static async open(): Promise<Upstream> {
    const server = createServer((socket) => {
      upstream.visits.push(new RawMqtt(socket));
      upstream.#arrived();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const upstream = new Upstream((server.address() as AddressInfo).port);
    onTestFinished(() => {
      server.close();
      for (const visit of upstream.visits) visit.close();
    });
    return upstream;
  }

  /** The so-manyth connection, once its CONNECT has come. */
  async visit(number: number): Promise<RawMqtt> {
    while (this.visits.length < number) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    const visit = this.visits[number - 1] as RawMqtt;
    await visit.count(connect, 1);
    return visit;
  }

  async accept(number: number, isSessionPresent = number > 1): Promise<RawMqtt> {
    const visit = await this.visit(number);
    visit.send(Buffer.from([0x20, 2, isSessionPresent ? 1 : 0, 0]));
    await visit.count(subscribe, 1);
    visit.send(Buffer.from([0x90, 3, 0, 1, 1]));
    return visit;
  }
}

const bounds = { packetBytesMax: 1_000, inflightPerClientMax: 100, waitingBytesMax: 1_000_000 };

async function start(settings: Partial<SourceSettings> = {}, clock: Clock = systemClock()) {
  const edge = await startEdge();
  const upstream = await Upstream.open();
  const url = `mqtt://127.0.0.1:${upstream.port}`;
  const source = new MqttSource({
    settings: { name: "plant", url, filters: ["devices/#"], ...settings },
    gateway: "gw",
    bounds,
    listener: edge.gateway,
    repeats: edge.broker.repeats,
    records: edge.outbox.records,
    clock,
    random: systemRandom,
    log: silentLogger,
  });
  source.start();
  onTestFinished(() => source.stop());
  return { edge, upstream, source };
}

const message = (id: number, more: Partial<PublishOptions> = {}) =>
  publishPacket({ topic, payload: `${id}`, id, ...more });

describe("a PUBACK", () => {
  test("is written once the event is synced, and in the order of the messages", async () => {
    const { edge, upstream } = await start();
    const visit = await upstream.accept(1);
    edge.gate.shut();
    visit.send(...numbers(50).map((id) => message(id)));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    expect(visit.of(puback)).toEqual([]);
    edge.gate.open();
    await visit.count(puback, 50);
    expect(visit.ids(puback)).toEqual(numbers(50));
    expect(await edge.values()).toEqual(numbers(50));
  });

  test("is not written where the append fails: the message comes again, and is an event once", async () => {
    const { edge, upstream, source } = await start();
    const visit = await upstream.accept(1);
    visit.send(message(1));
    await visit.count(puback, 1);
    edge.gate.failure = new Error("disk");
    visit.send(message(2), message(3));
    await visit.untilClosed();
    expect(visit.ids(puback)).toEqual([1]);
    edge.gate.failure = undefined;
    const isTaken = (again: RawMqtt) =>
      again.count(puback, 3).then(
        () => true,
        () => false,
      );
    // Until the outbox is open again a connection ends as the first did.
    for (let number = 2; ; number++) {
      const again = await upstream.accept(number);
      again.send(message(2, { dup: true }), message(3, { dup: true }), message(4));
      if (await isTaken(again)) break;
    }
    expect(await edge.values()).toEqual([1, 2, 3, 4]);
    expect(source.status().taken).toBe(4);
  });

  test("that got lost is written again for the repeat, which is no second event", async () => {
    const { edge, upstream, source } = await start();
    const visit = await upstream.accept(1);
    visit.send(message(1), message(2));
    await visit.count(puback, 2);
    visit.close();
    const again = await upstream.accept(2);
    again.send(message(1, { dup: true }), message(2, { dup: true }), message(3));
    await again.count(puback, 3);
    expect(again.ids(puback)).toEqual([1, 2, 3]);
    expect(await edge.values()).toEqual([1, 2, 3]);
    expect(source.status().folded).toBe(2);
  });

  test("goes only to the connection that its message came by", async () => {
    const clock = new VirtualClock();
    const { edge, upstream, source } = await start({}, clock);
    const visit = await upstream.accept(1);
    edge.gate.shut();
    visit.send(message(1), message(2));
    await vi.waitFor(() => expect(edge.gate.waiting).toBe(1));
    visit.close();
    await vi.waitFor(() => expect(source.status().isConnected).toBe(false));
    await clock.advance(60_000);
    expect(upstream.visits, "no other before all of it is settled").toHaveLength(1);
    edge.gate.open();
    await vi.waitFor(async () => {
      await clock.advance(500);
      expect(upstream.visits).toHaveLength(2);
    });
    const again = await upstream.accept(2);
    again.send(message(7));
    await again.count(puback, 1);
    expect(again.ids(puback)).toEqual([7]);
    expect(await edge.values()).toEqual([1, 2, 7]);
  });
});

describe("what becomes no event", () => {
  test("a message beyond the bound is told, acknowledged in its place, and blocks nothing", async () => {
    const { edge, upstream, source } = await start();
    const visit = await upstream.accept(1);
    const large = message(2, { payload: "x".repeat(100_000) });
    visit.send(message(1), large, message(3));
    await visit.count(puback, 3);
    expect(visit.ids(puback)).toEqual([1, 2, 3]);
    expect(await edge.values()).toEqual([1, 3]);
    expect(source.status().tooLarge).toBe(1);
    const detail = expect.stringMatching(/plant: 100026 bytes on "devices\/d1\/telemetry\/t"/);
    await vi.waitFor(async () =>
      expect(await edge.system("source-message-too-large")).toMatchObject([{ detail }]),
    );
  });

  test("a retained message, and one of a filter that is no longer set", async () => {
    const { edge, upstream, source } = await start();
    const visit = await upstream.accept(1);
    visit.send(message(1, { retain: true }), message(2, { topic: "other/x" }), message(3));
    await visit.count(puback, 3);
    expect(visit.ids(puback)).toEqual([1, 2, 3]);
    expect(await edge.values()).toEqual([3]);
    expect(source.status().passedOver).toBe(2);
  });

  test("a retained message, but for what it tells of the device", async () => {
    const { edge, upstream } = await start({ filters: ["homie/#"] });
    const visit = await upstream.accept(1);
    const retained = { payload: "°C", topic: "homie/car/engine/t/$unit", retain: true };
    visit.send(message(1, retained), message(2, { payload: "21.5", topic: "homie/car/engine/t" }));
    await visit.count(puback, 2);
    expect(await edge.events()).toMatchObject([{ readings: [{ value: 21.5, unit: "Cel" }] }]);
  });
});

test("a Sparkplug node is asked for a rebirth where it is", async () => {
  const { upstream } = await start({ filters: ["spBv1.0/#"] });
  const visit = await upstream.accept(1);
  const data = Buffer.from(sparkplugBytes({ seq: 1, metrics: [{ alias: 7, intValue: 1 }] }));
  visit.send(message(1, { topic: "spBv1.0/g/NDATA/n", payload: data }));
  await visit.count(packetTypes.publish, 1);
  expect(visit.published()).toMatchObject([{ topic: "spBv1.0/g/NCMD/n", qos: 0, retain: false }]);
});

test("what comes faster than the disk is left with that broker, and nothing of it is lost", async () => {
  const { edge, upstream } = await start();
  const visit = await upstream.accept(1);
  edge.gate.shut();
  const count = 20_000;
  for (const id of numbers(count)) visit.send(message(id, { payload: `${id}`.padEnd(900) }));
  let [before, still] = [0, 0];
  await vi.waitFor(
    () => {
      const left = visit.socket.writableLength;
      still = left > 0 && left === before ? still + 1 : 0;
      before = left;
      expect(still, "what is left to that broker is no longer less").toBe(4);
    },
    { timeout: 20_000, interval: 250 },
  );
  edge.gate.open();
  await visit.count(puback, count);
  expect(visit.ids(puback)).toEqual(numbers(count));
  expect((await edge.values()).map(Number)).toEqual(numbers(count));
});

describe("trouble is told", () => {
  test("a refusal, and it is tried again", async () => {
    const { upstream, source } = await start();
    (await upstream.visit(1)).send(Buffer.from([0x20, 2, 0, 4]));
    await vi.waitFor(() =>
      expect(source.status()).toMatchObject({
        isConnected: false,
        trouble: "refused: user or password",
      }),
    );
    await upstream.accept(2);
    await vi.waitFor(() =>
      expect(source.status()).toMatchObject({ isConnected: true, trouble: undefined }),
    );
  });

  test("a session that the other side has forgotten", async () => {
    const { edge, upstream } = await start();
    (await upstream.accept(1, false)).close();
    (await upstream.accept(2, true)).close();
    expect(await edge.system("source-session-lost")).toEqual([]);
    await upstream.accept(3, false);
    await vi.waitFor(async () => expect(await edge.system("source-session-lost")).toHaveLength(1));
  });

  test("a filter that is not granted", async () => {
    const { upstream, source } = await start();
    const visit = await upstream.visit(1);
    visit.send(Buffer.from([0x20, 2, 0, 0]), Buffer.from([0x90, 3, 0, 1, 0x80]));
    const trouble = "may not subscribe to devices/#";
    await vi.waitFor(() => expect(source.status()).toMatchObject({ isConnected: true, trouble }));
  });

  test("bytes that are no MQTT", async () => {
    const { upstream, source } = await start();
    (await upstream.visit(1)).send(Buffer.from("HTTP/1.1 400 Bad Request\r\n".padEnd(200)));
    await vi.waitFor(() => expect(source.status().trouble).toMatch(/unexpected packet of type 4/));
    await upstream.accept(2);
  });
});

describe("a broker that says nothing more is dialled anew", () => {
  /** Lets time pass until the connection has ended, and answers how much. */
  async function untilEnded(clock: VirtualClock, source: MqttSource, trouble: string) {
    const beganMs = clock.bootMs();
    while (source.status().trouble !== trouble) await clock.advance(1_000);
    return clock.bootMs() - beganMs;
  }

  test("after 10 s without a CONNACK", async () => {
    const clock = new VirtualClock();
    const { upstream, source } = await start({}, clock);
    const visit = await upstream.visit(1);
    expect(await untilEnded(clock, source, "no CONNACK")).toBeLessThanOrEqual(11_000);
    await visit.untilClosed();
    await clock.advance(500);
    await upstream.visit(2);
  });

  test("after 45 s without an answer to its pings; one that answers is not", async () => {
    const clock = new VirtualClock();
    const { upstream, source } = await start({}, clock);
    const visit = await upstream.accept(1);
    for (let pings = 1; pings <= 10; pings++) {
      await visit.count(pingreq, pings);
      visit.send(Buffer.from([0xd0, 0]), message(pings));
      await visit.count(puback, pings);
      await clock.advance(15_000);
    }
    expect(source.status().isConnected).toBe(true);
    expect(await untilEnded(clock, source, "silent")).toBeLessThanOrEqual(61_000);
  });
});

// mosquitto ---------------------------------------------------------------------------------------

const mosquitto = wantedTool("mosquitto");

async function startMosquitto(): Promise<{ url: string; secureUrl: string; child: ChildProcess }> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-mosquitto-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [port, securePort] = [await freePort(), await freePort()];
  const server = pairFiles("server");
  const settings = [
    // As root it would become another user, who may not read what is ours.
    `user ${userInfo().username}`,
    "per_listener_settings true",
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    `listener ${securePort} 127.0.0.1`,
    `cafile ${authorityFile}`,
    `certfile ${server.certFile}`,
    `keyfile ${server.keyFile}`,
    "require_certificate true",
    "use_identity_as_username true",
    "persistence false",
    "max_queued_messages 0",
    "log_dest none",
  ];
  const config = join(folder, "mosquitto.conf");
  writeFileSync(config, `${settings.join("\n")}\n`);
  const child = spawn(mosquitto ?? "", ["-c", config], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const url = `mqtt://127.0.0.1:${port}`;
  const probe = () => mqtt.connectAsync(url, { reconnectPeriod: 0 }, false);
  await (await vi.waitFor(probe, 10_000)).endAsync();
  return { url, secureUrl: `mqtts://127.0.0.1:${securePort}`, child };
}

/** What stands on the disk of a gateway that is no more. */
async function valuesIn(dataDir: string): Promise<unknown[]> {
  const outbox = await Outbox.open({
    gateway: "gw",
    openStore: () => openLevelStore(join(dataDir, "outbox")),
    clock: systemClock(),
    random: systemRandom,
    bounds: { bytesMax: 2 ** 30, tailBytesMax: 0, pendingBytesMax: 2 ** 24 },
    log: silentLogger,
  });
  try {
    return (await eventsOf(outbox, "telemetry")).map(readValue);
  } finally {
    await outbox.close();
  }
}

describe.skipIf(mosquitto === undefined)("riding on mosquitto", () => {
  test("through SIGKILLs of the gateway each message is an event once, in order", async () => {
    const { url } = await startMosquitto();
    const mqttSettings = {
      listeners: [],
      sources: [{ name: "plant", url, filters: ["devices/#"] }],
    };
    const { config, dataDir } = testFolder({ mqtt: mqttSettings });
    const sourceOf = async (edge: EdgeProcess) => {
      const { httpUrl } = await edge.ready();
      const status = (await (await fetch(`${httpUrl}/api/status`)).json()) as {
        sources: { isConnected: boolean; taken: number; folded: number }[];
      };
      return status.sources[0];
    };
    let edge = runEdge(config);
    const connected = async () => {
      await vi.waitFor(async () => expect((await sourceOf(edge))?.isConnected).toBe(true), {
        timeout: 20_000,
        interval: 20,
      });
    };
    await connected();
    const publisher = await mqtt.connectAsync(url, { clientId: "publisher" });
    onTestFinished(() => publisher.endAsync(true));
    let sent = 0;
    const publish = (count: number) =>
      Promise.all(numbers(count).map(() => publisher.publishAsync(topic, `${++sent}`, { qos: 1 })));
    for (let round = 0; round < 4; round++) {
      const flowing = publish(1_500);
      // Behind so many it is known that it counts (repeats.ts, F6).
      await vi.waitFor(
        async () => expect((await sourceOf(edge))?.taken).toBeGreaterThan(400 + round * 100),
        { timeout: 20_000, interval: 5 },
      );
      await edge.kill();
      await flowing;
      await publish(50);
      edge = runEdge(config);
      await connected();
    }
    const end = sent;
    await vi.waitFor(
      async () => {
        const before = (await sourceOf(edge))?.taken;
        await publisher.publishAsync("devices/d1/telemetry/idle", "0", { qos: 1 });
        await vi.waitFor(async () => {
          expect((await sourceOf(edge))?.taken).toBeGreaterThan(before ?? 0);
        });
        expect((await sourceOf(edge))?.taken).toBe((before ?? 0) + 1);
      },
      { timeout: 30_000, interval: 100 },
    );
    edge.child.kill("SIGTERM");
    await edge.ended;
    const found = (await valuesIn(dataDir)).filter((value) => value !== 0).map(Number);
    expect(found).toEqual(numbers(end));
  }, 120_000);

  test("over TLS, with a certificate of its own", async () => {
    const { url, secureUrl } = await startMosquitto();
    const own = pairFiles("device");
    const tls = { caFile: authorityFile, ...own };
    const { edge, source } = await start({ url: secureUrl, tls });
    await vi.waitFor(() => expect(source.status().isConnected).toBe(true), 10_000);
    const publisher = await mqtt.connectAsync(url);
    await vi.waitFor(async () => {
      await publisher.publishAsync(topic, "7", { qos: 1 });
      expect(await edge.values()).toContain(7);
    }, 10_000);
    await publisher.endAsync();
    for (const [wrong, trouble] of [
      [{ ...own }, /self-signed certificate|unable to/],
      [{ caFile: authorityFile }, /certificate required|closed|reset/i],
    ] as const) {
      const { source: other } = await start({ url: secureUrl, tls: wrong, name: "other" });
      await vi.waitFor(() => expect(other.status().trouble).toMatch(trouble), 10_000);
      expect(other.status().isConnected).toBe(false);
    }
  });

  test("a broker that is away is dialled until it is back", async () => {
    const { url, child } = await startMosquitto();
    const { config } = testFolder({ mqtt: { listeners: [], sources: [{ name: "plant", url }] } });
    const { httpUrl } = await runEdge(config).ready();
    const up = async () => {
      const text = await (await fetch(`${httpUrl}/metrics`)).text();
      return /^causeway_edge_source_up\{source="plant"\} (\d)$/m.exec(text)?.[1];
    };
    await vi.waitFor(async () => expect(await up()).toBe("1"), 10_000);
    child.kill("SIGKILL");
    await vi.waitFor(async () => expect(await up()).toBe("0"), 10_000);
  });
});

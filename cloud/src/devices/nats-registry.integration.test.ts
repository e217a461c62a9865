// The goal: the registry on a real nats-server is the same over kill -9 of the server and of its own
// process, with one keeper among several processes, and what people say of devices holds everywhere.

import { DeviceBook, factsRequest } from "@causeway/shared/devices/device-facts.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { devicesStream, readersStream } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NatsAlertSubjects } from "../alert/nats-alert-subjects.ts";
import { storedTransitions } from "../engine/testing/nats-engine.ts";
import { NatsBucketFeed } from "../nats-bucket-feed.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { encodeTick } from "../ticks/tick.ts";
import { readings } from "../views/testing/taken.ts";
import { NatsDeviceFacts } from "./nats-device-facts.ts";
import type { RegistryParts } from "./nats-registry.ts";
import { NatsRegistry } from "./nats-registry.ts";
import { defaultRegistryBounds } from "./registry.ts";

const patience = { timeout: 30_000, interval: 20 };
const clock = systemClock();
let server: NatsServer;
let connection: NatsConnection;
let ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
});

afterEach(async () => {
  for (const end of ends.toReversed()) await end();
  ends = [];
  await connection.close();
  await server.remove();
});

/** As in a process of its own: nothing is shared but the server. */
async function running(over: Partial<RegistryParts> = {}) {
  const own = await connectTest(server.url);
  ends.push(() => own.close());
  const manager = await jetstreamManager(own, { checkAPI: false, timeout: 2_000 });
  const client = jetstream(own);
  const parts = {
    connection: own,
    jetstream: client,
    clock,
    random: systemRandom,
    log: silentLogger,
  };
  const book = new DeviceBook();
  const feed = new NatsBucketFeed(parts, devicesStream, book);
  const facts = new NatsDeviceFacts(client, manager);
  const alerts = new NatsAlertSubjects(client, manager);
  const registry = new NatsRegistry({
    ...parts,
    manager,
    book,
    facts,
    alerts,
    keepEveryMs: 50,
    ...over,
  });
  feed.start();
  await feed.loaded();
  registry.start();
  ends.push(() => feed.stop());
  ends.push(() => registry.stop());
  const crash = () => own.close();
  const row = (device: string) => registry.registry.gateways.get("gw-1")?.devices.get(device);
  return { registry, book, facts, row, crash };
}

async function publish(from: number, values: readonly number[], device = "tank"): Promise<void> {
  const events = values.map((value) => readings(device, { level: value }));
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  const boots = { boot1: clock.wallMs() }; // what is older counts as late
  await publishMessage(
    connection,
    journalMessage(0, from, events, { gateway: "gw-1", head, boots }),
    "gw-1",
  );
}

let ticks = 0;
async function tick(): Promise<void> {
  const own = headers();
  own.set("Cw-Nonce", systemRandom.hex(16));
  ticks++;
  const data = encodeTick({ n: ticks, at: clock.wallMs(), rules: "none", revision: 0 });
  await jetstream(connection).publish("clk", data, { headers: own });
}

async function keptThrough(): Promise<number> {
  const store = new NatsReaderStore(jetstream(connection), await jetstreamManager(connection));
  return (await store.load("registry"))?.state?.places[0]?.sequence ?? 0;
}

/** Ticks until what was published before is kept. */
async function untilKept(): Promise<void> {
  const { state } = await (await jetstreamManager(connection)).streams.info("TLM");
  await vi.waitFor(async () => {
    await tick();
    expect(await keptThrough()).toBeGreaterThanOrEqual(state.last_seq);
  }, patience);
}

test("after kill -9 of the process nothing is counted twice and nothing is missed, kept or not", async () => {
  const first = await running();
  await publish(1, [1, 2]);
  await untilKept();
  await first.crash();
  await publish(3, [3]);
  const second = await running({ keepEveryMs: 3_600_000 });
  await vi.waitFor(() => expect(second.row("tank")?.events).toBe(3), patience);
  await publish(4, [4, 5]);
  await publish(4, [4, 5]);
  await vi.waitFor(() => expect(second.row("tank")?.events).toBe(5), patience);
  await second.crash();
  const third = await running();
  await vi.waitFor(
    () => expect(third.row("tank")).toMatchObject({ events: 5, readings: 5 }),
    patience,
  );
});

test("what was purged from the journal is still known, and is read once by the next process", async () => {
  const first = await running();
  await publish(1, [1, 2, 3]);
  await untilKept();
  await first.registry.stop();
  const manager = await jetstreamManager(connection);
  await manager.streams.purge("TLM", { seq: (await keptThrough()) + 1 });
  await publish(4, [4]);
  const second = await running();
  await vi.waitFor(() => expect(second.row("tank")?.events).toBe(4), patience);
});

test("over kill -9 of the server the same registry goes on", async () => {
  const { registry, row } = await running();
  await publish(1, [1, 2]);
  await untilKept();
  await server.kill();
  await server.start();
  await vi.waitFor(() => connection.rtt(), patience);
  await publish(3, [3]);
  await vi.waitFor(() => expect(row("tank")?.events).toBe(3), patience);
  await untilKept();
  expect(registry.status()).toMatchObject({ isKeeper: true, waitingFor: undefined });
});

test("of two processes one keeps and both show the same; where it is gone the other takes over", async () => {
  const first = await running();
  await publish(1, [1]);
  await untilKept();
  const second = await running();
  await vi.waitFor(() => expect(second.registry.status().isKeeper).toBe(true), patience);
  await publish(2, [2]);
  await vi.waitFor(async () => {
    await tick();
    expect(first.registry.status().isKeeper).toBe(false);
    for (const { row } of [first, second]) expect(row("tank")?.events).toBe(2);
  }, patience);
  await second.crash();
  await publish(3, [3]);
  await vi.waitFor(async () => {
    await tick();
    expect(first.registry.status().isKeeper).toBe(true);
  }, patience);
  await untilKept();
  expect(first.row("tank")?.events).toBe(3);
});

test("what is retired and speaks again is in service again, with a notice; what is forgotten is gone", async () => {
  const { book, facts, row, registry } = await running();
  await publish(1, [1]);
  await publish(2, [1], "pump");
  await vi.waitFor(() => expect(row("pump")?.events).toBe(1), patience);
  const place = { gateway: "gw-1", device: "tank" };
  const at = clock.wallMs();
  await facts.say(place, factsRequest({ act: "retired", by: "ann" }), at);
  await facts.say(
    { ...place, device: "pump" },
    factsRequest({ act: "forgotten", by: "ann" }),
    clock.wallMs(),
  );
  await vi.waitFor(async () => {
    await tick();
    expect(row("pump")).toBeUndefined();
  }, patience);
  expect(book.of(place)).toMatchObject({ act: "retired", retiredAt: at });
  await publish(3, [7]);
  await vi.waitFor(async () => {
    await tick();
    expect(book.of(place)).toMatchObject({ act: "returned", by: "causeway" });
  }, patience);
  expect(registry.registry.gateways.get("gw-1")?.notices).toMatchObject([
    { name: "back-in-service" },
  ]);
});

test("two people who replace the same device at once: one of them is refused", async () => {
  const { facts } = await running();
  const say = (device: string) =>
    facts.say(
      { gateway: "gw-1", device },
      factsRequest({ act: "replaced", old: "a", by: "ann" }),
      1,
    );
  const outcomes = await Promise.allSettled(["b", "c", "d", "e"].map(say));
  const refused = outcomes.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(3);
  expect(refused).toEqual(
    Array(3).fill({
      status: "rejected",
      reason: expect.objectContaining({ code: "OPERATION_INVALID" }),
    }),
  );
});

test("at a bound one alert tells of it, and it ends when there is room again", async () => {
  const bounds = { ...defaultRegistryBounds, devicesPerGatewayMax: 1 };
  const { facts, registry } = await running({ bounds });
  await publish(1, [1]);
  await publish(2, [1], "pump");
  await untilKept();
  const told = async () =>
    (await storedTransitions(connection)).map(
      ({ rule, state, reason }) => `${rule} ${state} ${reason}`,
    );
  await vi.waitFor(async () => {
    await tick();
    expect(await told()).toEqual([
      expect.stringMatching(/^system-registry-full firing gateway gw-1 has more than 1 /),
    ]);
  }, patience);
  const forget = factsRequest({ act: "forgotten", by: "ann" });
  await facts.say({ gateway: "gw-1", device: "" }, forget, clock.wallMs() + 5);
  await vi.waitFor(async () => {
    await tick();
    expect(registry.registry.gateways.size).toBe(0);
    expect((await told()).at(-1)).toMatch(/resolved/);
  }, patience);
  await publish(3, [1, 2]);
  await untilKept();
  await registry.stop();
  const next = await running();
  await vi.waitFor(() => expect(next.row("tank")?.events).toBe(2), patience);
});

test("a bucket without a reader's place, as put back from a backup, is read anew from the journal", async () => {
  const first = await running();
  await publish(1, [1, 2]);
  await untilKept();
  await first.registry.stop();
  await (await jetstreamManager(connection)).streams.purge(readersStream);
  const second = await running();
  await untilKept();
  expect(second.row("tank")?.events).toBe(2);
});

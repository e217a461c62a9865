/**
 * Goal: over real sockets and a real LevelDB, an acknowledgement means a synced append, whatever the
 * device, the disk or another subscriber does. Clients are raw sockets, so that they can be wrong.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Gateway } from "../gateway.ts";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { Store } from "../outbox/store.ts";
import {
  packetTypes,
  publishPacket,
  pubrelPacket,
  RawMqtt,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import type { Link } from "../uplink/link.ts";
import { defaultUplinkBounds } from "../uplink/uplink.ts";
import { parsePasswords, passwordLine } from "./access.ts";
import type { AedesBrokerOptions } from "./aedes-broker.ts";
import { AedesBroker } from "./aedes-broker.ts";

const { connack, puback, pubrec, pubcomp, suback } = packetTypes;
const topic = "devices/d1/telemetry/t";
const mebibyte = 1_024 * 1_024;

/** The disk's gate: writes of blocks wait while it is shut, and fail when told to. */
class Gate {
  failure: Error | undefined;
  /** How many writes wait. */
  waiting = 0;
  #shut: Promise<void> | undefined;
  #open = () => {};

  shut(): void {
    this.#shut = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#shut = undefined;
    this.#open();
  }

  /** Lets the waiting writes go and shuts behind them. */
  turn(): void {
    const open = this.#open;
    this.shut();
    open();
  }

  around(store: Store): Store {
    return {
      write: async (changes, options) => {
        if (options.sync && this.#shut !== undefined) {
          this.waiting++;
          await this.#shut;
          this.waiting--;
        }
        if (this.failure !== undefined) throw this.failure;
        await store.write(changes, options);
      },
      get: (key) => store.get(key),
      scan: (range) => store.scan(range),
      size: (from, until) => store.size(from, until),
      compact: (from, until) => store.compact(from, until),
      close: () => store.close(),
    };
  }
}

const noLink: Link = {
  listen: () => {},
  publish: async () => ({ kind: "failed", fault: "retry", reason: "no link" }),
  readMark: () => Promise.reject(new Error("no link")),
  close: async () => {},
};

interface Edge {
  readonly port: number;
  readonly gate: Gate;
  readonly broker: AedesBroker;
  readonly outbox: Outbox;
  events(log: Log): Promise<Event[]>;
}

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function startEdge(options: Partial<AedesBrokerOptions> = {}): Promise<Edge> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-broker-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  const gate = new Gate();
  const [clock, random, log] = [systemClock(), systemRandom, silentLogger];
  const outbox = await Outbox.open({
    gateway: "gw",
    openStore: async () => gate.around(await openLevelStore(join(folder, "outbox"))),
    clock,
    random,
    bounds: { bytesMax: 1_024 * mebibyte, tailBytesMax: 0, pendingBytesMax: 16 * mebibyte },
    log,
  });
  cleanUps.push(() => outbox.close());
  const gateway = new Gateway({
    gateway: gatewayId("gw"),
    version: "test",
    outbox,
    link: noLink,
    clock,
    random,
    uplinkBounds: defaultUplinkBounds,
    heartbeatMs: 3_600_000,
    log,
  });
  await gateway.start();
  cleanUps.push(() => gateway.stop());
  const broker = new AedesBroker({
    listeners: [{ host: "127.0.0.1", port: 0 }],
    passwords: undefined,
    packetBytesMax: 256 * 1_024,
    connectionsMax: 100,
    inflightPerClientMax: 1_000,
    clock,
    log,
    ...options,
  });
  broker.listen(gateway);
  await broker.start();
  cleanUps.push(() => {
    gate.open();
    return broker.stop();
  });
  const port = Number(broker.addresses()[0]?.split(":").at(-1));
  return { port, gate, broker, outbox, events: (itsLog) => eventsOf(outbox, itsLog) };
}

async function eventsOf(outbox: Outbox, log: Log): Promise<Event[]> {
  const events: Event[] = [];
  for (const { id, last } of outbox.epochs()) {
    for (let next = 1; next <= last[log]; ) {
      const blocks = await outbox.read(id, log, next, mebibyte);
      for (const { bytes, to } of blocks) {
        for (const { event } of decodeBlock(bytes).items)
          if (event !== undefined) events.push(event);
        next = to + 1;
      }
      if (blocks.length === 0) throw new Error(`nothing at ${next}`);
    }
  }
  return events;
}

async function systemEvents(edge: Edge, name: string): Promise<Event[]> {
  const events = await edge.events("priority");
  return events.filter((event) => event.kind === "system" && event.name === name);
}

function open(
  edge: Edge,
  ...connect: Parameters<typeof RawMqtt.open> extends [number, ...infer Rest] ? Rest : never
) {
  return RawMqtt.open(edge.port, ...connect).then((client) => {
    cleanUps.push(() => client.close());
    return client;
  });
}

const readValue = (event: Event) =>
  event.kind === "reading" ? event.readings[0]?.value : event.kind;
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
    client.send(publishPacket({ topic: "some/other/topic", id: 2 }));
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
    await vi.waitFor(async () =>
      expect(await systemEvents(edge, "packet-too-large")).toHaveLength(1),
    );
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

  test("an empty client id without a clean session is refused", async () => {
    const edge = await startEdge();
    await expect(open(edge, { clientId: "", clean: false })).rejects.toThrow("closed");
    await open(edge, { clientId: "", clean: true });
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
    const edge = await startEdge({ passwords: parsePasswords(line, "passwords") });
    await open(edge, { user: "pump", password: "secret" });
    for (const wrong of [{}, { user: "pump", password: "no" }, { user: "x", password: "secret" }]) {
      const client = await open(edge, { clientId: "other", ...wrong }).catch(() => undefined);
      await client?.untilClosed();
      expect(client?.of(connack)[0]?.body[1] ?? 5, "not authorised").toBe(5);
    }
    await vi.waitFor(async () =>
      expect(await systemEvents(edge, "authentication-failed")).toHaveLength(1),
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
    cleanUps.push(() => void squatter.close());
    const address = squatter.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    await expect(startEdge({ listeners: [{ host: "127.0.0.1", port }] })).rejects.toMatchObject({
      code: "BROKER_ADDRESS_IN_USE",
    });
  });
});

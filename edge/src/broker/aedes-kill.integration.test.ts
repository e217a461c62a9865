/**
 * Goal: whichever moment the process is killed at, a publish that the device repeats until it is
 * acknowledged is one event. Each moment is a process that kills itself there, on a real LevelDB.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ConnectOptions } from "../testing/mqtt-raw-client.ts";
import {
  packetTypes,
  publishPacket,
  pubrelPacket,
  RawMqtt,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { compiled } from "../testing/system-edge-process.ts";
import { restartEdge, startEdge } from "../testing/system-test-edge.ts";

const { puback, publish, pubrec, pubcomp, suback } = packetTypes;
const child = fileURLToPath(new URL("../testing/system-broker-child.ts", import.meta.url));
const topic = "devices/d1/telemetry/t";
const hex = (text: string) => Buffer.from(text, "latin1").toString("hex");
/** Blocks of telemetry; other records of layout.ts and session-records.ts by their names. */
const keys = { block: hex("b\0"), id: hex("qi"), will: hex("qw"), queued: hex("qo") };

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "causeway-kill-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A process that ends itself at this moment. */
async function doomed(place: string, ...moment: readonly string[]) {
  const running = spawn(process.execPath, [child, place, ...moment], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...compiled },
  });
  const ended = once(running, "exit");
  onTestFinished(async () => {
    running.kill("SIGKILL");
    await ended;
  });
  const [line] = await once(running.stdout, "data");
  return { port: Number(line), ended, kill: () => running.kill("SIGKILL") };
}

async function connect(port: number, options: ConnectOptions = {}): Promise<RawMqtt> {
  const client = await RawMqtt.open(port, { clean: false, ...options });
  onTestFinished(() => client.close());
  return client;
}

describe("QoS 1", () => {
  test.each(["before", "after"])(
    "killed %s the sync: the repeat leaves one event",
    async (when) => {
      const place = folder();
      const { port, ended } = await doomed(place, when, "put", keys.block);
      const client = await connect(port);
      client.send(publishPacket({ topic, payload: "7", id: 5 }));
      await ended;
      expect(client.of(puback)).toEqual([]);
      const edge = await startEdge({ folder: place });
      const again = await edge.connect({ clean: false });
      again.send(publishPacket({ topic, payload: "7", id: 5, dup: true }));
      await again.count(puback, 1);
      expect(await edge.values()).toEqual([7]);
    },
  );

  test("killed behind the PUBACK: a repeat of it leaves one event, the next publish is new", async () => {
    const place = folder();
    const { port, ended, kill } = await doomed(place);
    const client = await connect(port);
    client.send(publishPacket({ topic, payload: "7", id: 5 }));
    await client.count(puback, 1);
    kill();
    await ended;
    const edge = await startEdge({ folder: place });
    const again = await edge.connect({ clean: false });
    again.send(
      publishPacket({ topic, payload: "7", id: 5, dup: true }),
      publishPacket({ topic, payload: "7", id: 5 }),
    );
    await again.count(puback, 2);
    expect(await edge.values()).toEqual([7, 7]);
  });

  test("killed while the repeat is folded: the next repeat leaves one event", async () => {
    const place = folder();
    const first = await doomed(place, "after", "put", keys.block);
    (await connect(first.port)).send(publishPacket({ topic, payload: "7", id: 5 }));
    await first.ended;
    const second = await doomed(place, "before", "put", hex("qf"));
    (await connect(second.port)).send(publishPacket({ topic, payload: "7", id: 5, dup: true }));
    await second.ended;
    const edge = await startEdge({ folder: place });
    const again = await edge.connect({ clean: false });
    again.send(publishPacket({ topic, payload: "7", id: 5, dup: true }));
    await again.count(puback, 1);
    expect(await edge.values()).toEqual([7]);
  });
});

describe("QoS 2", () => {
  const message = { topic, payload: "7", qos: 2, id: 5 } as const;

  test.each(["before", "after"])("killed %s the sync of the publish: one event", async (when) => {
    const place = folder();
    const { port, ended } = await doomed(place, when, "put", keys.id);
    const client = await connect(port);
    client.send(publishPacket(message));
    await ended;
    expect(client.of(pubrec)).toEqual([]);
    const edge = await startEdge({ folder: place });
    const again = await edge.connect({ clean: false });
    again.send(publishPacket({ ...message, dup: true }));
    await again.count(pubrec, 1);
    again.send(pubrelPacket(5));
    await again.count(pubcomp, 1);
    expect(await edge.values()).toEqual([7]);
  });

  test.each(["before", "after"])("killed %s the sync of its removal: one event", async (when) => {
    const place = folder();
    const { port, ended } = await doomed(place, when, "delete", keys.id);
    const client = await connect(port);
    client.send(publishPacket(message));
    await client.count(pubrec, 1);
    client.send(pubrelPacket(5));
    await ended;
    expect(client.of(pubcomp)).toEqual([]);
    const edge = await startEdge({ folder: place });
    const again = await edge.connect({ clean: false });
    again.send(pubrelPacket(5));
    await again.count(pubcomp, 1);
    again.send(publishPacket({ ...message, payload: "8" }));
    await again.count(pubrec, 1);
    expect(await edge.values()).toEqual([7, 8]);
  });

  test("killed behind the PUBREC: a publish repeated all the same leaves one event", async () => {
    const place = folder();
    const { port, ended, kill } = await doomed(place);
    const client = await connect(port);
    client.send(publishPacket(message));
    await client.count(pubrec, 1);
    kill();
    await ended;
    const edge = await startEdge({ folder: place });
    const again = await edge.connect({ clean: false });
    again.send(publishPacket({ ...message, dup: true }));
    await again.count(pubrec, 1);
    expect(await edge.values()).toEqual([7]);
  });
});

test("ids of clean sessions end with the process that was killed", async () => {
  const place = folder();
  const { port, ended, kill } = await doomed(place);
  for (const clean of [true, false]) {
    const client = await connect(port, { clientId: `clean ${clean}`, clean });
    client.send(publishPacket({ topic, qos: 2, id: 5 }));
    await client.count(pubrec, 1);
  }
  kill();
  await ended;
  const edge = await startEdge({ folder: place });
  const range = { from: Buffer.from("qi"), until: Buffer.from("qj"), countMax: 10 };
  const ids = async () => (await edge.outbox.records.scan(range)).map(([key]) => `${key}`);
  await expect.poll(ids, { timeout: 5_000 }).toHaveLength(1);
  expect((await ids())[0]).toContain("clean false");
});

describe("wills and queues", () => {
  test.each(["before", "after"])("killed %s the sync of a will: one event", async (when) => {
    const place = folder();
    const { port, ended } = await doomed(place, when, "delete", keys.will);
    const client = await connect(port, { will: { topic, payload: "13", qos: 1 } });
    client.close();
    await ended;
    const edge = await startEdge({ folder: place });
    await expect.poll(() => edge.values()).toEqual([13]);
    const after = await restartEdge(edge);
    expect(await after.values()).toEqual([13]);
  });

  test("a process that is killed leaves the wills of those connected, and one that said goodbye none", async () => {
    const place = folder();
    const { port, ended, kill } = await doomed(place);
    await connect(port, { clientId: "a", will: { topic, payload: "1", qos: 1 } });
    const polite = await connect(port, { clientId: "b", will: { topic, payload: "2", qos: 1 } });
    polite.send(Buffer.from([0xe0, 0]));
    await polite.untilClosed();
    // Behind this acknowledgement stands the write that the goodbye went with.
    const other = await connect(port, { clientId: "c" });
    other.send(publishPacket({ topic, payload: "3", id: 1 }));
    await other.count(puback, 1);
    kill();
    await ended;
    const edge = await startEdge({ folder: place });
    await expect.poll(() => edge.values()).toEqual([3, 1]);
  });

  test("a message that was acknowledged is in its subscriber's queue, once", async () => {
    const place = folder();
    const { port, ended } = await doomed(place, "after", "put", keys.queued);
    const subscriber = await connect(port, { clientId: "sub" });
    subscriber.send(subscribePacket("devices/#", 1));
    await subscriber.count(suback, 1);
    subscriber.close();
    const client = await connect(port);
    client.send(publishPacket({ topic, payload: "7", id: 5 }));
    await ended;
    const edge = await startEdge({ folder: place });
    const again = await edge.connect({ clean: false });
    again.send(publishPacket({ topic, payload: "7", id: 5, dup: true }));
    await again.count(puback, 1);
    const reader = await edge.connect({ clientId: "sub", clean: false });
    await reader.count(publish, 1);
    await reader.ping();
    expect(reader.published()).toMatchObject([{ payload: "7", qos: 1, dup: false }]);
    expect(await edge.values()).toEqual([7]);
  });
});

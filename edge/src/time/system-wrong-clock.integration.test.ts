/**
 * Goal: the real gateway on a machine that boots in 1970 acknowledges at once, dates what it keeps once
 * its clock is set, and is not killed out of what it knows. The clock is wrong by what a file says.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { decodeBody, expandBody } from "@causeway/shared/batch-codec.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { connect } from "@nats-io/transport-node";
import { beforeAll, expect, test, vi } from "vitest";
import { packetTypes, publishPacket, RawMqtt } from "../testing/mqtt-raw-client.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";

let nats: NatsServer;
let connection: NatsConnection;
let wrongBy: (ms: number) => void;
let environment: Readonly<Record<string, string>>;

beforeAll(async () => {
  nats = await startNatsServer();
  connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "TLM", subjects: ["tlm.*.*"] });
  await manager.streams.add({ name: "ENGINE", subjects: ["mark.*.*"], allow_direct: true });
  const folder = mkdtempSync(join(tmpdir(), "causeway-clock-"));
  const file = join(folder, "wrong-by");
  wrongBy = (ms) => writeFileSync(file, String(ms));
  const module = join(folder, "wrong-clock.mjs");
  writeFileSync(
    module,
    `import { readFileSync } from "node:fs";
     const right = Date.now;
     Date.now = () => right() + Number(readFileSync(${JSON.stringify(file)}, "utf8"));`,
  );
  environment = { NODE_OPTIONS: `--import=${pathToFileURL(module)}` };
  return async () => {
    rmSync(folder, { recursive: true, force: true });
    await connection.close();
    await nats.remove();
  };
});

/** What the journal holds of the device, in its order; undefined where it is undated. */
async function arrived(): Promise<{ value: unknown; receivedAt: number | undefined }[]> {
  const manager = await jetstreamManager(connection);
  const { messages } = (await manager.streams.info("TLM")).state;
  const consumer = await jetstream(connection).consumers.get("TLM");
  const found = [];
  for (let sequence = 1; sequence <= messages; sequence++) {
    const message = await consumer.next({ expires: 5_000 });
    if (message === null) break;
    const { boots, blocks } = decodeBody(expandBody(message.data));
    for (const { bootId, items } of blocks) {
      for (const { event } of items) {
        if (event?.kind !== "reading") continue;
        const offset = boots[bootId] ?? undefined;
        const receivedAt = offset === undefined ? undefined : offset + event.bootMs;
        found.push({ value: event.readings[0]?.value, receivedAt });
      }
    }
  }
  return found;
}

async function publish(client: RawMqtt, value: number): Promise<void> {
  const topic = "devices/d1/telemetry/v";
  client.send(publishPacket({ topic, id: value, payload: String(value) }));
  await client.count(packetTypes.puback, value);
}

const soon = { timeout: 20_000, interval: 50 };

test("a gateway that boots in 1970 dates what it kept, and leaves undated what it sent before", async () => {
  const { config } = testFolder({
    uplink: { servers: [nats.url] },
    time: { waitMs: 3_000 },
  });
  wrongBy(-Date.now());
  const { mqttPort, httpUrl } = await runEdge(config, [], environment).ready();
  const clock = async () => {
    const status = await (await fetch(`${httpUrl}/api/status`)).json();
    return (status as { clock: unknown }).clock;
  };
  const client = await RawMqtt.open(mqttPort);
  await publish(client, 1);
  expect(await clock()).toMatchObject({ quality: "behind", isDated: false });
  expect(await arrived(), "it waits for the clock").toEqual([]);
  await vi.waitFor(async () => {
    expect(await arrived()).toEqual([{ value: 1, receivedAt: undefined }]);
  }, soon);
  await connection.flush();
  nats.pause();
  const sentAtMs = Date.now();
  await publish(client, 2);
  wrongBy(0);
  await vi.waitFor(
    async () => expect(await clock()).toMatchObject({ quality: "set", isDated: true }),
    soon,
  );
  nats.resume();
  await publish(client, 3);
  await vi.waitFor(async () => {
    expect((await arrived()).at(-1)?.value).toBe(3);
  }, soon);
  const came = await arrived();
  const values = came.map(({ value }) => value);
  expect(values.filter((value, index) => values.indexOf(value) === index)).toEqual([1, 2, 3]);
  expect(Math.abs((came.at(-1)?.receivedAt ?? 0) - sentAtMs)).toBeLessThan(60_000);
}, 60_000);

test("after SIGKILL the same boot is dated as before, though the clock is wrong again", async () => {
  const { config } = testFolder({ uplink: { servers: ["nats://127.0.0.1:1"] } });
  wrongBy(0);
  const first = runEdge(config, [], environment);
  await first.ready();
  await first.kill();
  wrongBy(-Date.now());
  const { httpUrl } = await runEdge(config, [], environment).ready();
  const { clock } = (await (await fetch(`${httpUrl}/api/status`)).json()) as {
    clock: { wallAheadMs: number };
  };
  expect(clock).toMatchObject({ quality: "behind", isDated: true });
  expect(Math.abs(clock.wallAheadMs + Date.now())).toBeLessThan(60_000);
});

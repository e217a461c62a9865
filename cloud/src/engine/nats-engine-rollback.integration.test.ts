// Streams that are put back to an older copy under a running engine, on a real nats-server.
import { cpSync, readdirSync, rmSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { decodeMark } from "@causeway/shared/mark.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectTest, prepareStreams, publishReading } from "../testing/nats-journal-writer.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import type { RunningEngine } from "./testing/nats-engine.ts";
import { startEngine, storedTransitions, until } from "./testing/nats-engine.ts";

const rules = rulesSchema.parse([{ name: "hot", detector: "limits", hi: 50 }]);

/** The engine's way to the server, which can be closed while the test has its own. */
class Door {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  isOpen = true;

  constructor(port: number) {
    this.#server = createServer((near) => {
      if (!this.isOpen) return void near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          this.#open.delete(from);
          to.destroy();
        });
      }
    });
  }

  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => {
        const address = this.#server.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        resolve(`nats://127.0.0.1:${port}`);
      });
    });
  }

  shut(): void {
    this.isOpen = false;
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.shut();
    this.#server.close();
  }
}

let server: NatsServer;
let door: Door;
let connection: NatsConnection;
let running: RunningEngine;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  door = new Door(server.port);
  running = await startEngine(await door.listen(), rules);
});
afterEach(async () => {
  await running.connection.close();
  await connection.close();
  door.close();
  await server.remove();
});

async function through(): Promise<number> {
  const manager = await jetstreamManager(connection);
  const partitions = await manager.streams.info("ENGINE", { subjects_filter: "mark.>" });
  const [subject] = Object.keys(partitions.state.subjects ?? {});
  if (subject === undefined) return 0;
  const found = await manager.streams.getMessage("ENGINE", { last_by_subj: subject });
  return found === null ? 0 : (decodeMark(found.string()).epochs[0]?.logs.telemetry.through ?? 0);
}

async function take(from: number, to: number): Promise<void> {
  for (let position = from; position <= to; position++) {
    await publishReading(connection, position, 20);
    await until(`position ${position}`, async () => (await through()) === position);
  }
}

async function told(): Promise<string[]> {
  const found = await storedTransitions(connection);
  return found.filter(({ rule }) => rule === "hot").map(({ state }) => state);
}

const storeOf = (stream: string) =>
  join(server.folder, "store", "jetstream", "$G", "streams", stream);

async function backUp(stream: string): Promise<string> {
  const copy = join(server.folder, `${stream}-copy`);
  await server.stop();
  cpSync(storeOf(stream), copy, { recursive: true });
  await server.start();
  await until("the server", async () => (await connection.rtt().catch(() => -1)) >= 0);
  return copy;
}

async function putBack(stream: string, copy: string): Promise<void> {
  await server.stop();
  expect(readdirSync(storeOf(stream)).length).toBeGreaterThan(0);
  rmSync(storeOf(stream), { recursive: true });
  cpSync(copy, storeOf(stream), { recursive: true });
  await server.start();
  await until("the server", async () => (await connection.rtt().catch(() => -1)) >= 0);
}

test("ENGINE put back under an idle engine: nothing is committed over what others wrote since", async () => {
  await take(1, 3);
  const copy = await backUp("ENGINE");
  await take(4, 6);
  const manager = await jetstreamManager(connection);
  const { subjects: marks } = (await manager.streams.info("ENGINE", { subjects_filter: "mark.>" }))
    .state;
  const partition = Object.keys(marks ?? {})[0]?.split(".")[1] ?? "";
  const query = { last_by_subj: `ckpt.${partition}` };
  const own = await manager.streams.getMessage("ENGINE", query);
  door.shut();
  await putBack("ENGINE", copy);
  // Another engine goes on from the older copy, and comes to the very sequence that this one expects.
  const client = jetstream(connection);
  const older = await manager.streams.getMessage("ENGINE", query);
  const [ownSequence, olderText] = [own?.seq ?? 0, older?.string() ?? ""];
  for (;;) {
    const { seq } = await client.publish("derived.other", "");
    if (seq === ownSequence - 1) break;
    expect(seq).toBeLessThan(ownSequence);
  }
  const other = decodeCheckpoint(olderText);
  const written = { ...other, fence: other.fence + 1, nonce: "another" };
  const { seq } = await client.publish(`ckpt.${partition}`, encodeCheckpoint(written));
  expect(seq).toBe(ownSequence);
  await publishReading(connection, 7, 60);
  door.isOpen = true;
  const fences = new Set<number>();
  await until("it goes on", async () => {
    const last = await manager.streams.getMessage("ENGINE", query);
    fences.add(decodeCheckpoint(last?.string() ?? "").fence);
    return (await through()) === 7;
  });
  // What the tenure of before wrote would have its own, lower fence.
  expect(Math.min(...fences)).toBeGreaterThanOrEqual(written.fence);
  expect(await told()).toEqual(["firing"]);
});

test("TLM put back under a running engine: what gateways sent meanwhile is taken, once", async () => {
  await take(1, 3);
  const copy = await backUp("TLM");
  await take(4, 6);
  door.shut();
  await putBack("TLM", copy);
  for (let position = 7; position <= 10; position++) await publishReading(connection, position, 60);
  door.isOpen = true;
  await until("all is taken", async () => (await through()) === 10);
  expect(running.engine.status()).toMatchObject({ events: 10, missing: 0 });
  expect(await told()).toEqual(["firing"]);
});

test("a server that lost its whole store has its streams again within seconds, under an idle engine", async () => {
  await take(1, 3);
  await server.kill();
  rmSync(join(server.folder, "store"), { recursive: true });
  await server.start();
  await until("the engine begins anew", () => running.engine.status().takeOvers === 2, 10_000);
  await take(1, 2);
});

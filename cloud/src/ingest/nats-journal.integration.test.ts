// Reading a stream on a real nats-server: in order, told when interrupted, complete when opened again.
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectTest } from "../testing/nats-journal-writer.ts";
import { JournalInterrupted, readJournal } from "./nats-journal.ts";

let server: NatsServer;
let connection: NatsConnection;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "J", subjects: ["j.>"], allow_direct: true });
});
afterEach(async () => {
  await connection.close();
  await server.remove();
});

async function publish(from: number, to: number): Promise<void> {
  const client = jetstream(connection);
  for (let number = from; number <= to; number++) await client.publish("j.a", `${number}`);
}

async function statusOf(type: string): Promise<void> {
  for await (const status of connection.status()) if (status.type === type) return;
}

function read(from: number, signal: AbortSignal) {
  const request = { stream: "J", subjects: ["j.>"], from, signal };
  return readJournal(connection, jetstream(connection), request);
}

test("messages come in order from the sequence asked for, those that come later too", async () => {
  await publish(1, 50);
  const stop = new AbortController();
  const found: number[] = [];
  const reading = (async () => {
    for await (const message of read(11, stop.signal)) {
      found.push(message.sequence);
      if (found.length === 60) stop.abort();
    }
  })();
  await publish(51, 70);
  await reading;
  expect(found).toEqual(Array.from({ length: 60 }, (_, index) => index + 11));
});

test("a killed server interrupts the reading; opened behind the last message nothing is missing", async () => {
  await publish(1, 20);
  const stop = new AbortController();
  const found: number[] = [];
  const killed = (async () => {
    for await (const message of read(1, stop.signal)) {
      found.push(message.sequence);
      if (found.length === 20) await server.kill();
    }
  })();
  await expect(killed).rejects.toThrow(JournalInterrupted);
  const reconnected = statusOf("reconnect");
  await server.start();
  await reconnected;
  await publish(21, 30);
  for await (const message of read((found.at(-1) ?? 0) + 1, stop.signal)) {
    found.push(message.sequence);
    if (found.length === 30) break;
  }
  expect(found).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
});

test("a deleted stream interrupts the reading", async () => {
  await publish(1, 1);
  const stop = new AbortController();
  const reading = (async () => {
    for await (const _message of read(1, stop.signal)) {
      await (await jetstreamManager(connection)).streams.delete("J");
    }
  })();
  await expect(reading).rejects.toThrow(JournalInterrupted);
});

// The bucket READERS on a real nats-server.
import { readersStream, subjects } from "@causeway/shared/subjects.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { NatsReaderStore } from "./nats-reader-store.ts";
import { readerStoreContract } from "./reader-store.contract.ts";

let server: NatsServer;
let connection: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
});
afterAll(async () => {
  await connection.close();
  await server.remove();
});

async function emptyStore(): Promise<NatsReaderStore> {
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  await manager.streams.purge(readersStream);
  return new NatsReaderStore(jetstream(connection), manager);
}

readerStoreContract("NATS", emptyStore);

test("a key that was deleted by the nats tool counts as none, and can be registered anew", async () => {
  const store = await emptyStore();
  const state = { places: [], at: 1, kind: "route", generation: 1, writer: "ab" };
  await store.write("route", state, 0);
  const deleted = headers();
  deleted.set("KV-Operation", "DEL");
  await jetstream(connection).publish(subjects.reader("route"), "", { headers: deleted });
  expect(await store.list()).toEqual([]);
  expect((await store.write("route", state, 0)).kind).toBe("written");
  expect(await store.list()).toHaveLength(1);
});

// The bucket LEASES on a real nats-server.
import { leasesStream } from "@causeway/shared/subjects.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterAll, beforeAll } from "vitest";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { leaseStoreContract } from "./lease-store.contract.ts";
import { NatsLeaseStore } from "./nats-lease-store.ts";

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

leaseStoreContract("JetStream", async () => {
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  await manager.streams.purge(leasesStream);
  return new NatsLeaseStore(jetstream(connection), manager);
});

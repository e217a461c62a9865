/** Streams of a real nats-server as the cloud lays them, and what a gateway writes there, for tests. */
import { silentLogger } from "@causeway/shared/log.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { StreamBounds } from "@causeway/shared/streams.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import type { JournalMessage } from "../ingest/journal.ts";
import { ensureStreams } from "../ingest/nats-streams.ts";
import { journalMessage, readingEvent } from "./journal-writer.ts";

export const mebibyte = 1_024 * 1_024;
const bounds = { telemetryBytesMax: 64 * mebibyte, engineBytesMax: 64 * mebibyte, replicas: 1 };

export function connectTest(url: string): Promise<NatsConnection> {
  return connectNats({ servers: [url] }, { name: "test", reconnect: true }, systemRandom);
}

export function prepareStreams(
  manager: JetStreamManager,
  over: Partial<StreamBounds> = {},
): Promise<void> {
  return ensureStreams(manager, streamPlans({ ...bounds, ...over }), silentLogger);
}

/** Stores `message` as `gateway` would send it; its sequence in the journal. */
export async function publishMessage(
  connection: NatsConnection,
  { data, header }: JournalMessage,
  gateway = "g1",
): Promise<number> {
  const own = headers();
  for (const name of batchHeaders) {
    const value = header(name);
    if (value !== undefined) own.set(name, value);
  }
  const subject = `tlm.${gateway}.live`;
  const { seq } = await jetstream(connection).publish(subject, data, { headers: own });
  return seq;
}

const batchHeaders = ["Version", "Run", "Epoch", "Log", "From", "To", "Nonce", "Before"]
  .map((name) => `Cw-${name}`)
  .concat("Content-Type", "Content-Encoding");

/** Stores one reading of gateway g1 at `position`; its sequence in the journal. */
export function publishReading(
  connection: NatsConnection,
  position: number,
  value: number,
): Promise<number> {
  const event = readingEvent("d1", "temperature", value, position);
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  return publishMessage(connection, journalMessage(0, position, [event], { head }));
}

/** Publishes until there is no room for so many bytes; rejects with the reason. */
export async function fill(
  connection: NatsConnection,
  subject: string,
  bytes: number,
  timeout = 5_000,
): Promise<never> {
  const options = { retries: 0, timeout };
  for (;;) await jetstream(connection).publish(subject, new Uint8Array(bytes), options);
}

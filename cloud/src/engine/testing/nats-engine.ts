/** An engine on a real nats-server, put together as `causeway-cloud run` does. */
import { silentLogger } from "@causeway/shared/log.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import type { AlertTransition } from "../../alert/alert.ts";
import { readJournal } from "../../ingest/nats-journal.ts";
import { ensureStreams } from "../../ingest/nats-streams.ts";
import { decodeAlertMessage } from "../../notify/message.ts";
import { journalMessage, readingEvent } from "../../testing/journal-writer.ts";
import { KeptRuleSets } from "../../ticks/rule-sets.ts";
import { Engine } from "../engine.ts";
import { NatsEngineStore } from "../nats-engine-store.ts";

const mebibyte = 1_024 * 1_024;
const bounds = { telemetryBytesMax: 64 * mebibyte, engineBytesMax: 64 * mebibyte, replicas: 1 };

export interface RunningEngine {
  readonly engine: Engine;
  readonly connection: NatsConnection;
  readonly ruleSets: KeptRuleSets;
}

export function connectTest(url: string): Promise<NatsConnection> {
  return connectNats({ servers: [url] }, { name: "test", reconnect: true }, systemRandom);
}

export async function prepareStreams(
  manager: JetStreamManager,
  telemetryBytesMax = bounds.telemetryBytesMax,
): Promise<void> {
  await ensureStreams(manager, streamPlans({ ...bounds, telemetryBytesMax }), silentLogger);
}

export async function startEngine(url: string, rules: readonly Rule[]): Promise<RunningEngine> {
  const connection = await connectTest(url);
  const manager = await jetstreamManager(connection);
  const client = jetstream(connection);
  const store = new NatsEngineStore(connection, client, manager, systemRandom);
  const ruleSets = new KeptRuleSets(store, rules);
  const info = async () => (await manager.streams.info(telemetryStream)).state;
  const engine = new Engine({
    store,
    journal: (from, signal) =>
      readJournal(connection, client, {
        stream: telemetryStream,
        subjects: ["tlm.>", clockSubject],
        from,
        signal,
      }),
    messageAt: async (seq) => {
      await connection.rtt();
      if ((await info()).last_seq < seq) return undefined;
      const found = await manager.streams.getMessage(telemetryStream, { seq });
      if (found === null) return undefined;
      return { subject: found.subject, nonce: found.header.get("Cw-Nonce") || undefined };
    },
    firstSequence: async () => (await info()).first_seq,
    prepare: async () => {
      await connection.rtt();
      await prepareStreams(manager);
    },
    ruleSets,
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
  });
  engine.start();
  return { engine, connection, ruleSets };
}

/** Stores one reading of gateway g1 at `position`; its sequence in the journal. */
export async function publishReading(
  connection: NatsConnection,
  position: number,
  value: number,
): Promise<number> {
  const event = readingEvent("d1", "temperature", value, position);
  const message = journalMessage(0, position, [event], {
    head: { nonce: `1.${systemRandom.hex(8)}` },
  });
  const head = headers();
  for (const name of batchHeaders) {
    const value = message.header(name);
    if (value !== undefined) head.set(name, value);
  }
  const answer = await jetstream(connection).publish("tlm.g1.live", message.data, {
    headers: head,
  });
  return answer.seq;
}

const batchHeaders = [
  "Content-Type",
  "Content-Encoding",
  "Cw-Version",
  "Cw-Run",
  "Cw-Epoch",
  "Cw-Log",
  "Cw-From",
  "Cw-To",
  "Cw-Nonce",
];

/** Every alert transition of stream ENGINE, in its order. */
export async function storedTransitions(connection: NatsConnection): Promise<AlertTransition[]> {
  const manager = await jetstreamManager(connection);
  const found: AlertTransition[] = [];
  for (let seq = 1; ; seq++) {
    const query = { seq, next_by_subj: "alert.>" };
    const message = await manager.streams.getMessage("ENGINE", query);
    if (message === null) return found;
    found.push(...decodeAlertMessage(message.string()));
    seq = message.seq;
  }
}

/** Asks until `holds` does; what it waits for happens in another process. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const clock = systemClock();
  const deadline = clock.bootMs() + timeoutMs;
  while (!(await holds())) {
    if (clock.bootMs() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise<void>((resolve) => void clock.after(20, resolve));
  }
}

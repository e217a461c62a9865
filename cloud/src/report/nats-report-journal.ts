/** The journal, and the alerts of ENGINE, as reports are made of them. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Random } from "@causeway/shared/random.ts";
import {
  clockSubject,
  engineStream,
  subjects,
  telemetryStream,
} from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { DeliverPolicy } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { engineJournal } from "../engine/nats-engine-journal.ts";
import { readJournal } from "../ingest/nats-journal.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { RegisteredReader, retireReader } from "../retention/registered-reader.ts";
import type { ReportJournal, StoredAlert } from "./report-stage.ts";

export const reportReader = "reports";

export interface ReportJournalParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
}

export function reportJournal(parts: ReportJournalParts): ReportJournal {
  const { connection, jetstream, manager, clock, random } = parts;
  const { messageAt } = engineJournal(connection, jetstream, manager);
  const store = new NatsReaderStore(jetstream, manager);
  const whole = { stream: telemetryStream, subjects: ["tlm.>", clockSubject] };
  return {
    read: (from, signal) => readJournal(connection, jetstream, { ...whole, from, signal }),
    async range() {
      const { first_seq: first, last_seq: last } = (await manager.streams.info(telemetryStream))
        .state;
      return { first, last };
    },
    open: (own) =>
      RegisteredReader.open(
        { store, messageAt, clock, random },
        { name: reportReader, kind: "reports" },
        own,
      ),
    async retire() {
      if ((await store.load(reportReader)) !== undefined)
        await retireReader(store, reportReader, undefined);
    },
    alerts: (after) => storedAlerts(jetstream, after),
  };
}

/** Ends with the last one that is there. */
export async function* storedAlerts(
  jetstream: JetStreamClient,
  after: number,
): AsyncGenerator<StoredAlert> {
  const consumer = await jetstream.consumers.get(engineStream, {
    filter_subjects: ["alert.>", subjects.deadNotifications],
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
  });
  if ((await consumer.info()).num_pending === 0) return;
  const messages = await consumer.consume();
  try {
    for await (const message of messages) {
      const { seq: sequence, subject, time } = message;
      yield { sequence, subject, storedAt: time.getTime(), text: message.string() };
      if (message.info.pending === 0) return;
    }
    throw new Error("the reading of alerts was broken off");
  } finally {
    messages.stop();
  }
}

/** What sites are told, as their stage reads it from stream ENGINE and deletes it there. */
import { engineStream, siteSubjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readJournal } from "../ingest/nats-journal.ts";
import type { SiteStageParts } from "./site-stage.ts";

export function siteJournal(
  connection: NatsConnection,
  jetstream: JetStreamClient,
  manager: JetStreamManager,
): Required<Pick<SiteStageParts, "journal" | "purge">> {
  const whole = { stream: engineStream, subjects: siteSubjects };
  return {
    journal: (from, signal) => readJournal(connection, jetstream, { ...whole, from, signal }),
    async purge(before) {
      for (const filter of siteSubjects) {
        await manager.streams.purge(engineStream, { filter, seq: before });
      }
    },
  };
}

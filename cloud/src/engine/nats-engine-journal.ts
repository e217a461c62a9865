/** Stream TLM as the engine reads it. */
import {
  clockSubject,
  partitionCount,
  subjects,
  telemetryStream,
} from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readJournal } from "../ingest/nats-journal.ts";
import { isStreamMissing } from "../ingest/nats-streams.ts";
import type { EngineParts } from "./engine.ts";
import type { MessageIdentity } from "./place.ts";

export function engineJournal(
  connection: NatsConnection,
  jetstream: JetStreamClient,
  manager: JetStreamManager,
): Pick<EngineParts, "journal" | "messageAt" | "firstSequence"> {
  return {
    journal: (from, signal, partitions) => {
      const isAll = partitions === undefined || partitions.length === partitionCount;
      const own = isAll ? ["tlm.>"] : partitions.map(subjects.partition);
      const subjectsRead = [...own, clockSubject];
      const request = { stream: telemetryStream, subjects: subjectsRead, from, signal };
      return readJournal(connection, jetstream, { ...request, turn: "first" });
    },
    messageAt: async (sequence) => {
      await connection.rtt();
      return messageAt(manager, sequence);
    },
    firstSequence: async () => (await manager.streams.info(telemetryStream)).state.first_seq,
  };
}

/** A server that lost its disk has no stream, so none of its messages. */
async function lastSequence(manager: JetStreamManager): Promise<number> {
  try {
    return (await manager.streams.info(telemetryStream)).state.last_seq;
  } catch (failure) {
    if (isStreamMissing(failure)) return 0;
    throw failure;
  }
}

/** From the leader: a follower may be behind, and a late answer would look like a rollback. */
async function messageAt(
  manager: JetStreamManager,
  seq: number,
): Promise<MessageIdentity | undefined> {
  // Beyond the end the server answers with an error that is none of "not found".
  if ((await lastSequence(manager)) < seq) return undefined;
  const found = await manager.streams.getMessage(telemetryStream, { seq });
  if (found === null) return undefined;
  return { subject: found.subject, nonce: found.header.get("Cw-Nonce") || undefined };
}

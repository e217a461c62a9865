/** Loads the registry as it was kept last, with what is needed to go on from there. */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { engineJournal } from "../engine/nats-engine-journal.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { newestFound } from "../engine/place.ts";
import { JournalReader, loadCommitted } from "../ingest/journal-reader.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { NatsRegistryStore } from "./nats-registry-store.ts";
import type { RegistryBounds } from "./registry.ts";
import { Registry } from "./registry.ts";

/** Name of the registered reader of the journal. */
export const registryReader = "registry";
export const registrySubjects = ["tlm.>", clockSubject];

export interface LoadParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly random: Random;
  readonly log: Logger;
}

export interface LoadedRegistry {
  readonly registry: Registry;
  /** By gateway, what the next write expects. */
  readonly revisions: Map<string, number>;
  readonly journal: JournalReader;
  /** The first message that it may not have. */
  readonly from: number;
  /** The end of the journal when it was loaded. */
  readonly last: number;
}

export async function loadRegistry(
  { connection, jetstream, manager, random, log }: LoadParts,
  bounds: RegistryBounds,
): Promise<LoadedRegistry> {
  const engineStore = new NatsEngineStore(connection, jetstream, manager, random);
  const { messageAt } = engineJournal(connection, jetstream, manager);
  // The place first: what is kept is then at least as new.
  const kept = await new NatsReaderStore(jetstream, manager).load(registryReader);
  const place = await newestFound(kept?.state?.places ?? [], messageAt);
  const registry = new Registry(bounds);
  const revisions = new Map<string, number>();
  const store = new NatsRegistryStore(jetstream, manager, engineStore);
  const loaded = await store.load(bounds, (gateway, revision, failure) => {
    revisions.set(gateway, revision);
    log.error({ gateway, reason: reasonOf(failure) }, "a gateway is missing from the registry");
  });
  for (const [gateway, { row, revision }] of loaded) {
    registry.restore(row);
    revisions.set(gateway, revision);
  }
  const range = async () => {
    const { state } = await manager.streams.info(telemetryStream);
    return { first: state.first_seq, last: state.last_seq };
  };
  const committed = await loadCommitted(engineStore, range);
  const marks = [...loaded.values()].map(({ mark }) => mark);
  const journal = new JournalReader(committed, undefined, marks);
  const { last } = await range();
  return { registry, revisions, journal, from: (place?.sequence ?? 0) + 1, last };
}

/** As it is now, for those who ask once. */
export async function readRegistry(
  parts: LoadParts,
  bounds: RegistryBounds,
  signal: AbortSignal,
): Promise<Registry> {
  const { connection, jetstream } = parts;
  const { registry, journal, from, last } = await loadRegistry(parts, bounds);
  for (let next = from; next <= last && !signal.aborted; ) {
    const place = { stream: telemetryStream, subjects: registrySubjects, from: next, signal };
    try {
      for await (const message of readJournal(connection, jetstream, place)) {
        for (const folded of journal.fold(message)) registry.take(folded, message.storedAt);
        next = message.sequence + 1;
        if (next > last) break;
      }
    } catch (failure) {
      if (!(failure instanceof JournalInterrupted)) throw failure;
    }
  }
  return registry;
}

/** A session of the retention on a connection of its own, which never dials again. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import {
  engineStream,
  partitionCount,
  subjects,
  telemetryStream,
} from "@causeway/shared/subjects.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Checkpoint } from "../engine/checkpoint.ts";
import { decodeCheckpoint } from "../engine/checkpoint.ts";
import type { StreamState } from "./floor.ts";
import type { JournalSession, StoredMessage } from "./journal-session.ts";
import { NatsReaderStore } from "./nats-reader-store.ts";
import type { StoredReader } from "./reader-store.ts";

/** Throws NATS_UNREACHABLE, NATS_AUTH_FAILED or NATS_JETSTREAM_MISSING. */
export async function openJournalSession(
  settings: NatsSettings,
  random: Random,
): Promise<JournalSession> {
  const purpose = { name: "causeway-cloud retention", reconnect: false };
  const connection = await connectNats(settings, purpose, random);
  try {
    return new NatsJournalSession(connection, await jetstreamManager(connection));
  } catch (failure) {
    await connection.close();
    throw failure;
  }
}

export class NatsJournalSession implements JournalSession {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #readers: NatsReaderStore;

  /** The connection is one that does not reconnect. */
  constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.#connection = connection;
    this.#manager = manager;
    this.#readers = new NatsReaderStore(jetstream(connection), manager);
  }

  journal(): Promise<StreamState> {
    return this.#state(telemetryStream);
  }

  engine(): Promise<StreamState> {
    return this.#state(engineStream);
  }

  async #state(name: string): Promise<StreamState> {
    const { state, config } = await this.#manager.streams.info(name);
    const { first_seq: first, last_seq: last, messages, bytes } = state;
    return { first, last, messages, bytes, bytesMax: config.max_bytes };
  }

  async messageAt(seq: number): Promise<StoredMessage | undefined> {
    const { last } = await this.journal(); // beyond the end the server's error is none of "not found"
    if (seq > last || seq < 1) return undefined;
    const found = await this.#manager.streams.getMessage(telemetryStream, { seq });
    if (found === null) return undefined;
    const identity = { subject: found.subject, nonce: found.header.get("Cw-Nonce") || undefined };
    return { identity, storedAt: found.time.getTime() };
  }

  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    const numbers = Array.from({ length: partitionCount }, (_, partition) => partition);
    const found = await Promise.all(numbers.map((partition) => this.#checkpoint(partition)));
    return new Map(found.filter((entry) => entry !== undefined));
  }

  async #checkpoint(partition: number): Promise<readonly [number, Checkpoint] | undefined> {
    const query = { last_by_subj: subjects.checkpoint(partition) };
    const found = await this.#manager.streams.getMessage(engineStream, query);
    return found === null ? undefined : [partition, decodeCheckpoint(found.string())];
  }

  readers(): Promise<readonly StoredReader[]> {
    return this.#readers.list();
  }

  async purge(sequence: number): Promise<void> {
    const { success } = await this.#manager.streams.purge(telemetryStream, { seq: sequence });
    if (!success) throw new CodedError("NATS_JETSTREAM_MISSING", "a purge of TLM was not answered");
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

/** Alerts on stream ENGINE, for the notifier. */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { crc32c } from "@causeway/shared/checksum.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type {
  AlertPlaceInStream,
  AlertReading,
  ReadAlerts,
} from "@causeway/shared/notify/alert-reading.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import { engineStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readJournal } from "../ingest/nats-journal.ts";
import { readStored } from "../nats-stored.ts";

export interface AlertReadingParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  /** A message that cannot be read must not hold back all others. */
  readonly skip: (sequence: number, subject: string, failure: CodedError) => void;
}

/** The server's error code. */
const consumerNotFound = 10_014;
const filter = "alert.>";

export class NatsAlertReading implements AlertReading {
  readonly #parts: AlertReadingParts;

  constructor(parts: AlertReadingParts) {
    this.#parts = parts;
  }

  async *follow(after: number, signal: AbortSignal): AsyncGenerator<ReadAlerts> {
    const { connection, jetstream } = this.#parts;
    const request = { stream: engineStream, subjects: [filter], from: after + 1, signal };
    for await (const { sequence, subject, data } of readJournal(connection, jetstream, request)) {
      const place = { sequence, identity: identityOf(subject, data) };
      yield { place, transitions: this.#decode(sequence, subject, data) };
    }
  }

  async isThere({ sequence, identity }: AlertPlaceInStream): Promise<boolean> {
    if (sequence === 0) return true;
    const { manager } = this.#parts;
    if (identity === "")
      return (await manager.streams.info(engineStream)).state.last_seq >= sequence;
    const found = await manager.streams.getMessage(engineStream, { seq: sequence });
    return found !== null && identityOf(found.subject, found.data) === identity;
  }

  async fold(): Promise<{ place: AlertPlaceInStream; firing: Map<string, AlertTransition> }> {
    const firing = new Map<string, AlertTransition>();
    let place: AlertPlaceInStream = { sequence: 0, identity: "" };
    for await (const message of readStored(this.#parts.jetstream, engineStream, filter, "all")) {
      const { seq: sequence, subject, data } = message;
      place = { sequence, identity: identityOf(subject, data) };
      for (const transition of this.#decode(sequence, subject, data)) {
        if (transition.state === "firing") firing.set(transition.id, transition);
        else firing.delete(transition.id);
      }
    }
    return { place, firing };
  }

  async stillOpen(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const open = new Set<string>();
    if (ids.size === 0) return open;
    const states = readStored(this.#parts.jetstream, engineStream, "open.*.*", "newest");
    for await (const message of states) {
      for (const [, id = ""] of message.string().matchAll(/"id":"([^"]+)"/g))
        if (ids.has(id)) open.add(id);
    }
    return open;
  }

  async former(receiver: string): Promise<number | undefined> {
    try {
      const name = durableOf(receiver);
      const info = await this.#parts.manager.consumers.info(engineStream, name);
      return info.ack_floor.stream_seq;
    } catch (failure) {
      if (isNoConsumer(failure)) return undefined;
      throw failure;
    }
  }

  async forgetFormer(receiver: string): Promise<void> {
    try {
      await this.#parts.manager.consumers.delete(engineStream, durableOf(receiver));
    } catch (failure) {
      if (!isNoConsumer(failure)) throw failure;
    }
  }

  #decode(sequence: number, subject: string, data: Uint8Array): readonly AlertTransition[] {
    try {
      return decodeAlertMessage(Buffer.from(data).toString("utf8"));
    } catch (failure) {
      if (!(failure instanceof CodedError)) throw failure;
      this.#parts.skip(sequence, subject, failure);
      return [];
    }
  }
}

function durableOf(receiver: string): string {
  return `notify-${receiver}`;
}

function isNoConsumer(failure: unknown): boolean {
  return failure instanceof JetStreamApiError && failure.code === consumerNotFound;
}

function identityOf(subject: string, data: Uint8Array): string {
  return `${subject} ${data.length} ${crc32c(data).toString(16)}`;
}

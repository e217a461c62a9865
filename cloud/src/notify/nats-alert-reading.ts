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
import type { AddressedReport } from "@causeway/shared/notify/report-message.ts";
import { decodeReportMessage } from "@causeway/shared/notify/report-message.ts";
import { engineStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readJournal } from "../ingest/nats-journal.ts";
import { readStored } from "../nats-stored.ts";
import type { NatsHistory } from "./nats-history.ts";

export interface AlertReadingParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly history: NatsHistory;
  /** A message that cannot be read must not hold back all others. */
  readonly skip: (sequence: number, subject: string, failure: CodedError) => void;
}

interface StoredAlerts {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly storedAt: number;
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
    const filters = [filter, subjects.reports];
    const request = { stream: engineStream, subjects: filters, from: after + 1, signal };
    for await (const message of readJournal(connection, jetstream, request)) {
      const { sequence, subject, data, storedAt } = message;
      const place = { sequence, identity: identityOf(subject, data) };
      const stored = { sequence, subject, data, storedAt };
      if (subject.startsWith("alert.")) yield { place, transitions: this.#decode(stored) };
      else yield { place, transitions: [], ...this.#reportIn(stored) };
    }
  }

  async end(): Promise<number> {
    const query = { last_by_subj: filter };
    return (await this.#parts.manager.streams.getMessage(engineStream, query))?.seq ?? 0;
  }

  historyTaken(gateways: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#parts.history.taken(gateways);
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
      const { seq: sequence, subject, data, time } = message;
      place = { sequence, identity: identityOf(subject, data) };
      const stored = { sequence, subject, data, storedAt: time.getTime() };
      for (const transition of this.#decode(stored)) {
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

  #reportIn({ sequence, subject, data }: StoredAlerts): { readonly report?: AddressedReport } {
    try {
      return { report: decodeReportMessage(Buffer.from(data).toString("utf8")) };
    } catch (failure) {
      if (!(failure instanceof CodedError)) throw failure;
      this.#parts.skip(sequence, subject, failure);
      return {};
    }
  }

  #decode({ sequence, subject, data, storedAt }: StoredAlerts): readonly AlertTransition[] {
    try {
      return decodeAlertMessage(Buffer.from(data).toString("utf8"), storedAt);
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

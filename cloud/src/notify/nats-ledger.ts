/** A receiver's ledger in bucket NOTIFY. */

import type { LedgerCommit, LedgerStore, StoredRecords } from "@causeway/shared/notify/ledger.ts";
import { headRecord } from "@causeway/shared/notify/plan-codec.ts";
import { notifyStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { CommitMessage, CommitOutcome } from "../engine/engine-store.ts";
import { readStored } from "../nats-stored.ts";

/** The server takes 1,000 messages in a batch. */
const batchMax = 900;
/** Each takes some milliseconds, which is about what a replica is behind. */
const replicaAttemptsMax = 50;

export interface Batches {
  commit(messages: readonly CommitMessage[]): Promise<CommitOutcome>;
}

export class NatsLedger implements LedgerStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #batches: Batches;
  readonly #receiver: string;

  constructor(
    jetstream: JetStreamClient,
    manager: JetStreamManager,
    batches: Batches,
    receiver: string,
  ) {
    this.#jetstream = jetstream;
    this.#manager = manager;
    this.#batches = batches;
    this.#receiver = receiver;
  }

  async load(): Promise<StoredRecords> {
    const query = { last_by_subj: this.#subject(headRecord) };
    for (let attempt = 1; attempt <= replicaAttemptsMax; attempt++) {
      const head = await this.#manager.streams.getMessage(notifyStream, query);
      const loaded = await this.#load();
      // A replica may be behind the leader that told the head.
      if (loaded.revision >= (head?.seq ?? 0)) return loaded;
    }
    throw new Error("a replica of NOTIFY is behind what was committed");
  }

  async #load(): Promise<StoredRecords> {
    const filter = this.#subject(">");
    const before = this.#subject("").length;
    const records = new Map<string, string>();
    let revision = 0;
    for await (const message of readStored(this.#jetstream, notifyStream, filter, "newest")) {
      const record = message.subject.slice(before);
      records.set(record, message.string());
      if (record === headRecord) revision = message.seq;
    }
    return { revision, records };
  }

  /** L1, L2. */
  async commit({ head, told, state }: LedgerCommit, expected: number): Promise<number | undefined> {
    const toldMessages = this.#messages(told);
    const stateMessages = this.#messages(state);
    const isWhole = toldMessages.length + stateMessages.length < batchMax;
    if (!isWhole) await this.#append(toldMessages);
    const inFirst = isWhole ? stateMessages.length : batchMax - 1;
    const subject = this.#subject(headRecord);
    const headMessage = { subject, data: head, rollup: false, expectedLast: expected };
    const first = [
      ...(isWhole ? toldMessages : []),
      ...stateMessages.slice(0, inFirst),
      headMessage,
    ];
    const outcome = await this.#batches.commit(first);
    if (outcome.kind === "refused") return undefined;
    if (outcome.kind !== "committed") throw new Error(outcome.reason);
    await this.#append(stateMessages.slice(inFirst));
    return outcome.last;
  }

  async #append(messages: readonly CommitMessage[]): Promise<void> {
    for (let from = 0; from < messages.length; from += batchMax) {
      const outcome = await this.#batches.commit(messages.slice(from, from + batchMax));
      if (outcome.kind !== "committed") throw new Error(outcome.reason);
    }
  }

  #messages(records: ReadonlyMap<string, string>): readonly CommitMessage[] {
    return [...records].map(([record, data]) => {
      return { subject: this.#subject(record), data, rollup: false };
    });
  }

  #subject(record: string): string {
    return subjects.ledger(this.#receiver, record);
  }
}

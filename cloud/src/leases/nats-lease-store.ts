/** The bucket LEASES on JetStream. */
import { leasesStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAfter } from "../nats-append.ts";
import type { LeaseStore, StoredTable, StoredWorker, Worker } from "./lease-store.ts";
import { decodeWorker, encodeWorker } from "./lease-store.ts";

export class NatsLeaseStore implements LeaseStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async beat(worker: Worker): Promise<void> {
    const text = encodeWorker(worker);
    await this.#jetstream.publish(subjects.worker(worker.worker), text, { retries: 0 });
  }

  async leave(worker: string): Promise<void> {
    await this.#manager.streams.purge(leasesStream, { filter: subjects.worker(worker) });
  }

  /** From the leader: a replica that is behind would show beats that stand still. */
  async workers(): Promise<readonly StoredWorker[]> {
    const filter = { subjects_filter: subjects.worker("*") };
    const { state } = await this.#manager.streams.info(leasesStream, filter);
    const found = await Promise.all(Object.keys(state.subjects ?? {}).map((at) => this.#last(at)));
    return found.flatMap((stored) =>
      stored === null ? [] : [{ ...decodeWorker(stored.string()), revision: stored.seq }],
    );
  }

  async table(): Promise<StoredTable> {
    const found = await this.#last(subjects.leaseTable);
    return found === null
      ? { text: undefined, revision: 0 }
      : { text: found.string(), revision: found.seq };
  }

  async write(text: string, expected: number): Promise<boolean> {
    const place = { stream: leasesStream, subject: subjects.leaseTable, expectedLast: expected };
    return (await appendAfter(this.#jetstream, place, text)) !== undefined;
  }

  #last(subject: string) {
    return this.#manager.streams.getMessage(leasesStream, { last_by_subj: subject });
  }
}

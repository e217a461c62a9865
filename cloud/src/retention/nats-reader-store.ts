/** The bucket READERS on JetStream. */
import { parseReaderSubject, readersStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAfter } from "../nats-append.ts";
import type { ReaderState, ReaderStore, StoredReader, WriteOutcome } from "./reader-store.ts";
import { decodeReader, encodeReader } from "./reader-store.ts";

/** By the bucket's rules a key that was deleted by hand leaves a message that says so. */
const operationHeader = "KV-Operation";

export class NatsReaderStore implements ReaderStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async load(name: string): Promise<StoredReader | undefined> {
    const found = await this.#find(name);
    return found?.isDeleted ? undefined : found?.stored;
  }

  async #find(name: string): Promise<{ stored: StoredReader; isDeleted: boolean } | undefined> {
    const query = { last_by_subj: subjects.reader(name) };
    const found = await this.#manager.streams.getMessage(readersStream, query);
    if (found === null) return undefined;
    const stored = { name, revision: found.seq, state: decodeReader(found.string()) };
    return { stored, isDeleted: found.header.get(operationHeader) !== "" };
  }

  async list(): Promise<readonly StoredReader[]> {
    const filter = { subjects_filter: subjects.reader("*") };
    const { state } = await this.#manager.streams.info(readersStream, filter);
    const names = Object.keys(state.subjects ?? {})
      .sort()
      .map(parseReaderSubject);
    const found = await Promise.all(
      names.map((name) => (name === undefined ? undefined : this.load(name))),
    );
    return found.filter((reader) => reader !== undefined);
  }

  async write(name: string, state: ReaderState, expected: number): Promise<WriteOutcome> {
    const text = encodeReader(state);
    const first = await this.#publish(name, text, expected);
    if (first.kind === "written" || expected > 0) return first;
    const found = await this.#find(name);
    return found?.isDeleted ? this.#publish(name, text, found.stored.revision) : first;
  }

  async #publish(name: string, text: string, expected: number): Promise<WriteOutcome> {
    const place = { stream: readersStream, subject: subjects.reader(name), expectedLast: expected };
    const revision = await appendAfter(this.#jetstream, place, text);
    return revision === undefined ? { kind: "refused" } : { kind: "written", revision };
  }

  async remove(name: string): Promise<boolean> {
    const isThere = (await this.load(name)) !== undefined;
    const { purged } = await this.#manager.streams.purge(readersStream, {
      filter: subjects.reader(name),
    });
    return isThere && purged > 0;
  }
}

/**
 * The engine's store on JetStream. Commits are atomic batches (ADR-50) written by hand: the client's
 * `startBatch` drops the expectation of all but the first message, so its fence would not hold.
 */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Random } from "@causeway/shared/random.ts";
import { engineStream, parseSnapshotSubject, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager, JsMsg, StoredMsg } from "@nats-io/jetstream";
import { DeliverPolicy } from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import { isStreamMissing } from "../ingest/nats-streams.ts";
import { decodeCheckpoint, noCheckpoint } from "./checkpoint.ts";
import type {
  CommitMessage,
  CommitOutcome,
  EngineStore,
  Shard,
  StoredCheckpoint,
} from "./engine-store.ts";
import { isOlderGeneration } from "./snapshot.ts";

const answerTimeoutMs = 10_000;
/** Each takes some milliseconds, which is about what a replica is behind. */
const replicaAttemptsMax = 50;
/** The server's codes: the stream's bound, the server's or the account's, and a cluster's. */
const noRoom: ReadonlySet<number> = new Set([10_002, 10_023, 10_047, 10_077]);

export class NatsEngineStore implements EngineStore {
  readonly #connection: NatsConnection;
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #random: Random;
  readonly #waiting = new Set<() => void>();
  #session = 1;
  #isConnected = true;
  /** The newest checkpoint that was committed in this session. */
  #newest: { readonly subject: string; readonly sequence: number } | undefined;

  constructor(
    connection: NatsConnection,
    jetstream: JetStreamClient,
    manager: JetStreamManager,
    random: Random,
  ) {
    this.#connection = connection;
    this.#jetstream = jetstream;
    this.#manager = manager;
    this.#random = random;
    void this.#watch();
  }

  /** An answer that was on its way when the connection broke never comes: nobody waits for it. */
  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "reconnect") this.#isConnected = true;
      if (status.type !== "disconnect") continue;
      this.#isConnected = false;
      this.#session++;
      this.#newest = undefined;
      for (const tell of this.#waiting) tell();
    }
  }

  session(): number {
    return this.#session;
  }

  async #orDisconnected<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let tell = () => {};
    const disconnected = new Promise<never>((_resolve, reject) => {
      tell = () => reject(new Error("the connection broke"));
    });
    this.#waiting.add(tell);
    try {
      return await Promise.race([answer, disconnected]);
    } finally {
      this.#waiting.delete(tell);
      answer.catch(() => {}); // told already, or too late to matter
    }
  }

  async loadCheckpoints(
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, StoredCheckpoint>> {
    const loaded = await Promise.all(
      partitions.map(async (partition) => [partition, await this.#checkpoint(partition)] as const),
    );
    return new Map(loaded);
  }

  async #checkpoint(partition: number): Promise<StoredCheckpoint> {
    const found = await this.#lastOf(subjects.checkpoint(partition));
    if (found === null) return { checkpoint: noCheckpoint, lastSequence: 0 };
    return { checkpoint: decodeCheckpoint(found.string()), lastSequence: found.seq };
  }

  /** Null also where the stream is gone, so that the engine sees at once that it has to begin anew. */
  async #lastOf(subject: string): Promise<StoredMsg | null> {
    try {
      return await this.#manager.streams.getMessage(engineStream, { last_by_subj: subject });
    } catch (failure) {
      if (isStreamMissing(failure)) return null;
      throw failure;
    }
  }

  async loadLast(filter: string): Promise<readonly { subject: string; text: string }[]> {
    const found = await this.loadShards(filter);
    return found.map(({ subject, data }) => ({
      subject,
      text: Buffer.from(data).toString("utf8"),
    }));
  }

  /** A replica may answer that is behind: what it gives counts once it has our newest checkpoint. */
  async loadShards(filter: string): Promise<readonly Shard[]> {
    for (let attempt = 1; attempt <= replicaAttemptsMax; attempt++) {
      const loaded = await this.#load(filter);
      if (loaded !== undefined) return loaded;
    }
    throw new Error("a replica of ENGINE is behind what was committed");
  }

  async #load(filter: string): Promise<readonly Shard[] | undefined> {
    const newest = this.#newest;
    const consumer = await this.#jetstream.consumers.get(engineStream, {
      filter_subjects: newest === undefined ? [filter] : [filter, newest.subject],
      deliver_policy: DeliverPolicy.LastPerSubject,
    });
    const loaded: Shard[] = [];
    let isCurrent = newest === undefined;
    if ((await consumer.info()).num_pending === 0) return isCurrent ? loaded : undefined;
    const messages = await consumer.consume();
    for await (const message of messages as AsyncIterable<JsMsg>) {
      if (message.subject !== newest?.subject) {
        loaded.push({ subject: message.subject, data: message.data });
      } else if (message.seq >= newest.sequence) isCurrent = true;
      if (message.info.pending === 0) break;
    }
    messages.stop();
    return isCurrent ? loaded : undefined;
  }

  #note(subject: string, sequence: number): void {
    if (subject.startsWith("ckpt.")) this.#newest = { subject, sequence };
  }

  async saveShards(shards: readonly Shard[]): Promise<void> {
    for (const { subject, data } of shards)
      await this.#jetstream.publish(subject, data, { retries: 0 });
  }

  async purgeShards(partition: number, kept: string): Promise<void> {
    const filter = `snap.${partition}.>`;
    const info = await this.#manager.streams.info(engineStream, { subjects_filter: filter });
    const generations = new Set(
      Object.keys(info.state.subjects ?? {}).map(
        (subject) => parseSnapshotSubject(subject)?.generation,
      ),
    );
    for (const generation of generations) {
      if (generation === undefined || !isOlderGeneration(generation, kept)) continue;
      await this.#manager.streams.purge(engineStream, {
        filter: subjects.snapshotFilter(partition, generation),
      });
    }
  }

  /** Sends all and waits for the answer of the last, which commits; an error comes as its answer. */
  async commit(messages: readonly CommitMessage[]): Promise<CommitOutcome> {
    const batch = this.#random.hex(24);
    const [last, lastIndex] = [messages.at(-1), messages.length - 1];
    if (last === undefined) return { kind: "refused", reason: "an empty commit" };
    // The client would send it to whatever server it finds next.
    if (!this.#isConnected) return { kind: "unknown", reason: "there is no connection" };
    try {
      for (const [index, message] of messages.slice(0, lastIndex).entries()) {
        const head = headersOf(message, batch, index + 1);
        this.#connection.publish(message.subject, message.data, { headers: head });
      }
      const head = headersOf(last, batch, messages.length);
      head.set("Nats-Batch-Commit", "1");
      const options = { headers: head, timeout: answerTimeoutMs };
      const answer = await this.#orDisconnected(
        this.#connection.request(last.subject, last.data, options),
      );
      const outcome = outcomeOf(answer.string(), messages.length);
      if (outcome.kind === "committed") this.#note(last.subject, outcome.last);
      return outcome;
    } catch (failure) {
      return { kind: "unknown", reason: unanswered(failure) };
    }
  }
}

/** A server whose disk is full answers reads, and says nothing to writes. */
function unanswered(failure: unknown): string {
  const isTimeout = failure instanceof Error && failure.name === "TimeoutError";
  const cause = "nats-server may have no room on its disk, see its /healthz";
  return isTimeout ? `${reasonOf(failure)}: ${cause}` : reasonOf(failure);
}

function headersOf(message: CommitMessage, batch: string, sequence: number): MsgHdrs {
  const head = headers();
  head.set("Nats-Batch-Id", batch);
  head.set("Nats-Batch-Sequence", `${sequence}`);
  if (message.rollup) head.set("Nats-Rollup", "sub");
  if (message.ttlSeconds !== undefined) head.set("Nats-TTL", `${message.ttlSeconds}s`);
  if (message.expectedLast !== undefined) {
    head.set("Nats-Expected-Last-Subject-Sequence", `${message.expectedLast}`);
  }
  return head;
}

function outcomeOf(answer: string, count: number): CommitOutcome {
  const {
    error,
    seq,
    count: stored,
  } = JSON.parse(answer) as {
    error?: { err_code?: number; description?: string };
    seq?: number;
    count?: number;
  };
  if (error !== undefined) {
    const reason = `${error.err_code} ${error.description}`;
    return { kind: noRoom.has(error.err_code ?? 0) ? "full" : "refused", reason };
  }
  if (typeof seq !== "number" || stored !== count) {
    return { kind: "unknown", reason: `the answer names ${stored} of ${count} messages` };
  }
  return { kind: "committed", last: seq };
}

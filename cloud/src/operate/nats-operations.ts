/** The buckets SILENCES and ACKS: written by compare and set, and followed. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Acknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { encodeAcknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import type { OperationsStream } from "@causeway/shared/operate/operations.ts";
import { Operations, operationsStreams } from "@causeway/shared/operate/operations.ts";
import type { Silence } from "@causeway/shared/operate/silence.ts";
import { decodeSilence, encodeSilence, ended } from "@causeway/shared/operate/silence.ts";
import { silencesStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAfter } from "../nats-append.ts";
import type { BucketFeedParts, Followed } from "../nats-bucket-feed.ts";
import { NatsBucketFeed, readBucket } from "../nats-bucket-feed.ts";

const keptSeconds = 30 * 24 * 3_600;

export class NatsOperationsStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async load(): Promise<Operations> {
    const operations = new Operations();
    for (const stream of operationsStreams)
      await readBucket(this.#jetstream, stream, followedBy(operations, stream));
    return operations;
  }

  async addSilence(silence: Silence): Promise<void> {
    const place = {
      stream: silencesStream,
      subject: subjects.silence(silence.id),
      expectedLast: 0,
    };
    const sequence = await appendAfter(
      this.#jetstream,
      place,
      encodeSilence(silence),
      timeToLive(silence, silence.createdAt),
    );
    if (sequence === undefined) throw new Error(`silence ${silence.id} is there already`);
  }

  /** The silence as it is then. Throws SILENCE_UNKNOWN. */
  async endSilence(id: string, at: number): Promise<Silence> {
    const subject = subjects.silence(id);
    for (;;) {
      const query = { last_by_subj: subject };
      const found = isKey(id)
        ? await this.#manager.streams.getMessage(silencesStream, query)
        : null;
      if (found === null || found.string() === "")
        throw new CodedError("SILENCE_UNKNOWN", `${id}: see causeway-cloud silence list`);
      const silence = ended(decodeSilence(found.string()), at);
      const place = { stream: silencesStream, subject, expectedLast: found.seq };
      const text = encodeSilence(silence);
      const options = timeToLive(silence, at);
      if ((await appendAfter(this.#jetstream, place, text, options)) !== undefined) return silence;
    }
  }

  /** The last one stands. */
  async acknowledge(alert: string, own: Acknowledgement): Promise<void> {
    const subject = subjects.acknowledgement(alert);
    const options = { retries: 0, ttl: `${keptSeconds}s` };
    await this.#jetstream.publish(subject, encodeAcknowledgement(own), options);
  }
}

/** It stays in the list for a while after it has ended. */
function timeToLive({ endsAt }: Silence, now: number): { readonly ttl?: string } {
  if (endsAt === null) return {};
  return { ttl: `${Math.ceil((endsAt - Math.min(now, endsAt)) / 1_000) + keptSeconds}s` };
}

function isKey(id: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id);
}

/** Keeps `operations` as the buckets are. */
export class NatsOperationsFeed {
  readonly operations = new Operations();
  readonly #feeds: readonly NatsBucketFeed[];

  constructor(parts: BucketFeedParts) {
    this.#feeds = operationsStreams.map(
      (stream) => new NatsBucketFeed(parts, stream, followedBy(this.operations, stream)),
    );
  }

  /** Resolves once both buckets were read, or when it is stopped. */
  async loaded(): Promise<void> {
    await Promise.all(this.#feeds.map((feed) => feed.loaded()));
  }

  /** Waits for nothing. */
  start(): void {
    for (const feed of this.#feeds) feed.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#feeds.map((feed) => feed.stop()));
  }
}

function followedBy(operations: Operations, stream: OperationsStream): Followed {
  return {
    clear: () => operations.clear(stream),
    take: (key, text) => operations.take(stream, key, text),
  };
}

/**
 * Follows a bucket: what it holds, then every change. After an interruption it is read anew from the
 * leader's stream, so that a rollback needs no care.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { JetStreamClient } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readJournal } from "./ingest/nats-journal.ts";
import { readStored } from "./nats-stored.ts";
import { checkAnswering } from "./notify/nats-answering.ts";

export interface BucketFeedParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What follows it. */
export interface Followed {
  clear(): void;
  /** The key's value; no text where it was deleted. Throws where it cannot be read. */
  take(key: string, text: string): void;
}

const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** By the bucket's rules a key that was deleted by hand leaves a message that says so. */
const operationHeader = "KV-Operation";
const everything = [">"];

/** All that a bucket holds now; the sequence of the newest message. One that cannot be read hides no other. */
export async function readBucket(
  jetstream: JetStreamClient,
  stream: string,
  followed: Followed,
  refused: (key: string, failure: unknown) => void = () => {},
  subjects: readonly string[] = everything,
): Promise<number> {
  const read: (readonly [key: string, text: string])[] = [];
  let last = 0;
  for await (const message of readStored(jetstream, stream, subjects, "newest")) {
    const isGone = (message.headers?.get(operationHeader) ?? "") !== "";
    read.push([keyOf(message.subject), isGone ? "" : message.string()]);
    last = Math.max(last, message.seq);
  }
  followed.clear();
  for (const [key, text] of read) takeOne(followed, key, text, refused);
  return last;
}

function takeOne(
  followed: Followed,
  key: string,
  text: string,
  refused: (key: string, failure: unknown) => void,
): void {
  try {
    followed.take(key, text);
  } catch (failure) {
    refused(key, failure);
  }
}

/** What stands behind `$KV.<bucket>.`. */
function keyOf(subject: string): string {
  return subject.split(".").slice(2).join(".");
}

export class NatsBucketFeed {
  readonly #parts: BucketFeedParts;
  readonly #stream: string;
  readonly #followed: Followed;
  readonly #subjects: readonly string[];
  readonly #stopping = new AbortController();
  readonly #loaded: Promise<void>;
  #tellLoaded = () => {};
  #running: Promise<unknown> = Promise.resolve();

  constructor(
    parts: BucketFeedParts,
    stream: string,
    followed: Followed,
    subjects: readonly string[] = everything,
  ) {
    this.#parts = parts;
    this.#subjects = subjects;
    this.#stream = stream;
    this.#followed = followed;
    this.#loaded = new Promise((resolve) => {
      this.#tellLoaded = resolve;
    });
  }

  /** Resolves once the bucket was read, or when it is stopped. */
  loaded(): Promise<void> {
    return this.#loaded;
  }

  /** Waits for nothing. */
  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#tellLoaded();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { connection, jetstream, clock, random, log } = this.#parts;
    const [stream, subjects] = [this.#stream, this.#subjects];
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await checkAnswering(connection, clock, signal);
        const refused = this.#refused;
        const last = await readBucket(jetstream, stream, this.#followed, refused, subjects);
        this.#tellLoaded();
        attempt = 0;
        const request = { stream, subjects, from: last + 1, signal };
        for await (const message of readJournal(connection, jetstream, request)) {
          const isGone = message.header(operationHeader) !== undefined;
          const text = isGone ? "" : Buffer.from(message.data).toString("utf8");
          takeOne(this.#followed, keyOf(message.subject), text, this.#refused);
        }
      } catch (failure) {
        log.debug({ stream, reason: reasonOf(failure) }, "a bucket cannot be read; trying again");
      }
      await sleep(clock, retryDelayMs(reopenSchedule, Math.max(1, attempt), random), signal);
    }
  }

  readonly #refused = (key: string, failure: unknown) => {
    const fields = { stream: this.#stream, key, reason: reasonOf(failure) };
    this.#parts.log.error(fields, "cannot be read");
  };
}

/**
 * The buckets SILENCES and ACKS: written by compare and set, and followed. Both are small; after an
 * interruption they are read anew from the leader's streams, so that a rollback needs no care.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Acknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { encodeAcknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import type { Silence } from "@causeway/shared/operate/silence.ts";
import { decodeSilence, encodeSilence, ended } from "@causeway/shared/operate/silence.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { acksStream, silencesStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readJournal } from "../ingest/nats-journal.ts";
import { appendAfter } from "../nats-append.ts";
import { readStored } from "../nats-stored.ts";
import { checkAnswering } from "../notify/nats-answering.ts";

const keptSeconds = 30 * 24 * 3_600;
const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
const streams = [silencesStream, acksStream] as const;

export class NatsOperationsStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async load(into = new Operations()): Promise<Operations> {
    for (const stream of streams) {
      for await (const message of readStored(this.#jetstream, stream, ">", "newest"))
        into.take(message.subject, message.string());
    }
    return into;
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

export interface OperationsFeedParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Keeps `operations` as the buckets are. */
export class NatsOperationsFeed {
  readonly operations = new Operations();
  readonly #parts: OperationsFeedParts;
  readonly #stopping = new AbortController();
  readonly #loaded: Promise<void>;
  #tellLoaded = () => {};
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: OperationsFeedParts) {
    this.#parts = parts;
    this.#loaded = new Promise((resolve) => {
      this.#tellLoaded = resolve;
    });
  }

  /** Resolves once both buckets were read, or when it is stopped. */
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
    const { connection, clock, random, log } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      const session = new AbortController();
      try {
        await checkAnswering(connection, clock, signal);
        const from = await this.#load();
        this.#tellLoaded();
        attempt = 0;
        const both = AbortSignal.any([signal, session.signal]);
        await Promise.all(
          streams.map((stream) => this.#follow(stream, (from.get(stream) ?? 0) + 1, both)),
        );
      } catch (failure) {
        log.debug({ reason: reasonOf(failure) }, "silences cannot be read; trying again");
      } finally {
        session.abort();
      }
      await sleep(clock, retryDelayMs(reopenSchedule, Math.max(1, attempt), random), signal);
    }
  }

  /** The last sequences. */
  async #load(): Promise<ReadonlyMap<string, number>> {
    const read: (readonly [subject: string, text: string])[] = [];
    const last = new Map<string, number>();
    for (const stream of streams) {
      for await (const message of readStored(this.#parts.jetstream, stream, ">", "newest")) {
        read.push([message.subject, message.string()]);
        last.set(stream, Math.max(last.get(stream) ?? 0, message.seq));
      }
    }
    this.operations.clear();
    for (const [subject, text] of read) this.#take(subject, text);
    return last;
  }

  async #follow(stream: string, from: number, signal: AbortSignal): Promise<void> {
    const { connection, jetstream } = this.#parts;
    const request = { stream, subjects: [">"], from, signal };
    for await (const { subject, data } of readJournal(connection, jetstream, request))
      this.#take(subject, Buffer.from(data).toString("utf8"));
  }

  #take(subject: string, text: string): void {
    try {
      this.operations.take(subject, text);
    } catch (failure) {
      this.#parts.log.error({ subject, reason: reasonOf(failure) }, "cannot be read");
    }
  }
}

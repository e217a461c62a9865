/**
 * Bucket SESSIONS, for all processes of the cloud: `ended.<session>` and `code.<hash>`, each until it
 * would be over anyway. A code is kept by its hash: who reads the bucket cannot log in by it.
 */
import { createHash } from "node:crypto";
import { sessionsBucket, sessionsStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAfter } from "../nats-append.ts";
import type { BucketFeedParts } from "../nats-bucket-feed.ts";
import { NatsBucketFeed } from "../nats-bucket-feed.ts";
import type { EndsAt, SessionStore } from "./session-store.ts";

export class NatsSessionStore implements SessionStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #ended = new Set<string>();
  /** What this process was told itself holds also while the bucket cannot be reached. */
  readonly #own = new Set<string>();
  readonly #feed: NatsBucketFeed;

  constructor(parts: BucketFeedParts, manager: JetStreamManager) {
    this.#jetstream = parts.jetstream;
    this.#manager = manager;
    const followed = {
      clear: () => this.#ended.clear(),
      take: (key: string, text: string) => {
        const session = key.slice(key.indexOf(".") + 1);
        if (text === "") this.#ended.delete(session);
        else this.#ended.add(session);
      },
    };
    const ended = [`$KV.${sessionsBucket}.ended.*`];
    this.#feed = new NatsBucketFeed(parts, sessionsStream, followed, ended);
  }

  /** Waits for nothing. */
  start(): void {
    this.#feed.start();
  }

  stop(): Promise<void> {
    return this.#feed.stop();
  }

  loaded(): Promise<void> {
    return this.#feed.loaded();
  }

  hasEnded(session: string): boolean {
    return this.#ended.has(session) || this.#own.has(session);
  }

  async end(session: string, { now, expiresAt }: EndsAt): Promise<void> {
    this.#own.add(session);
    const options = { retries: 0, ttl: ttlOf(expiresAt - now) };
    await this.#jetstream.publish(subjects.session("ended", session), "1", options);
    this.#own.delete(session);
    this.#ended.add(session);
  }

  async keepCode(code: string, text: string, { now, expiresAt }: EndsAt): Promise<void> {
    const place = { stream: sessionsStream, subject: codeSubject(code), expectedLast: 0 };
    await appendAfter(this.#jetstream, place, text, { ttl: ttlOf(expiresAt - now) });
  }

  /** Whoever writes over it first has it. */
  async takeCode(code: string): Promise<string | undefined> {
    const subject = codeSubject(code);
    const found = await this.#manager.streams.getMessage(sessionsStream, {
      last_by_subj: subject,
    });
    const text = found?.string() ?? "";
    if (found === null || text === "") return undefined;
    const place = { stream: sessionsStream, subject, expectedLast: found.seq };
    const taken = await appendAfter(this.#jetstream, place, "", { ttl: ttlOf(takenMs) });
    return taken === undefined ? undefined : text;
  }
}

/** As long as one that came with it may still be under way. */
const takenMs = 60_000;

const ttlOf = (ms: number) => `${Math.max(1, Math.ceil(ms / 1_000))}s`;

function codeSubject(code: string): string {
  return subjects.session("code", createHash("sha256").update(code).digest("hex"));
}

/** `causeway-cloud tail`: what the engine takes, from TLM, and what rules emit, from ENGINE. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Random } from "@causeway/shared/random.ts";
import { decodeDerivedMessage } from "@causeway/shared/rules/derived-event.ts";
import { clockSubject, engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Committed, JournalRange } from "../ingest/journal-reader.ts";
import { JournalReader, loadCommitted, nothingCommitted } from "../ingest/journal-reader.ts";
import type { ReadRequest } from "../ingest/nats-journal.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, engineStore, streamInfo } from "./nats-commands.ts";
import type { TailFormat, TailFrom } from "./tail.ts";
import { derivedLine, gapLines, tailLines } from "./tail.ts";

export interface TailOptions {
  readonly from: TailFrom;
  readonly kind: string;
  readonly format: TailFormat;
  /** Ends after so long without a message, once the journal's end was reached. */
  readonly untilIdleMs: number | undefined;
}

const reopenDelayMs = 250;
const derivedFilter = "derived.>";
const derivedKind = "derived";

/** What is read of one stream. */
interface Part {
  readonly stream: string;
  readonly subjects: readonly string[];
  /** The first sequence wanted next. */
  next: number;
  isAtEnd(next: number): Promise<boolean>;
  take(message: JournalMessage): void;
  end(): void;
}

/** Prints until the signal is aborted or nothing more comes. */
export function tail(parts: CommandParts, options: TailOptions): Promise<number> {
  return connected(parts, async (connection) => {
    const idle = new AbortController();
    const signal = AbortSignal.any([parts.signal, idle.signal]);
    const read: Part[] = [];
    const isAtEnd = async () => {
      const ends = await Promise.all(read.map((part) => part.isAtEnd(part.next)));
      return ends.every((isOne) => isOne);
    };
    const watch = watchIdle(parts.clock, options.untilIdleMs, isAtEnd, idle);
    const { kind } = options;
    if (kind !== derivedKind) {
      read.push(await journalPart(connection, parts, options, watch.active));
    }
    if (kind === derivedKind || kind === "all") {
      read.push(await derivedPart(connection, parts, options, watch.active));
    }
    watch.active();
    await Promise.all(read.map((part) => follow(connection, parts.clock, part, signal)));
    watch.end();
    for (const part of read) part.end();
    return 0;
  });
}

/** An interrupted reading goes on behind the last message. */
async function follow(
  connection: NatsConnection,
  clock: Clock,
  part: Part,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { stream, subjects, next: from } = part;
    const request: ReadRequest = { stream, subjects, from, signal };
    try {
      for await (const message of readJournal(connection, jetstream(connection), request)) {
        part.next = message.sequence + 1;
        part.take(message);
      }
    } catch (failure) {
      if (!(failure instanceof JournalInterrupted)) throw failure;
      await sleep(clock, reopenDelayMs, signal);
    }
  }
}

async function journalPart(
  connection: NatsConnection,
  { random, write, warn }: CommandParts,
  { from, kind, format }: TailOptions,
  active: () => void,
): Promise<Part> {
  const printAfter = from === "now" ? (await rangeOf(connection, telemetryStream)).last : 0;
  const since = sinceOf(from);
  const reader = new JournalReader(await committedOf(connection, random));
  return {
    stream: telemetryStream,
    // Ticks show how far the journal goes: one may be its last message.
    subjects: ["tlm.>", clockSubject],
    next: 1,
    isAtEnd: async (next) => {
      const { first, last } = await rangeOf(connection, telemetryStream);
      return Math.max(next, first) > last;
    },
    take(message) {
      if (message.subject !== clockSubject) active();
      const taken = reader.fold(message).flatMap(({ taken: own }) => own);
      if (message.sequence <= printAfter) return;
      for (const event of taken) {
        if (event.receivedAt < since) continue;
        for (const line of tailLines(event, kind, format)) write(line);
      }
    },
    end() {
      for (const line of gapLines(reader.gaps, format)) warn(line);
    },
  };
}

async function derivedPart(
  connection: NatsConnection,
  { write }: CommandParts,
  { from, format }: TailOptions,
  active: () => void,
): Promise<Part> {
  const manager = await jetstreamManager(connection);
  const last = await orMissing(rangeOf(connection, engineStream).then((range) => range.last));
  const since = sinceOf(from);
  return {
    stream: engineStream,
    subjects: [derivedFilter],
    next: from === "now" ? (last ?? 0) + 1 : 1,
    isAtEnd: async (next) => {
      if ((await orMissing(rangeOf(connection, engineStream))) === undefined) return true;
      const query = { seq: next, next_by_subj: derivedFilter };
      return (await manager.streams.getMessage(engineStream, query)) === null;
    },
    take({ data }) {
      active();
      for (const event of decodeDerivedMessage(Buffer.from(data).toString("utf8"))) {
        if (event.receivedAt >= since) write(derivedLine(event, format));
      }
    },
    end() {},
  };
}

function sinceOf(from: TailFrom): number {
  return typeof from === "object" ? from.receivedAt : Number.NEGATIVE_INFINITY;
}

/** Under what the engine has committed; there may be no engine yet. */
export async function committedOf(connection: NatsConnection, random: Random): Promise<Committed> {
  const store = await engineStore(connection, random);
  const range = () => rangeOf(connection, telemetryStream);
  return (await orMissing(loadCommitted(store, range))) ?? nothingCommitted;
}

/** Undefined where the stream is not there yet. */
async function orMissing<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (failure) {
    if (failure instanceof CodedError && failure.code === "NATS_JETSTREAM_MISSING")
      return undefined;
    throw failure;
  }
}

export async function rangeOf(connection: NatsConnection, stream: string): Promise<JournalRange> {
  const { first_seq: first, last_seq: last } = (await streamInfo(connection, stream)).state;
  return { first, last };
}

/** Counts from the first `active`; what is slow to come is waited for, up to the end. */
function watchIdle(
  clock: Clock,
  untilIdleMs: number | undefined,
  isAtEnd: () => Promise<boolean>,
  idle: AbortController,
) {
  let cancel = () => {};
  const look = async () => {
    if (await isAtEnd().catch(() => false)) idle.abort();
    else active();
  };
  const active = () => {
    cancel();
    if (untilIdleMs !== undefined) cancel = clock.after(untilIdleMs, () => void look());
  };
  return { active, end: () => cancel() };
}

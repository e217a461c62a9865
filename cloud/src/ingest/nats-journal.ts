/**
 * Reads a stream in order by an ordered consumer. The library's own recovery of such a consumer
 * leaves seconds of silence and hides that it happened; so the reading ends at every interruption,
 * and the caller opens a new one behind the last message it has (facts: 0.8 s, no gap).
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import { telemetryStream } from "@causeway/shared/subjects.ts";
import type { ConsumerMessages, JetStreamClient, JsMsg } from "@nats-io/jetstream";
import { DeliverPolicy } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { FellowReaders } from "./fellow-readers.ts";
import type { JournalMessage } from "./journal.ts";

export interface ReadRequest {
  readonly stream: string;
  readonly subjects: readonly string[];
  /** The first sequence wanted. */
  readonly from: number;
  /** Ends the reading in order. */
  readonly signal: AbortSignal;
  /** Who reads the journal for the engine is `first`; one with a clock gives way to it. */
  readonly turn?: "first" | Clock;
}

/** Of the journal. */
const fellows = new WeakMap<NatsConnection, FellowReaders>();

function fellowsOn(connection: NatsConnection): FellowReaders {
  const known = fellows.get(connection) ?? new FellowReaders();
  fellows.set(connection, known);
  return known;
}

/**
 * Messages asked for in advance; bounds what waits in memory together with their size. The server
 * gives up a client to which more than 64 MB are on their way (`max_pending`), and a batch may have
 * 512 KB that do not compress.
 */
const messagesAheadMax = 100;
/**
 * The server of an ordered consumer can die without the connection's notice, in a cluster; the
 * library would miss its heartbeats only after 30 s. Two missed ones end the reading.
 */
const heartbeatMs = 2_000;
const pullMs = 10_000;

/** The reading was interrupted: open a new one behind the last message. */
export class JournalInterrupted extends Error {}

/** Yields messages in order until the signal is aborted; throws JournalInterrupted otherwise. */
export async function* readJournal(
  connection: NatsConnection,
  jetstream: JetStreamClient,
  request: ReadRequest,
): AsyncGenerator<JournalMessage> {
  const { stream, signal, turn } = request;
  const fellow = stream === telemetryStream ? fellowsOn(connection) : undefined;
  const messages = await open(jetstream, request);
  const interruption = watch(connection, messages, signal);
  try {
    for await (const message of messages) {
      if (turn === "first") fellow?.engineIsBehind(message.info.pending > 0);
      else if (turn !== undefined) await fellow?.giveWay(turn);
      yield journalMessage(message, fellow);
    }
  } catch (failure) {
    throw new JournalInterrupted(reasonOf(failure));
  } finally {
    if (turn === "first") fellow?.engineIsBehind(false);
    interruption.end();
    messages.stop();
  }
  if (!request.signal.aborted) throw new JournalInterrupted(interruption.reason());
}

async function open(jetstream: JetStreamClient, request: ReadRequest): Promise<ConsumerMessages> {
  try {
    const consumer = await jetstream.consumers.get(request.stream, {
      filter_subjects: [...request.subjects],
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, request.from),
    });
    return await consumer.consume({
      max_messages: messagesAheadMax,
      idle_heartbeat: heartbeatMs,
      expires: pullMs,
    });
  } catch (failure) {
    throw new JournalInterrupted(reasonOf(failure));
  }
}

interface Interruption {
  reason(): string;
  end(): void;
}

/** Ends the consumer when the connection breaks or the library begins to repair it. */
function watch(
  connection: NatsConnection,
  messages: ConsumerMessages,
  signal: AbortSignal,
): Interruption {
  let reason = "the consumer ended";
  let ended = false;
  const stop = (why: string) => {
    if (ended) return;
    reason = why;
    messages.stop();
  };
  const abort = () => stop("aborted");
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort(); // while the consumer was opened
  const links = connection.status();
  void (async () => {
    for await (const status of links) if (status.type === "disconnect") stop("disconnected");
  })();
  void (async () => {
    for await (const status of messages.status()) {
      if (repairs.has(status.type)) stop(status.type);
    }
  })();
  return {
    reason: () => reason,
    end: () => {
      ended = true;
      signal.removeEventListener("abort", abort);
      if ("stop" in links && typeof links.stop === "function") links.stop();
    },
  };
}

const repairs = new Set<string>([
  "consumer_deleted",
  "consumer_not_found",
  "heartbeats_missed",
  "ordered_consumer_recreated",
  "reset",
  "stream_not_found",
]);

function journalMessage(message: JsMsg, fellow: FellowReaders | undefined): JournalMessage {
  return {
    sequence: message.seq,
    subject: message.subject,
    storedAt: message.time.getTime(),
    data: message.data,
    header: (name) => {
      const value = message.headers?.get(name);
      return value === undefined || value === "" ? undefined : value;
    },
    ...(fellow && { body: () => fellow.bodyOf(message.seq, message.data) }),
  };
}

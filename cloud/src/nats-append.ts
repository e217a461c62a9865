/** Appends to a stream by compare and set. */
import type { JetStreamClient, JetStreamPublishOptions } from "@nats-io/jetstream";
import { JetStreamApiError } from "@nats-io/jetstream";

/** The server's codes of a wrong last sequence; the second while another write is under way. */
const wrongLast: ReadonlySet<number> = new Set([10_071, 10_164]);

interface Place {
  readonly stream: string;
  readonly subject: string;
  /** Sequence of the subject's last message, 0 where there is none. */
  readonly expectedLast: number;
}

/** The message's sequence; undefined, and nothing stored, where another is last. */
export function appendAfter(
  jetstream: JetStreamClient,
  { stream: streamName, subject, expectedLast }: Place,
  data: string | Uint8Array,
  options: Partial<JetStreamPublishOptions> = {},
): Promise<number | undefined> {
  const expect = { streamName, lastSubjectSequence: expectedLast };
  return append(jetstream, subject, data, { ...options, expect });
}

/** The same where `expectedLast` is the stream's, for what hangs on several of its subjects. */
export function appendAtEnd(
  jetstream: JetStreamClient,
  { stream: streamName, subject, expectedLast }: Place,
  data: string,
): Promise<number | undefined> {
  const expect = { streamName, lastSequence: expectedLast };
  return append(jetstream, subject, data, { expect });
}

async function append(
  jetstream: JetStreamClient,
  subject: string,
  data: string | Uint8Array,
  options: Partial<JetStreamPublishOptions>,
): Promise<number | undefined> {
  try {
    return (await jetstream.publish(subject, data, { ...options, retries: 0 })).seq;
  } catch (failure) {
    if (failure instanceof JetStreamApiError && wrongLast.has(failure.code)) return undefined;
    throw failure;
  }
}

/** What a stream holds now. */
import type { JetStreamClient, JsMsg } from "@nats-io/jetstream";
import { DeliverPolicy } from "@nats-io/jetstream";

/** Ends with the last message that is there; `newest`: only the last of each subject. */
export async function* readStored(
  jetstream: JetStreamClient,
  stream: string,
  filter: string | readonly string[],
  which: "all" | "newest",
): AsyncGenerator<JsMsg> {
  const consumer = await jetstream.consumers.get(stream, {
    filter_subjects: typeof filter === "string" ? [filter] : [...filter],
    deliver_policy: which === "newest" ? DeliverPolicy.LastPerSubject : DeliverPolicy.All,
  });
  if ((await consumer.info()).num_pending === 0) return;
  const messages = await consumer.consume();
  try {
    for await (const message of messages) {
      yield message;
      if (message.info.pending === 0) return;
    }
    throw new Error(`the reading of ${stream} was broken off`);
  } finally {
    messages.stop();
  }
}

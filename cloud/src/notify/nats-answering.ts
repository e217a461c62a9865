/** Whether the nats-server answers just now. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { NatsConnection } from "@nats-io/nats-core";

const answerMsMax = 5_000;

/**
 * Resolves once the server has answered, and rejects at once where the connection is broken: a
 * JetStream request that is made meanwhile would be lost, and would be waited for in vain.
 */
export async function checkAnswering(
  connection: NatsConnection,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const answered = connection.rtt().then(() => true);
  const waited = new AbortController();
  const late = sleep(clock, answerMsMax, AbortSignal.any([signal, waited.signal]));
  try {
    if (await Promise.race([answered, late.then(() => false)])) return;
    throw new Error(`nats-server does not answer within ${answerMsMax} ms`);
  } finally {
    waited.abort();
    answered.catch(() => {}); // told by whoever asks next
  }
}

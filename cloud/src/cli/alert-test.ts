/** `causeway-cloud alerts test RECEIVER`: one message through the receiver as it is set up. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { testNotification } from "@causeway/shared/notify/notification.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import type { Random } from "@causeway/shared/random.ts";

export interface AlertTestParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly write: (line: string) => void;
  readonly signal: AbortSignal;
}

/** 1 where it was not taken; CLI_USAGE where there is no such receiver. */
export async function testReceiver(
  receivers: readonly Receiver[],
  name: string,
  { clock, random, write, signal }: AlertTestParts,
  asJson: boolean,
): Promise<number> {
  const receiver = receivers.find((known) => known.name === name);
  if (receiver === undefined) {
    const names = receivers.map((known) => known.name).join(", ");
    throw new CodedError("CLI_USAGE", `alerts test ${name}: no such receiver; there are ${names}`);
  }
  const notification = testNotification(name, `test/${random.hex(16)}`, clock.wallMs());
  const begunAt = clock.bootMs();
  const attempt = await receiver.deliver(notification, signal);
  const tookMs = Math.round(clock.bootMs() - begunAt);
  const told = { receiver: name, key: notification.key, tookMs, ...attempt };
  if (asJson) write(JSON.stringify(told));
  else write(lineOf(name, tookMs, attempt));
  return attempt.kind === "delivered" ? 0 : 1;
}

function lineOf(name: string, tookMs: number, attempt: Awaited<ReturnType<Receiver["deliver"]>>) {
  if (attempt.kind !== "delivered") {
    const word = attempt.kind === "refused" ? "refused for good" : "would be tried again";
    return `${name}: ${word} after ${tookMs} ms: ${attempt.reason}`;
  }
  const note = attempt.note === undefined ? "" : `; ${attempt.note}`;
  return `${name}: delivered in ${tookMs} ms${note}`;
}

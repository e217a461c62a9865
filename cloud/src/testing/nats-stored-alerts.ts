/** What the engine has decided, and when, for tests. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { readStored } from "../nats-stored.ts";

export interface StoredAlert extends AlertTransition {
  /** In ms. */
  readonly storedAt: number;
}

export async function storedAlerts(
  connection: NatsConnection,
  rule: string,
): Promise<readonly StoredAlert[]> {
  const found: StoredAlert[] = [];
  const stored = readStored(jetstream(connection), "ENGINE", `alert.*.*.${rule}`, "all");
  for await (const message of stored) {
    const { transitions } = message.json<{ transitions: AlertTransition[] }>();
    const storedAt = message.info.timestampNanos / 1_000_000;
    for (const transition of transitions) found.push({ ...transition, storedAt });
  }
  return found;
}

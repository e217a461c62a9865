/** An engine on a real nats-server, put together as `causeway-cloud run` does. */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import type { StreamBounds } from "@causeway/shared/streams.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connectTest, prepareStreams } from "../../testing/nats-journal-writer.ts";
import { KeptRuleSets } from "../../ticks/rule-sets.ts";
import { Engine } from "../engine.ts";
import { engineJournal } from "../nats-engine-journal.ts";
import { NatsEngineStore } from "../nats-engine-store.ts";

export interface RunningEngine {
  readonly engine: Engine;
  readonly connection: NatsConnection;
  readonly ruleSets: KeptRuleSets;
  readonly stop: () => Promise<void>;
}

/** With streams bounded by `bounds`, which it lays wherever they are missing. */
export async function startEngine(
  url: string,
  rules: readonly Rule[],
  clock = systemClock(),
  bounds: Partial<StreamBounds> = {},
): Promise<RunningEngine> {
  const connection = await connectTest(url);
  const manager = await jetstreamManager(connection);
  const client = jetstream(connection);
  const store = new NatsEngineStore(connection, client, manager, systemRandom);
  const ruleSets = new KeptRuleSets(store, rules);
  const engine = new Engine({
    store,
    ...engineJournal(connection, client, manager),
    prepare: async () => {
      await connection.rtt();
      await prepareStreams(manager, bounds);
    },
    ruleSets,
    clock,
    random: systemRandom,
    log: silentLogger,
  });
  engine.start();
  const stop = async () => {
    await engine.stop();
    await connection.close();
  };
  return { engine, connection, ruleSets, stop };
}

/** Every alert transition of stream ENGINE, in its order. */
export async function storedTransitions(connection: NatsConnection): Promise<AlertTransition[]> {
  const manager = await jetstreamManager(connection);
  const found: AlertTransition[] = [];
  for (let seq = 1; ; seq++) {
    const query = { seq, next_by_subj: "alert.>" };
    const message = await manager.streams.getMessage("ENGINE", query);
    if (message === null) return found;
    found.push(...decodeAlertMessage(message.string()));
    seq = message.seq;
  }
}

/** Asks until `holds` does; what it waits for happens in another process. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const clock = systemClock();
  const deadline = clock.bootMs() + timeoutMs;
  while (!(await holds())) {
    if (clock.bootMs() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise<void>((resolve) => void clock.after(20, resolve));
  }
}

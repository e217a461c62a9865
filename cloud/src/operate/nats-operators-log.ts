/** Stream OPERATE: what operators did, kept for 90 days. */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { operateStream, operateSubject } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { DeliverPolicy } from "@nats-io/jetstream";
import type { OperatorsEntry } from "./operators-entry.ts";
import { decodeEntry, encodeEntry } from "./operators-entry.ts";

const keptDays = 90;
/** Of one reading, backwards. */
const windowMax = 500;
/** So many are looked through for those of one operator or act. */
const lookBackMax = 20_000;

export interface OperatorsQuery {
  readonly who?: string | undefined;
  readonly act?: string | undefined;
  readonly limit: number;
  /** Older than this one. */
  readonly before?: number | undefined;
}

export interface StoredEntry extends OperatorsEntry {
  readonly sequence: number;
}

export class NatsOperatorsLog {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async append(entry: OperatorsEntry): Promise<void> {
    const options = { ttl: `${keptDays * 24}h`, retries: 1 };
    await this.#jetstream.publish(operateSubject, encodeEntry(entry), options);
  }

  /** The newest first; `next` where there may be more. */
  async read(query: OperatorsQuery) {
    const { state } = await this.#manager.streams.info(operateStream);
    const found: StoredEntry[] = [];
    let before = Math.min(query.before ?? state.last_seq + 1, state.last_seq + 1);
    const lowest = Math.max(state.first_seq, before - lookBackMax);
    while (before > lowest && found.length < query.limit) {
      const from = Math.max(lowest, before - windowMax);
      const entries = (await this.#window(from, before)).toReversed();
      for (const entry of entries.filter((each) => isWanted(each, query))) {
        if (found.length < query.limit) found.push(entry);
      }
      before = found.length < query.limit ? from : (found.at(-1)?.sequence ?? from);
    }
    return { entries: found, next: before > state.first_seq ? before : undefined };
  }

  async #window(from: number, before: number): Promise<StoredEntry[]> {
    const found: StoredEntry[] = [];
    if (from >= before) return found;
    const start = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from };
    const consumer = await this.#jetstream.consumers.get(operateStream, start);
    if ((await consumer.info(true)).num_pending === 0) return found;
    const messages = await consumer.consume({ max_messages: windowMax });
    try {
      for await (const message of messages) {
        if (message.seq >= before) break;
        found.push({ sequence: message.seq, ...decodeEntry(message.string()) });
        if (message.seq === before - 1 || message.info.pending === 0) break;
      }
    } finally {
      messages.stop();
    }
    return found;
  }
}

function isWanted(entry: OperatorsEntry, { who, act }: OperatorsQuery): boolean {
  return (who === undefined || entry.who === who) && (act === undefined || entry.act === act);
}

/** What cannot be kept stands in the log of the process at least. */
export function keepingOperators(store: NatsOperatorsLog, log: Logger) {
  return (entry: OperatorsEntry): void => {
    store.append(entry).catch((failure: unknown) => {
      log.error({ ...entry, reason: reasonOf(failure) }, "what an operator did is not kept");
    });
  };
}

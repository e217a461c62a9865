/** Bucket GATEWAYS, written by compare and set: that no key is two gateways' hangs on all of them. */
import { gatewaysStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAtEnd } from "../nats-append.ts";
import { readBucket } from "../nats-bucket-feed.ts";
import type { GatewayEntry, GatewayRequest } from "./gateway-entry.ts";
import { encodeEntry, GatewayBook } from "./gateway-entry.ts";

/** Writes under way at once. */
const aheadMax = 256;

export interface LoadedGateways {
  readonly book: GatewayBook;
  /** Of the bucket, when it was read. */
  readonly sequence: number;
}

export type Outcome =
  | { readonly kind: "changed" | "unchanged"; readonly entry: GatewayEntry }
  | { readonly kind: "refused"; readonly gateway: string; readonly failure: unknown };

export class NatsGateways {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async load(): Promise<LoadedGateways> {
    const sequence = await this.sequence();
    const book = new GatewayBook();
    await readBucket(this.#jetstream, gatewaysStream, book);
    return { book, sequence };
  }

  /** Of the newest change. */
  async sequence(): Promise<number> {
    return (await this.#manager.streams.info(gatewaysStream)).state.last_seq;
  }

  /** An outcome for each, in their order; one that is refused holds no other up. */
  async apply(requests: readonly GatewayRequest[], at: number): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    while (outcomes.length < requests.length) {
      const { book, sequence } = await this.load();
      const writes: Promise<number | undefined>[] = [];
      const planned: Outcome[] = [];
      for (const request of requests.slice(outcomes.length)) {
        if (writes.length >= aheadMax) break;
        const outcome = outcomeOf(book, request, at);
        planned.push(outcome);
        if (outcome.kind !== "changed") continue;
        const { gateway } = outcome.entry;
        const text = encodeEntry(outcome.entry);
        book.take(gateway, text);
        const subject = subjects.gatewayEntry(gateway);
        const expectedLast = sequence + writes.length;
        writes.push(
          appendAtEnd(this.#jetstream, { stream: gatewaysStream, subject, expectedLast }, text),
        );
      }
      const stored = await settled(writes);
      outcomes.push(...upTo(planned, stored));
    }
    return outcomes;
  }
}

function outcomeOf(book: GatewayBook, request: GatewayRequest, at: number): Outcome {
  try {
    const entry = book.after(request, at);
    const isSame = entry === book.of(request.gateway);
    return { kind: isSame ? "unchanged" : "changed", entry };
  } catch (failure) {
    return { kind: "refused", gateway: request.gateway, failure };
  }
}

/** How many of the writes stand, from the first on; another's among them makes all behind it wrong. */
async function settled(writes: readonly Promise<number | undefined>[]): Promise<number> {
  const results = await Promise.allSettled(writes);
  let count = 0;
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
    if (result.value === undefined) return count;
    count++;
  }
  return count;
}

/** What was planned up to the first write that does not stand. */
function upTo(planned: readonly Outcome[], stored: number): readonly Outcome[] {
  let left = stored;
  const end = planned.findIndex(({ kind }) => kind === "changed" && left-- === 0);
  return end < 0 ? planned : planned.slice(0, end);
}

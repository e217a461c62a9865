/**
 * How everyone but the engine reads the journal from its first message: by the same fold, under what
 * the engine has committed. The journal may have lost what was committed (a store put back to an older
 * copy). What stands behind such a hole waits until the reader has passed the commit that covers it:
 * then either the hole was filled by a batch that went again, or it is passed and counted.
 */
import { decodeHead } from "@causeway/shared/batch-codec.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import {
  parseGatewaySubject,
  parseStoredTelemetry,
  partitionCount,
} from "@causeway/shared/subjects.ts";
import type { EngineStore } from "../engine/engine-store.ts";
import type { Folded } from "./fold.ts";
import { foldMessage, Ledgers } from "./fold.ts";
import type { JournalMessage } from "./journal.ts";

export interface Committed {
  readonly marks: readonly { readonly partition: number; readonly mark: Mark }[];
  /** Up to here in the journal a partition's commit covers what its marks say. */
  readonly coveredUntil: ReadonlyMap<number, number>;
}

/**
 * Marks are read before checkpoints, and those before the journal's last sequence: each is then at
 * least as new as the one before, or what lies between would be passed over though it is there.
 */
export async function loadCommitted(
  store: EngineStore,
  lastSequence: () => Promise<number>,
): Promise<Committed> {
  const found = await store.loadLast("mark.*.*");
  const partitions = Array.from({ length: partitionCount }, (_, partition) => partition);
  const checkpoints = await store.loadCheckpoints(partitions);
  const journalLast = await lastSequence();
  const marks = found.flatMap(({ subject, text }) => {
    const place = parseGatewaySubject(subject);
    return place === undefined ? [] : [{ partition: place.partition, mark: decodeMark(text) }];
  });
  const coveredUntil = new Map(
    [...checkpoints].map(([partition, { checkpoint }]) => [
      partition,
      Math.min(checkpoint.sequence, journalLast),
    ]),
  );
  return { marks, coveredUntil };
}

/** Messages behind a hole that wait; beyond it holes are passed early. */
const deferredMax = 10_000;

export class JournalReader {
  readonly #ledgers = new Ledgers();
  /** From here on nothing is covered, and holes are waited for. */
  readonly #until: number;
  #deferred: JournalMessage[] = [];
  #isBehind: boolean;
  #passed = 0;

  constructor({ marks, coveredUntil }: Committed) {
    for (const { mark } of marks) this.#ledgers.of(mark.gateway).layFloor(mark);
    this.#until = Math.max(0, ...coveredUntil.values());
    this.#isBehind = this.#until > 0;
  }

  /** Positions that the journal lost and a mark covers. */
  get passed(): number {
    return this.#passed;
  }

  /** What the message yields, and what waited for it. */
  fold(message: JournalMessage): readonly Folded[] {
    const released = this.#isBehind && message.sequence > this.#until ? this.#passHoles() : [];
    const folded = foldMessage(this.#ledgers, message);
    if (folded === undefined) return released;
    if (this.#isBehind && folded.doubt?.kind === "expected") this.#deferred.push(message);
    const isReached = message.sequence === this.#until || this.#deferred.length > deferredMax;
    const followed = this.#isBehind && isReached ? this.#passHoles() : [];
    return [...released, folded, ...followed];
  }

  /** What waits behind a hole that was not filled by now is taken; the hole itself is counted. */
  #passHoles(): readonly Folded[] {
    this.#isBehind = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    const released = deferred.flatMap((message) => {
      this.#passHoleBefore(message);
      return foldMessage(this.#ledgers, message) ?? [];
    });
    for (const ledger of this.#ledgers.all()) this.#passed += ledger.passFloor();
    return released;
  }

  #passHoleBefore(message: JournalMessage): void {
    const gateway = parseStoredTelemetry(message.subject)?.gateway;
    const { epoch, log, from } = decodeHead((name) => message.header(name));
    if (gateway !== undefined)
      this.#passed += this.#ledgers.of(gateway).passTo(epoch, log, from - 1);
  }
}

/**
 * How everyone but the engine reads the journal from its first message: by the same fold, under what
 * the engine has committed.
 *
 *   J1  What stands behind a hole waits until the reader has passed the commit that covers the hole:
 *       then a batch that went again has filled it, or it is passed. A hole that no commit covers is
 *       waited for.
 *   J2  A hole that is passed is booked as lost by `gap(journal)`: the journal was put back to an
 *       older copy, or made anew.
 *   J3  What lies before the first message that was met of a log is no gap where the journal was
 *       purged: the reader begins late, from what the engine had taken.
 *   J4  What waits is bounded; beyond that the holes before it are passed early, and no others.
 */
import { decodeHead } from "@causeway/shared/batch-codec.ts";
import type { Hole, Mark } from "@causeway/shared/mark.ts";
import { parseStoredTelemetry, partitionCount } from "@causeway/shared/subjects.ts";
import type { Checkpoint } from "../engine/checkpoint.ts";
import type { EngineStore } from "../engine/engine-store.ts";
import type { CommittedLedgers } from "../ledger/committed.ts";
import { loadLedgers } from "../ledger/committed.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { Folded } from "./fold.ts";
import { foldMessage, Ledgers } from "./fold.ts";
import type { JournalMessage } from "./journal.ts";

/** First and last sequence of the journal. */
export interface JournalRange {
  readonly first: number;
  readonly last: number;
}

export interface Committed extends CommittedLedgers {
  /** Up to here in the journal a partition's commit covers what its marks say. */
  readonly coveredUntil: ReadonlyMap<number, number>;
  /** Messages of the journal were purged. */
  readonly isPurged: boolean;
}

/** Where there is no engine yet. */
export const nothingCommitted: Committed = {
  marks: [],
  pagesOf: () => [],
  coveredUntil: new Map(),
  isPurged: false,
};

/**
 * Marks are read before their pages and checkpoints, and those before the journal's range: each is then at least as
 * new as the one before, or what lies between would be passed over though it is there.
 */
export async function loadCommitted(
  store: EngineStore,
  journalRange: () => Promise<JournalRange>,
): Promise<Committed> {
  const ledgers = await loadLedgers(store);
  const partitions = Array.from({ length: partitionCount }, (_, partition) => partition);
  const checkpoints = await store.loadCheckpoints(partitions);
  const { first, last } = await journalRange();
  const coveredUntil = new Map(
    [...checkpoints].map(([partition, { checkpoint }]) => [
      partition,
      Math.min(coveredBy(checkpoint), last),
    ]),
  );
  return { ...ledgers, coveredUntil, isPurged: first > 1 };
}

/** Marks may cover some of what follows its place: what they lack is a hole only once that was read. */
function coveredBy({ sequence, ahead }: Checkpoint): number {
  return Math.max(sequence, ahead?.sequence ?? 0);
}

export const gapReason = "gap(journal)";

/** What the journal lost of a gateway, though the engine has it. */
export interface Gap extends Hole {
  readonly gateway: string;
}

/** J4. */
const usualDeferredMax = { messages: 10_000, bytes: 64 * 1_024 * 1_024 };

export class JournalReader {
  readonly #ledgers = new Ledgers();
  /** From here on nothing is covered, and holes are waited for. */
  readonly #until: number;
  readonly #isPurged: boolean;
  readonly #deferredMax: typeof usualDeferredMax;
  #deferred: JournalMessage[] = [];
  #deferredBytes = 0;
  #isBehind: boolean;
  readonly #gaps: Gap[] = [];

  /** `own` is where each gateway's ledger was when this reader kept it last. */
  constructor(
    { marks, pagesOf, coveredUntil, isPurged }: Committed,
    deferredMax = usualDeferredMax,
    own: readonly Mark[] = [],
  ) {
    this.#deferredMax = deferredMax;
    for (const mark of own) this.#ledgers.set(GatewayLedger.fromMark(mark, pagesOf(mark.gateway)));
    for (const { mark } of marks) {
      this.#ledgers.of(mark.gateway).layFloor(mark, pagesOf(mark.gateway));
    }
    this.#until = Math.max(0, ...coveredUntil.values());
    this.#isPurged = isPurged;
    this.#isBehind = this.#until > 0;
  }

  /** Messages wait behind a hole, and are not worked off yet. */
  get waits(): boolean {
    return this.#deferred.length > 0;
  }

  /** All whose ledgers it has. */
  get gateways(): readonly string[] {
    return this.#ledgers.all().map(({ gateway }) => gateway);
  }

  /** Where it is in a gateway's ledger, to be kept and handed in again. */
  markOf(gateway: string): Mark {
    return this.#ledgers.of(gateway).replayMark(!this.#isBehind);
  }

  /** J2, in the order in which they were passed. */
  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  /** Events that the journal lost and the engine has. */
  get passed(): number {
    return this.#gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  }

  /** What the message yields, and what waited for it. */
  fold(message: JournalMessage): readonly Folded[] {
    const released = this.#isBehind && message.sequence > this.#until ? this.#catchUp() : [];
    const folded = foldMessage(this.#ledgers, message);
    if (folded === undefined) return [...released, ...this.#followed(message)];
    if (this.#isBehind && folded.doubt?.kind === "expected") this.#defer(message);
    return [...released, folded, ...this.#followed(message)];
  }

  #defer(message: JournalMessage): void {
    this.#deferred.push(message);
    this.#deferredBytes += message.data.length;
  }

  #followed({ sequence }: JournalMessage): readonly Folded[] {
    if (!this.#isBehind) return [];
    if (sequence === this.#until) return this.#catchUp();
    const { messages, bytes } = this.#deferredMax;
    const isTooMuch = this.#deferred.length > messages || this.#deferredBytes > bytes;
    return isTooMuch ? this.#passHoles() : [];
  }

  /** J1: from here on holes are waited for. */
  #catchUp(): readonly Folded[] {
    this.#isBehind = false;
    const released = this.#passHoles();
    for (const ledger of this.#ledgers.all()) {
      this.#book(ledger.gateway, ledger.passFloor(gapReason, this.#isPurged));
    }
    return released;
  }

  /** What waits is taken, the lowest of each log first, and what was not met before it is passed. */
  #passHoles(): readonly Folded[] {
    const byLog = Map.groupBy(this.#deferred, placeOf);
    this.#deferred = [];
    this.#deferredBytes = 0;
    return [...byLog.values()].flatMap((messages) =>
      messages.sort(byFrom).flatMap((message) => {
        this.#passHoleBefore(message);
        return foldMessage(this.#ledgers, message) ?? [];
      }),
    );
  }

  #passHoleBefore(message: JournalMessage): void {
    const gateway = parseStoredTelemetry(message.subject)?.gateway;
    if (gateway === undefined) return;
    const ledger = this.#ledgers.of(gateway);
    const { epoch, log, from } = headOf(message);
    const isStart = this.#isPurged && ledger.through(epoch, log) === 0;
    const hole = ledger.passTo(epoch, log, from - 1, isStart ? undefined : gapReason);
    if (hole !== undefined && !isStart) this.#book(gateway, [hole]);
  }

  #book(gateway: string, holes: readonly Hole[]): void {
    this.#gaps.push(...holes.map((hole) => ({ gateway, ...hole })));
  }
}

function headOf(message: JournalMessage) {
  return decodeHead((name) => message.header(name));
}

function placeOf(message: JournalMessage): string {
  const { epoch, log } = headOf(message);
  return `${parseStoredTelemetry(message.subject)?.gateway} ${epoch} ${log}`;
}

function byFrom(left: JournalMessage, right: JournalMessage): number {
  return headOf(left).from - headOf(right).from;
}

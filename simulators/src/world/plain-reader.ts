/**
 * What a plain reader of the journal takes, told in a hundred lines: of each epoch's log exactly the
 * next position. It shares no code with the ledger or the uplink, and is what they are held to.
 */
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import { decodeTick } from "@causeway/cloud/ticks/tick.ts";
import type { BatchHead } from "@causeway/shared/batch-codec.ts";
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { clockSubject } from "@causeway/shared/subjects.ts";
import type { Branch, RuleChange } from "./branch.ts";
import { Lateness } from "./lateness.ts";
import { firstRules } from "./rules.ts";

/** An item at its place, as it was first met without a gap before it. */
export interface Taken {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly event: Event | undefined;
  readonly receivedAt: number;
  readonly late: boolean;
  /** What its batch told of its epoch. */
  readonly batch: PlainBatch;
  /** Grows with every item of the journal. */
  readonly order: number;
}

interface PlainItem {
  readonly from: number;
  readonly to: number;
  readonly event: Event | undefined;
  readonly receivedAt: number;
}

/** A batch as it lies in the journal; without items where nobody can read them. */
export interface PlainBatch {
  readonly gateway: string;
  readonly lane: string;
  readonly key: string;
  readonly epoch: string;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly before: BatchHead["before"];
  readonly items: readonly PlainItem[];
}

/** Of a gateway's epoch and log. */
export function keyOf(gateway: string, epoch: string, log: string): string {
  return `${gateway} ${epoch} ${log}`;
}

/** What a gateway had for longer is no news. */
const heldBackMs = 600_000;
const batches = new WeakMap<JournalMessage, PlainBatch>();

/** Undefined for what is no gateway's. */
export function batchOf(message: JournalMessage): PlainBatch | undefined {
  const known = batches.get(message);
  if (known !== undefined || !message.subject.startsWith("tlm.")) return known;
  const [, , gateway = "", lane = ""] = message.subject.split(".");
  const { epoch, log, from, to, before } = decodeHead((name) => message.header(name));
  const place = { gateway, lane, key: keyOf(gateway, epoch, log), epoch, log, from, to, before };
  const batch = { ...place, items: itemsOf(message) };
  batches.set(message, batch);
  return batch;
}

function itemsOf(message: JournalMessage): readonly PlainItem[] {
  try {
    const { blocks, boots } = decodeBody(expandBody(message.data));
    return blocks.flatMap(({ bootId, items }) =>
      items.map(({ from, to, event }) => {
        const offset = boots[bootId];
        const isKnown = typeof offset === "number";
        const receivedAt = isKnown ? offset + (event?.bootMs ?? 0) : message.storedAt;
        return { from, to, event, receivedAt };
      }),
    );
  } catch {
    return [];
  }
}

export class PlainReader {
  #through = new Map<string, number>();
  #lateness = new Map<string, Lateness>();
  /** By key and position; an item that spans many stands at each. */
  readonly #taken = new Map<string, Taken[]>();
  readonly #changes = new Map<string, RuleChange>();
  readonly #ticks = new Set<string>();
  #rules = firstRules;
  #order = 0;

  /** Everything up to here was stored without a gap. */
  through(key: string): number {
    return this.#through.get(key) ?? 0;
  }

  at(key: string, position: number): Taken | undefined {
    return this.#taken.get(key)?.[position];
  }

  /** In their order. */
  changes(): readonly RuleChange[] {
    return [...this.#changes.values()].sort((left, right) => left.order - right.order);
  }

  hasAllChanges(journal: readonly JournalMessage[]): boolean {
    const ids = new Set(journal.map(changeId));
    return [...this.#changes.keys()].every((id) => ids.has(id));
  }

  /** Whether rules changed at this message, which the journal lost. */
  forgetChange(message: JournalMessage): boolean {
    return this.#changes.delete(changeId(message));
  }

  #takeTick(message: JournalMessage): void {
    const { n, at, rules } = decodeTick(message.data);
    const id = changeId(message);
    const change = this.#changes.get(id);
    if (change !== undefined) change.order = this.#order++;
    else if (!this.#ticks.has(id) && rules !== this.#rules) {
      this.#changes.set(id, { id, n, at, rules, order: this.#order++ });
    }
    this.#ticks.add(id);
    this.#rules = rules;
  }

  take(message: JournalMessage): void {
    if (message.subject === clockSubject) return this.#takeTick(message);
    const batch = batchOf(message);
    if (batch === undefined || batch.items.length === 0) return;
    const { gateway, epoch, log, key, from, to } = batch;
    let through = this.through(key);
    if (from > through + 1) return;
    const lateness = this.#lateness.get(gateway) ?? new Lateness();
    this.#lateness.set(gateway, lateness);
    lateness.meet(batch, batch.lane === "live");
    if (to <= through) return;
    for (const { event, receivedAt, ...item } of batch.items) {
      if (item.from > through + 1 || item.to <= through) continue;
      const place = { gateway, epoch, log, from: through + 1, to: item.to };
      const isHeldBack = message.storedAt - receivedAt > heldBackMs;
      const late = batch.lane === "history" || isHeldBack || lateness.isLate(epoch, log, item.to);
      this.#put(key, { ...place, event, receivedAt, late, batch, order: this.#order++ });
      through = item.to;
    }
    this.#through.set(key, through);
  }

  /**
   * Reads anew what the journal has left, on top of what was taken of each key already. Of what was
   * judged nothing more is taken.
   */
  readAgain(
    journal: readonly JournalMessage[],
    { covered, lateness }: Pick<Branch, "covered" | "lateness">,
    isJudged: (message: JournalMessage) => boolean,
  ): void {
    this.#through = new Map(covered);
    this.#lateness = copyOf(lateness);
    for (const message of journal) {
      if (message.subject === clockSubject || !isJudged(message)) this.take(message);
    }
  }

  #put(key: string, taken: Taken): void {
    const list = this.#taken.get(key) ?? [];
    for (let position = taken.from; position <= taken.to; position++) list[position] = taken;
    this.#taken.set(key, list);
  }
}

function changeId({ sequence, header }: JournalMessage): string {
  return `${sequence} ${header("Cw-Nonce")}`;
}

export function copyOf(lateness: ReadonlyMap<string, Lateness>): Map<string, Lateness> {
  return new Map([...lateness].map(([gateway, own]) => [gateway, new Lateness(own)]));
}

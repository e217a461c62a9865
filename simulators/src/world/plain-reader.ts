/**
 * What a plain reader of the journal takes, told in a hundred lines: of each epoch's log exactly the
 * next position. It shares no code with the ledger or the uplink, and is what they are held to.
 */
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import type { BatchHead } from "@causeway/shared/batch-codec.ts";
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { Lateness } from "./lateness.ts";

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
  #order = 0;

  /** Everything up to here was stored without a gap. */
  through(key: string): number {
    return this.#through.get(key) ?? 0;
  }

  at(key: string, position: number): Taken | undefined {
    return this.#taken.get(key)?.[position];
  }

  take(message: JournalMessage): void {
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
      const late = batch.lane === "history" || lateness.isLate(epoch, log, item.to);
      this.#put(key, { ...place, event, receivedAt, late, order: this.#order++ });
      through = item.to;
    }
    this.#through.set(key, through);
  }

  /** Reads anew what the journal has left, on top of what was taken of each key already. */
  readAgain(journal: readonly JournalMessage[], covered: ReadonlyMap<string, number>): void {
    this.#through = new Map(covered);
    this.#lateness = new Map();
    for (const message of journal) this.take(message);
  }

  /** What was read before it was lost from the journal was taken after all. */
  raise(key: string, through: number): void {
    if (through > this.through(key)) this.#through.set(key, through);
  }

  #put(key: string, taken: Taken): void {
    const list = this.#taken.get(key) ?? [];
    for (let position = taken.from; position <= taken.to; position++) list[position] = taken;
    this.#taken.set(key, list);
  }
}

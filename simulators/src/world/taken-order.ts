/**
 * What a plain reader of the journal takes, told in some forty lines: of each epoch's log exactly
 * the next position. It shares no code with the ledger or the uplink, and is what they are held to.
 */
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";

export interface Taken {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly position: number;
  readonly event: Event | undefined;
  readonly receivedAt: number;
  readonly late: boolean;
}

export class TakenOrder {
  readonly taken: Taken[] = [];
  readonly #through = new Map<string, number>();
  readonly #newest = new Map<string, number>();

  /** Everything up to here was stored without a gap. */
  through(gateway: string, epoch: string, log: string): number {
    return this.#through.get(`${gateway} ${epoch} ${log}`) ?? 0;
  }

  take(message: JournalMessage): void {
    const [, , gateway = "", lane] = message.subject.split(".");
    const { epoch, log, from, to } = decodeHead((name) => message.header(name));
    const key = `${gateway} ${epoch} ${log}`;
    let through = this.#through.get(key) ?? 0;
    if (from > through + 1 || to <= through) return;
    const ordinal = Number.parseInt(epoch, 10);
    const newest = Math.max(this.#newest.get(gateway) ?? 0, lane === "live" ? ordinal : 0);
    this.#newest.set(gateway, newest);
    const { blocks, boots } = decodeBody(expandBody(message.data));
    for (const { bootId, items } of blocks) {
      for (const item of items) {
        if (item.from !== through + 1) continue;
        through = item.to;
        const { event } = item;
        const offset = boots[bootId];
        const receivedAt =
          typeof offset === "number" ? offset + (event?.bootMs ?? 0) : message.storedAt;
        const late = ordinal < newest;
        this.taken.push({ gateway, epoch, log, position: item.from, event, receivedAt, late });
      }
    }
    this.#through.set(key, through);
  }
}

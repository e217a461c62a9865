/** The records that say how far each epoch is released, published and stored, and what changed in them. */
import type { Log } from "@causeway/shared/event.ts";
import type { Epoch } from "./epoch.ts";
import { cursorChange } from "./epoch.ts";
import { encodeRecord, markKey } from "./layout.ts";
import type { Change } from "./store.ts";

/** Records on their way to the disk, with the bounds of O7 as they are written. */
export interface TakenCursors {
  readonly changes: readonly Change[];
  readonly epochs: readonly { readonly epoch: Epoch; readonly published: Record<Log, number> }[];
}

export class Cursors {
  readonly #changed = new Set<Epoch>();
  #markCommit: number;
  #markChanged = false;

  constructor(markCommit: number) {
    this.#markCommit = markCommit;
  }

  get markCommit(): number {
    return this.#markCommit;
  }

  set markCommit(commit: number) {
    this.#markCommit = commit;
    this.#markChanged = true;
  }

  changed(epoch: Epoch): void {
    this.#changed.add(epoch);
  }

  /** What is to be written; it counts as written until `retake`. */
  take(): TakenCursors {
    const epochs = [...this.#changed].map((epoch) => {
      return { epoch, published: { ...epoch.published } };
    });
    const changes = epochs.map(({ epoch }) => cursorChange(epoch));
    if (this.#markChanged) {
      const value = encodeRecord({ commit: this.#markCommit });
      changes.push({ kind: "put", key: markKey, value });
    }
    this.#changed.clear();
    this.#markChanged = false;
    return { changes, epochs };
  }

  /** The write failed, or may be lost. */
  retake({ epochs }: TakenCursors): void {
    for (const { epoch } of epochs) this.#changed.add(epoch);
    this.#markChanged = true;
  }

  synced({ epochs }: TakenCursors): void {
    for (const { epoch, published } of epochs) Object.assign(epoch.publishable, published);
  }
}

/** A run of positions and the bytes of its blocks. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/**
 * O7: raises the bound of what may be published to `aheadBytes` beyond the piece, as positions of its
 * size. `free`: the bound on the disk is far; `near`: it is time to renew it; `reached`: to wait for that.
 */
export function raiseBound(
  { record, published, publishable }: Epoch,
  log: Log,
  { from, to, bytes }: Piece,
  aheadBytes: number,
): { readonly raised: boolean; readonly left: "free" | "near" | "reached" } {
  const ahead = Math.ceil((aheadBytes * (to - from + 1)) / Math.max(1, bytes));
  const end = record.ends?.[log] ?? Number.POSITIVE_INFINITY;
  const bound = Math.min(end, to + ahead);
  const raised = published[log] < bound && published[log] - to < ahead * 0.75;
  if (raised) published[log] = bound;
  if (publishable[log] < to) return { raised, left: "reached" };
  const enough = Math.min(bound, to + ahead / 4);
  return { raised, left: publishable[log] < enough ? "near" : "free" };
}

/**
 * Folds journal messages and gathers what is to be written of them.
 *
 *   N1  A batch has the ledger of every gateway that anything was folded of since the one before, as
 *       it is at that moment: its rows are those that the ledger says were taken.
 *   N2  While messages wait behind a hole the place stays before them, and the ledgers go on: who
 *       begins there again meets what was written as repeats.
 */
import type { Place } from "../engine/place.ts";
import { withPlace } from "../engine/place.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { JournalReader } from "../ingest/journal-reader.ts";
import type { HistoryBatch, HistoryRow, LostStretch } from "./historian.ts";
import { gapLoss, lossOf, rowsOf } from "./history-rows.ts";

export class HistoryIntake {
  readonly #journal: JournalReader;
  #places: readonly Place[];
  #rows: HistoryRow[] = [];
  #losses: LostStretch[] = [];
  readonly #touched = new Set<string>();
  #isMoved = false;
  #gaps = 0;

  constructor(journal: JournalReader, places: readonly Place[]) {
    this.#journal = journal;
    this.#places = places;
  }

  /** Rows that wait to be written. */
  get rows(): number {
    return this.#rows.length;
  }

  /** Something came that is more than the journal's going on. */
  get isFilled(): boolean {
    return this.#rows.length + this.#losses.length > 0;
  }

  take(message: JournalMessage): void {
    for (const { source, taken } of this.#journal.fold(message)) {
      this.#touched.add(source.gateway);
      for (const event of taken) {
        const lost = lossOf(event);
        if (lost !== undefined) this.#losses.push(lost);
        else for (const row of rowsOf(event)) this.#rows.push(row);
      }
    }
    for (const gap of this.#journal.gaps.slice(this.#gaps)) {
      this.#losses.push(gapLoss(gap, message.storedAt));
      this.#touched.add(gap.gateway);
    }
    this.#gaps = this.#journal.gaps.length;
    const { sequence, subject } = message;
    if (this.#journal.waits) return;
    const identity = { subject, nonce: message.header("Cw-Nonce") };
    this.#places = withPlace(this.#places, { sequence, identity });
    this.#isMoved = true;
  }

  /** N1. Undefined where nothing came. */
  drain(): HistoryBatch | undefined {
    if (!this.#isMoved && this.#touched.size === 0) return undefined;
    const batch = {
      rows: this.#rows,
      losses: this.#losses,
      marks: [...this.#touched].map((gateway) => this.#journal.markOf(gateway)),
      places: this.#isMoved ? this.#places : undefined,
    };
    [this.#rows, this.#losses, this.#isMoved] = [[], [], false];
    this.#touched.clear();
    return batch;
  }
}

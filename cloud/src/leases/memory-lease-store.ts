/** The bucket LEASES in memory, with the same refusals as the real one. */
import type { LeaseStore, StoredTable, StoredWorker, Worker } from "./lease-store.ts";

export class MemoryLeaseStore implements LeaseStore {
  readonly #workers = new Map<string, StoredWorker>();
  #table: StoredTable = { text: undefined, revision: 0 };
  #revision = 0;
  /** Nothing is answered meanwhile. */
  isAway = false;

  async beat(worker: Worker): Promise<void> {
    this.#check();
    this.#workers.set(worker.worker, { ...worker, revision: ++this.#revision });
  }

  async leave(worker: string): Promise<void> {
    this.#check();
    this.#workers.delete(worker);
  }

  async workers(): Promise<readonly StoredWorker[]> {
    this.#check();
    return [...this.#workers.values()];
  }

  async table(): Promise<StoredTable> {
    this.#check();
    return this.#table;
  }

  async write(text: string, expected: number): Promise<boolean> {
    this.#check();
    if (expected !== this.#table.revision) return false;
    this.#table = { text, revision: ++this.#revision };
    return true;
  }

  #check(): void {
    if (this.isAway) throw new Error("no answer");
  }
}

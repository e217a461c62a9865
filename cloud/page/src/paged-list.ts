/**
 * A long list that is fetched page by page as one scrolls: each page is asked for by the cursor that
 * the page before it gave, one at a time. What is in sight can be asked for again.
 *
 *   P1  Rows keep their places: page n holds the rows from n × `pageRows` on.
 *   P2  An answer that comes after `stop` changes nothing.
 */

export interface ListPage<Row> {
  readonly total: number;
  readonly rows: readonly Row[];
  readonly next: string | null;
}

export class PagedList<Row> {
  readonly #fetch: (after: string | undefined) => Promise<ListPage<Row>>;
  readonly #changed: (failure: unknown) => void;
  readonly pageRows: number;
  #pages: (readonly Row[])[] = [];
  /** By page; undefined for the first one. */
  #cursors: (string | undefined)[] = [undefined];
  #wanted = 0;
  #isBusy = false;
  #isStopped = false;
  total: number | undefined;

  constructor(
    pageRows: number,
    fetch: (after: string | undefined) => Promise<ListPage<Row>>,
    changed: (failure: unknown) => void,
  ) {
    this.pageRows = pageRows;
    this.#fetch = fetch;
    this.#changed = changed;
  }

  row(index: number): Row | undefined {
    return this.#pages[Math.floor(index / this.pageRows)]?.[index % this.pageRows];
  }

  /** Fetches on until the row is there, or the list ends. */
  want(index: number): void {
    this.#wanted = Math.max(this.#wanted, index);
    void this.#fill();
  }

  /** Asks again for the pages that hold these rows. */
  async refresh(from: number, to: number): Promise<void> {
    if (this.#isBusy) return;
    const last = Math.min(Math.floor(to / this.pageRows), this.#pages.length - 1);
    for (let page = Math.floor(from / this.pageRows); page <= last; page++) await this.#load(page);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #fill(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    let isGood = true;
    while (isGood && this.#isMissing()) isGood = await this.#load(this.#pages.length);
    this.#isBusy = false;
  }

  #isMissing(): boolean {
    const page = this.#pages.length;
    const isMore = page === 0 || this.#cursors[page] !== undefined;
    return !this.#isStopped && isMore && this.#wanted >= page * this.pageRows;
  }

  /** False where it failed. */
  async #load(page: number): Promise<boolean> {
    try {
      const { total, rows, next } = await this.#fetch(this.#cursors[page]);
      if (this.#isStopped) return false; // P2
      this.total = total;
      this.#pages[page] = rows;
      this.#cursors[page + 1] = next ?? undefined;
      this.#changed(undefined);
      return true;
    } catch (failure) {
      if (!this.#isStopped) this.#changed(failure);
      return false;
    }
  }
}

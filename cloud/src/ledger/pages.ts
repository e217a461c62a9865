/** The pages of one gateway's ledger: which there are, and what of them is to be written. */
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import type { EpochLedger, LooseStretch, Paged } from "@causeway/shared/mark.ts";
import type { LedgerBounds } from "./bounds.ts";

interface OpenPage {
  readonly number: number;
  readonly epochs: EpochLedger[];
  readonly stretches: LooseStretch[];
  bytes: number;
}

/** Of a row without stretches. */
const rowBytes = 32;

export class Pages {
  readonly #gateway: string;
  readonly #bounds: LedgerBounds;
  readonly #changed = new Map<number, EpochPage>();
  /** The oldest one that is not emptied. */
  #first = 0;
  #open: OpenPage = newPage(0);

  constructor(gateway: string, bounds: LedgerBounds) {
    this.#gateway = gateway;
    this.#bounds = bounds;
  }

  /** In ascending order. */
  restore(pages: readonly EpochPage[]): void {
    const last = pages.at(-1);
    if (last === undefined) return;
    this.#open = newPage(last.number);
    for (const row of last.epochs) this.#append(row);
    for (const loose of last.stretches) this.#appendLoose(loose);
    this.#first = pages.find((page) => !isEmpty(page))?.number ?? last.number;
  }

  /** How many there are and how many rows the last one holds: no row before that changes. */
  get extent(): Pick<Paged, "pages" | "rows"> {
    const rows = this.#open.epochs.length;
    const isNone = this.#open.number === 0 && rows + this.#open.stretches.length === 0;
    return { pages: isNone ? 0 : this.#open.number + 1, rows };
  }

  /** The number of the page that it stands in. */
  add(row: EpochLedger): number {
    this.#turn();
    this.#append(row);
    return this.#note();
  }

  addLoose(loose: LooseStretch): void {
    this.#turn();
    this.#appendLoose(loose);
    this.#note();
  }

  /** Empties the oldest page and names it, where there are too many. */
  giveUp(): number | undefined {
    const { number } = this.#open;
    if (number - this.#first < this.#bounds.pagesMax) return undefined;
    const given = this.#first++;
    this.#changed.set(given, {
      gateway: this.#gateway,
      number: given,
      epochs: [],
      stretches: [],
    });
    return given;
  }

  /** Half of the room is used from here on. */
  get isHalfFull(): boolean {
    return (this.#open.number - this.#first) * 2 >= this.#bounds.pagesMax;
  }

  get changed(): number {
    return this.#changed.size;
  }

  /** What is to be written since this was last asked. */
  take(): readonly EpochPage[] {
    const changed = [...this.#changed.values()].map((page) => ({ ...page }));
    this.#changed.clear();
    return changed;
  }

  #turn(): void {
    if (this.#open.bytes >= this.#bounds.pageBytesMax) {
      this.#open = newPage(this.#open.number + 1);
    }
  }

  #append(row: EpochLedger): void {
    const { telemetry, priority } = row.logs;
    const stretches = [...telemetry.stretches, ...priority.stretches];
    this.#open.epochs.push(row);
    this.#open.bytes += rowBytes + bytesOf(stretches);
  }

  #appendLoose(loose: LooseStretch): void {
    this.#open.stretches.push(loose);
    this.#open.bytes += bytesOf([loose]);
  }

  #note(): number {
    const { number, epochs, stretches } = this.#open;
    this.#changed.set(number, { gateway: this.#gateway, number, epochs, stretches });
    return number;
  }
}

function newPage(number: number): OpenPage {
  return { number, epochs: [], stretches: [], bytes: 0 };
}

function isEmpty({ epochs, stretches }: EpochPage): boolean {
  return epochs.length + stretches.length === 0;
}

function bytesOf(stretches: readonly unknown[]): number {
  return stretches.length === 0 ? 0 : JSON.stringify(stretches).length;
}

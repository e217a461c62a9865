/** How many readings each filter let pass, in this process, and how many it suppressed, for ever. */
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Reason } from "./filter-series.ts";
import { reasons } from "./filter-series.ts";

export interface FilterCounts {
  readonly name: string;
  readonly passed: number;
  readonly suppressed: Readonly<Record<Reason, number>>;
}

/** Of filters that are set no more, the counts of so many are kept. */
const namesMax = 512;

type Suppressed = Record<Reason, number>;

export class Counts {
  readonly #passed = new Map<string, number>();
  #suppressed = new Map<string, Suppressed>();
  #isDirty = false;
  /** As it lies on the disk, and as it is being written. */
  #durable: Uint8Array | undefined;
  #sealed: Uint8Array | undefined;

  get suppressed(): number {
    let sum = 0;
    for (const counts of this.#suppressed.values())
      for (const reason of reasons) sum += counts[reason];
    return sum;
  }

  all(): readonly FilterCounts[] {
    const names = new Set([...this.#passed.keys(), ...this.#suppressed.keys()]);
    return [...names].map((name) => ({
      name,
      passed: this.#passed.get(name) ?? 0,
      suppressed: { ...(this.#suppressed.get(name) ?? none()) },
    }));
  }

  passed(name: string): void {
    this.#passed.set(name, (this.#passed.get(name) ?? 0) + 1);
  }

  suppress(name: string, reason: Reason, count: number): void {
    let counts = this.#suppressed.get(name);
    if (counts === undefined) {
      counts = none();
      this.#suppressed.set(name, counts);
      const [oldest] = this.#suppressed.keys();
      if (this.#suppressed.size > namesMax && oldest !== undefined) this.#suppressed.delete(oldest);
    }
    counts[reason] += count;
    this.#isDirty = true;
  }

  encode(): Uint8Array {
    return encodeRecord({ suppressed: Object.fromEntries(this.#suppressed) });
  }

  load(record: Uint8Array): void {
    this.#read(record);
    this.#durable = this.#sealed = record;
  }

  /** Undefined where nothing has changed. */
  seal(): Uint8Array | undefined {
    if (!this.#isDirty) return undefined;
    this.#isDirty = false;
    this.#sealed = this.encode();
    return this.#sealed;
  }

  wrote(isDurable: boolean): void {
    if (isDurable) {
      this.#durable = this.#sealed;
      return;
    }
    this.#isDirty = false;
    this.#sealed = this.#durable;
    this.#suppressed.clear();
    if (this.#durable !== undefined) this.#read(this.#durable);
  }

  #read(record: Uint8Array): void {
    const { suppressed } = decodeRecord(record, "the counts of filters");
    const counts = Object.entries((suppressed ?? {}) as Record<string, Suppressed>);
    this.#suppressed = new Map(counts.map(([name, one]) => [name, { ...none(), ...one }]));
  }
}

function none(): Suppressed {
  return { deadband: 0, rate: 0, downsample: 0 };
}

/**
 * Makes one block of many: events that a summary takes are summed up over their range, one item for
 * each run of them; all others stay as they are, at their positions.
 */
import type { Block } from "@causeway/shared/block-codec.ts";
import { BlockBuilder } from "@causeway/shared/block-codec.ts";
import type { Event } from "@causeway/shared/event.ts";
import { Rollup } from "./rollup.ts";

export interface Summary {
  /** Characters so far. */
  readonly size: number;
  readonly isFull: boolean;
  /** Events that are given up with it, and were not before. */
  readonly fresh: number;
  /** An event that this build cannot read is undefined. */
  takes(event: Event | undefined): boolean;
  /** At its positions; only what it takes. */
  add(event: Event | undefined, span: number): void;
  finish(to: number, bootMs: number): Event;
}

/** Readings as min, max, mean, last and count of each series and window. */
export class Thinning implements Summary {
  readonly #rollup: Rollup;
  #fresh = 0;

  constructor(windowMs: number) {
    this.#rollup = new Rollup(windowMs);
  }

  get size(): number {
    return this.#rollup.size;
  }

  get isFull(): boolean {
    return this.#rollup.isFull;
  }

  get fresh(): number {
    return this.#fresh;
  }

  takes(event: Event | undefined): boolean {
    if (event?.kind === "rollup") return this.#rollup.windowMs % event.windowMs === 0;
    return event?.kind === "reading";
  }

  add(event: Event | undefined): void {
    if (event?.kind === "rollup") return this.#rollup.merge(event);
    if (event?.kind !== "reading") return;
    this.#fresh++;
    this.#rollup.add(event);
  }

  finish(to: number, bootMs: number): Event {
    return this.#rollup.finish(to, bootMs);
  }
}

/** Everything but what `keeps` says, told as lost; losses of another reason stay what they are. */
export class Dropping implements Summary {
  readonly #reason: string;
  readonly #keeps: (event: Event) => boolean;
  #count = 0;
  #fresh = 0;
  readonly size = 0;
  readonly isFull = false;

  constructor(reason: string, keeps: (event: Event) => boolean) {
    this.#reason = reason;
    this.#keeps = keeps;
  }

  get fresh(): number {
    return this.#fresh;
  }

  takes(event: Event | undefined): boolean {
    if (event?.kind === "loss") return event.reason === this.#reason;
    return event === undefined || !this.#keeps(event);
  }

  add(event: Event | undefined, span: number): void {
    const count = event?.kind === "loss" ? event.count : span;
    this.#count += count;
    if (event?.kind !== "loss") this.#fresh += count;
  }

  finish(to: number, bootMs: number): Event {
    const place = { device: null, topic: null, bootMs, observedAt: null };
    return { kind: "loss", ...place, to, reason: this.#reason, count: this.#count };
  }
}

interface Run {
  readonly summary: Summary;
  readonly from: number;
  readonly bootMs: number;
}

export class Rewriting {
  readonly #newSummary: () => Summary;
  #builder: BlockBuilder | undefined;
  #bootId: string | undefined;
  #from = 0;
  #to = 0;
  #run: Run | undefined;
  #items = 0;
  #fresh = 0;

  constructor(newSummary: () => Summary) {
    this.#newSummary = newSummary;
  }

  /** Characters of what comes of it. */
  get size(): number {
    return (this.#builder?.size ?? 0) + (this.#run?.summary.size ?? 0);
  }

  get isFull(): boolean {
    return this.#run?.summary.isFull ?? false;
  }

  get fresh(): number {
    return this.#fresh + (this.#run?.summary.fresh ?? 0);
  }

  /** False, with nothing changed, where the block cannot be written again or joined. */
  add({ from, to, bootId, items }: Block): boolean {
    const probe = this.#newSummary();
    const isReadable = items.every(({ event }) => event !== undefined || probe.takes(event));
    if (!isReadable || (this.#bootId !== undefined && this.#bootId !== bootId)) return false;
    if (this.#builder === undefined) {
      this.#builder = new BlockBuilder(bootId);
      this.#from = from;
    }
    this.#bootId = bootId;
    for (const item of items) this.#add(item.from, item.to, item.event);
    this.#to = to;
    return true;
  }

  finish(): { readonly from: number; readonly to: number; readonly items: number; value: Buffer } {
    this.#endRun(this.#to);
    const builder = this.#builder ?? new BlockBuilder("");
    const [from, to, items] = [this.#from, this.#to, this.#items];
    return { from, to, items, value: builder.finish(from) };
  }

  #add(from: number, to: number, event: Event | undefined): void {
    const run = this.#run;
    if (run?.summary.takes(event)) return run.summary.add(event, to - from + 1);
    this.#endRun(from - 1);
    const summary = this.#newSummary();
    if (summary.takes(event)) {
      summary.add(event, to - from + 1);
      this.#run = { summary, from, bootMs: event?.bootMs ?? 0 };
    } else if (event !== undefined) {
      this.#items++;
      this.#builder?.add(event, to - from + 1);
    }
  }

  #endRun(to: number): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    this.#items++;
    this.#fresh += run.summary.fresh;
    this.#builder?.add(run.summary.finish(to, run.bootMs), to - run.from + 1);
  }
}

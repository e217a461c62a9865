/**
 * Which events come after what is behind them. An event is late when an epoch that was met on live
 * has it behind it, by the predecessors that batches name; where those are unknown, by the ordinal.
 */
import type { BatchHead } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";

type Before = NonNullable<BatchHead["before"]>;

export class Lateness {
  readonly #before: Map<string, Before | undefined>;
  readonly #live: Set<string>;
  /** Positions up to these are late, by epoch. */
  readonly #limits = new Map<string, Readonly<Record<Log, number>>>();

  constructor(from?: Lateness) {
    this.#before = new Map(from === undefined ? [] : from.#before);
    this.#live = new Set(from === undefined ? [] : from.#live);
  }

  meet({ epoch, before }: Pick<BatchHead, "epoch" | "before">, isLive: boolean): void {
    if (this.#before.has(epoch) && (!isLive || this.#live.has(epoch))) return;
    if (!this.#before.has(epoch)) this.#before.set(epoch, before);
    if (isLive) this.#live.add(epoch);
    this.#limits.clear();
  }

  isLate(epoch: string, log: Log, position: number): boolean {
    const known = this.#limits.get(epoch) ?? this.#limitsOf(epoch);
    this.#limits.set(epoch, known);
    return position <= known[log];
  }

  #limitsOf(epoch: string): Readonly<Record<Log, number>> {
    const limits = { telemetry: 0, priority: 0 };
    for (const head of this.#live) {
      const { telemetry, priority } = this.#behind(head, epoch);
      limits.telemetry = Math.max(limits.telemetry, telemetry);
      limits.priority = Math.max(limits.priority, priority);
    }
    return limits;
  }

  /** The ends by which the chain of predecessors of `head` names `epoch`. */
  #behind(head: string, epoch: string): Readonly<Record<Log, number>> {
    for (let at = head; ordinalOf(at) > ordinalOf(epoch); ) {
      if (!this.#before.has(at)) return everything;
      const before = this.#before.get(at);
      if (before === undefined || ordinalOf(before.epoch) >= ordinalOf(at)) break;
      if (before.epoch === epoch) return before.ends;
      at = before.epoch;
    }
    return nothing;
  }
}

const nothing = { telemetry: 0, priority: 0 };
const everything = {
  telemetry: Number.POSITIVE_INFINITY,
  priority: Number.POSITIVE_INFINITY,
};

function ordinalOf(epoch: string): number {
  return Number.parseInt(epoch, 10);
}

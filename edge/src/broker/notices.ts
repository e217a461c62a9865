/** Bounds what the broker tells: a hostile client could fill the outbox else. */
import type { BrokerNotice } from "./broker.ts";

const everyMs = 60_000;
const originsMax = 1_000;

export class Notices {
  readonly #toldAt = new Map<string, number>();

  /** Whether it may be told now: one per origin and kind a minute. */
  isDue(from: string, { name }: BrokerNotice, nowMs: number): boolean {
    const key = `${name} ${from.replace(/:[0-9]+$/, "")}`;
    const last = this.#toldAt.get(key);
    if (last !== undefined && nowMs - last < everyMs) return false;
    if (this.#toldAt.size >= originsMax) this.#toldAt.clear();
    this.#toldAt.set(key, nowMs);
    return true;
  }
}

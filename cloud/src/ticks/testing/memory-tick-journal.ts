/** Subject `clk` in memory, for tests; it can be out of order and be put back. */
import type { Tick } from "../tick.ts";
import type { JournalTick, TickJournal } from "../ticker.ts";

export class MemoryTickJournal implements TickJournal {
  readonly ticks: JournalTick[] = [];
  /** Every request is answered with this failure. */
  failure: string | undefined;

  async last(): Promise<JournalTick | undefined> {
    this.#check();
    return this.ticks.at(-1);
  }

  async append(tick: Tick, nonce: string, expectedLast: number): Promise<JournalTick | undefined> {
    this.#check();
    if ((this.ticks.at(-1)?.sequence ?? 0) !== expectedLast) return undefined;
    const sequence = expectedLast + 1;
    const stored = { tick, sequence, identity: `${sequence} ${nonce}` };
    this.ticks.push(stored);
    return stored;
  }

  #check(): void {
    if (this.failure !== undefined) throw new Error(this.failure);
  }
}

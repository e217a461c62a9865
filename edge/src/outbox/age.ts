/** How old blocks are, as far as the clocks of their boots can be compared. */
import type { Clock } from "@causeway/shared/clock.ts";
import { blockStamp } from "./layout.ts";

export class Ages {
  readonly #clock: Clock;
  readonly #offsets: Pick<ReadonlyMap<string, number>, "get">;

  constructor(clock: Clock, offsets: Pick<ReadonlyMap<string, number>, "get">) {
    this.#clock = clock;
    this.#offsets = offsets;
  }

  /** Undefined where it is of another boot, and the clock was not set then or is not now. */
  of(block: Uint8Array): number | undefined {
    const stamp = blockStamp(block);
    if (stamp === undefined) return undefined;
    const { bootId } = this.#clock;
    const bootMs = this.#clock.bootMs();
    if (stamp.bootId === bootId) return bootMs - stamp.bootMs;
    const [own, other] = [this.#offsets.get(bootId), this.#offsets.get(stamp.bootId)];
    if (own === undefined || other === undefined) return undefined;
    return bootMs + own - (stamp.bootMs + other);
  }
}

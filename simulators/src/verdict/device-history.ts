/** What became of one device's sequence numbers. */
import { NumberRanges } from "./number-ranges.ts";

const chunkSize = 1_024;

/** Memory: some 8 bytes an acknowledged publish, and ranges, which are few when little is wrong. */
export class DeviceHistory {
  readonly acked = new NumberRanges();
  readonly taken = new NumberRanges();
  /** Copies beyond the first, where there are any. */
  readonly copies = new Map<number, number>();
  /** How often the client may have sent it again, where it may. */
  readonly resends = new Map<number, number>();
  readonly #ackedAt = new Map<number, Float64Array>();
  readonly #orders = new Map<string, LogOrder>();

  setAckedAt(seq: number, ackedAt: number): void {
    const key = Math.floor(seq / chunkSize);
    let chunk = this.#ackedAt.get(key);
    if (chunk === undefined) {
      chunk = new Float64Array(chunkSize).fill(Number.NaN);
      this.#ackedAt.set(key, chunk);
    }
    chunk[seq % chunkSize] = ackedAt;
  }

  /** ms since 1970; NaN where it is not known. */
  ackedAt(seq: number): number {
    return this.#ackedAt.get(Math.floor(seq / chunkSize))?.[seq % chunkSize] ?? Number.NaN;
  }

  /** Order is promised within one log of one gateway. */
  orderOf(gateway: string, log: string): LogOrder {
    const key = `${gateway}/${log}`;
    let order = this.#orders.get(key);
    if (order === undefined) {
      order = new LogOrder();
      this.#orders.set(key, order);
    }
    return order;
  }
}

interface Placed {
  /** Came after an event of a newer epoch: the gateway went live first and caught up later. */
  readonly older: boolean;
  /** The sequence number that should have come after this one, where order is broken. */
  readonly after: number | undefined;
}

/** Sequence numbers rise within an epoch, and over epochs unless the epoch is an older one. */
class LogOrder {
  readonly #highest = new Map<string, number>();
  #newestOrdinal = 0;
  #highestOfAll = 0;

  place(epoch: string, ordinal: number, seq: number): Placed {
    const older = ordinal < this.#newestOrdinal;
    const highest = this.#highest.get(epoch) ?? 0;
    const bound = older ? highest : this.#highestOfAll;
    this.#highest.set(epoch, Math.max(highest, seq));
    this.#newestOrdinal = Math.max(this.#newestOrdinal, ordinal);
    this.#highestOfAll = Math.max(this.#highestOfAll, seq);
    return { older, after: seq < bound ? bound : undefined };
  }
}

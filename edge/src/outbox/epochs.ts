/** The epochs of an outbox, oldest first: which one appends go to, and how one ends (O3, O4). */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { epochId } from "@causeway/shared/batch-codec.ts";
import { crc32c } from "@causeway/shared/checksum.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { Epoch } from "./epoch.ts";
import { epochChange, newEpoch } from "./epoch.ts";
import { blockKey, epochKey, logRange } from "./layout.ts";
import type { Change, Store } from "./store.ts";

/** So many blocks that were not acknowledged are taken away with an epoch's end. */
const failedBlocksMax = 1_000;

export class Epochs {
  readonly #clock: Clock;
  readonly #random: Random;
  #epochs: Epoch[];
  /** The highest ordinal ever used here, also by an epoch that was given up unwritten. */
  #ordinal: number;
  /** Closed, and it is not yet synced how. */
  readonly #toBeStated = new Set<Epoch>();

  constructor(clock: Clock, random: Random, found: Epoch[]) {
    this.#clock = clock;
    this.#random = random;
    this.#epochs = found;
    this.#ordinal = found.at(-1)?.record.ordinal ?? 0;
  }

  get all(): Epoch[] {
    return this.#epochs;
  }

  get current(): Epoch {
    return this.#epochs.at(-1) as Epoch;
  }

  find(id: EpochId): Epoch | undefined {
    return this.#epochs.findLast((epoch) => epoch.record.id === id);
  }

  /** In memory; its record goes with the first append. */
  begin(): void {
    const last = this.#epochs.at(-1);
    const ordinal = ++this.#ordinal;
    const ends = last?.record.ends;
    const before =
      last === undefined || ends === undefined ? undefined : { epoch: last.record.id, ends };
    // Images of one process draw the same random digits, though not in the same millisecond.
    const drawn = Buffer.from(`${this.#random.hex(8)} ${this.#clock.wallMs()}`);
    const id = epochId(ordinal, crc32c(drawn).toString(16).padStart(8, "0"));
    this.#epochs.push(newEpoch({ id, ordinal, before, ends: undefined }, false));
  }

  /** O8: ends the current one by what was acknowledged, and begins the next; nothing may be under way. */
  leave(): void {
    const left = this.current;
    if (left.written) {
      left.record = { ...left.record, ends: { ...left.last } };
      this.#toBeStated.add(left);
    } else this.#epochs.pop();
    this.begin();
  }

  /** How closed epochs ended, for the next synced write. */
  statements(): Change[] {
    return [...this.#toBeStated].map(({ record }) => epochChange(record));
  }

  /** The write with the statements was synced. */
  stated(): void {
    this.#toBeStated.clear();
  }

  /**
   * O5: ends the current one in the reopened store by what was acknowledged, in one write with
   * `others`, and takes the failed bytes away (O4). One whose first write failed never was; its
   * ordinal is not used again, for its blocks may yet be there.
   */
  async closeCurrent(store: Store, others: readonly Change[]): Promise<void> {
    const epoch = this.current;
    const { ordinal } = epoch.record;
    const closed = { ...epoch.record, ends: { ...epoch.last } };
    const changes: Change[] = [
      ...this.statements(),
      epoch.written ? epochChange(closed) : { kind: "delete", key: epochKey(ordinal) },
    ];
    for (const log of logs) {
      const from = blockKey(log, ordinal, epoch.last[log] + 1);
      const { until } = logRange(log, ordinal);
      const beyond = await store.scan({ from, until, countMax: failedBlocksMax });
      for (const [key] of beyond) changes.push({ kind: "delete", key });
    }
    await store.write([...changes, ...others], { sync: true });
    this.stated();
    if (epoch.written) epoch.record = closed;
    else this.#epochs.pop();
  }
}

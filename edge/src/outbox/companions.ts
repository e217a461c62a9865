/**
 * Records that others keep in the outbox's store. They go with its groups: one sync serves all.
 *
 *   C1  What goes with an append is written with it, or not at all.
 *   C2  The bytes of a failed write may yet appear. The write that opens the store again puts their
 *       keys right, as the keepers know them; until then nothing is acknowledged.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { CodedError } from "@causeway/shared/errors.ts";
import type { Settle } from "./outbox.ts";
import type { Change, Entry, Range } from "./store.ts";

/** What goes to the disk with an append; asked when the append has its place in a group. */
export interface Companion {
  join(): readonly Change[];
}

export interface Keeper {
  /** What else goes with the group that is about to be written. */
  seal(): readonly Change[];
  /** Makes those of the keys that are its own say again what it knows. */
  restore(keys: readonly Uint8Array[]): readonly Change[];
  /** What was sealed is on the disk; or it may be, and neither it nor what came since is acknowledged. */
  wrote?(isDurable: boolean): void;
}

export interface Records {
  keep(keeper: Keeper): void;
  scan(range: Range): Promise<readonly Entry[]>;
  /**
   * Written in the order of the calls, with the group that gathers. Without `settle` nobody waits:
   * it goes with the next group, or alone a second later.
   */
  write(changes: readonly Change[], settle?: Settle): void;
}

interface Parts {
  readonly clock: Clock;
  readonly scan: (range: Range) => Promise<readonly Entry[]>;
  /** Why the store takes nothing now. */
  readonly refusal: () => CodedError | undefined;
  /** Settles with the group that gathers, which is written soon. */
  readonly settleWithGroup: (settle: Settle) => void;
}

const laterMs = 1_000;

export class Companions implements Records {
  readonly #parts: Parts;
  readonly #keepers: Keeper[] = [];
  #gathering: Change[] = [];
  #inFlight: readonly Change[] = [];
  /** By their text; what lies under them is not known. */
  readonly #unsure = new Map<string, Uint8Array>();
  #later: Cancel | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  keep(keeper: Keeper): void {
    this.#keepers.push(keeper);
  }

  scan(range: Range): Promise<readonly Entry[]> {
    return this.#parts.scan(range);
  }

  write(changes: readonly Change[], settle?: Settle): void {
    const refusal = this.#parts.refusal();
    if (refusal !== undefined) {
      this.#doubt(changes);
      return settle?.(refusal);
    }
    this.#gathering.push(...changes);
    if (settle !== undefined) return this.#parts.settleWithGroup(settle);
    this.#later ??= this.#parts.clock.after(laterMs, () => {
      this.#later = undefined;
      if (this.#gathering.length > 0) this.write([], () => {});
    });
  }

  /** The bytes that go with an append. */
  join(companion: Companion): number {
    let bytes = 0;
    for (const change of companion.join()) {
      this.#gathering.push(change);
      bytes += change.kind === "put" ? change.value.length : 0;
    }
    return bytes;
  }

  /** For the group that is about to be written. */
  take(): readonly Change[] {
    const taken = this.#gathering;
    this.#gathering = [];
    for (const keeper of this.#keepers) taken.push(...keeper.seal());
    this.#inFlight = taken;
    return taken;
  }

  written(): void {
    for (const keeper of this.#keepers) keeper.wrote?.(true);
  }

  failed(): void {
    for (const keeper of this.#keepers) keeper.wrote?.(false);
    this.#doubt([...this.#inFlight, ...this.#gathering]);
    this.#inFlight = [];
    this.#gathering = [];
  }

  /** C2; what it answers is unsure itself until `restored`. */
  restore(): readonly Change[] {
    const keys = [...this.#unsure.values()];
    const changes = this.#keepers.flatMap((keeper) => keeper.restore(keys));
    this.#doubt(changes);
    return changes;
  }

  restored(): void {
    this.#unsure.clear();
  }

  close(): void {
    this.#later?.();
  }

  #doubt(changes: readonly Change[]): void {
    for (const { key } of changes) this.#unsure.set(Buffer.from(key).toString("latin1"), key);
  }
}

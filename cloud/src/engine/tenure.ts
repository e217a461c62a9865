/**
 * One span between two take-overs: the partitions that this engine holds, and how far it has read.
 * Others may join it, and some of it may go, while it lasts.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { EngineStore } from "./engine-store.ts";
import type { Place } from "./place.ts";
import { joinPlaces, withPlace } from "./place.ts";
import type { Held, TakenOver } from "./take-over.ts";

/** Journal messages taken since the last commit began; at the bound reading waits for the commit. */
const uncommittedMessagesMax = 1_000;

export class Tenure {
  readonly #held: Map<number, Held>;
  readonly #ended = new AbortController();
  #fault: unknown;
  /** The store's session in which the checkpoints were found to be this engine's own (E5). */
  session: number;
  #last: Place | undefined;
  #next: number;
  /** The message that is being worked off over several commits. */
  partial: Place | undefined;
  #places: readonly Place[];
  /** With something to commit. */
  readonly dirty = new Set<Held>();
  /** With shards of older generations to delete. */
  readonly stale = new Set<Held>();
  uncommitted = 0;

  constructor({ held, places, session }: TakenOver) {
    this.#held = new Map(held);
    this.#places = places;
    this.#next = firstOf(held);
    this.session = session;
  }

  get held(): ReadonlyMap<number, Held> {
    return this.#held;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get fault(): unknown {
    return this.#fault;
  }

  /** E2. */
  end(fault: unknown): void {
    this.#fault ??= fault;
    this.#ended.abort();
  }

  /** The journal message worked off last; undefined before the first since others joined. */
  get last(): Place | undefined {
    return this.#last;
  }

  /** The journal's first message that is not worked off by all. */
  get next(): number {
    return this.#next;
  }

  /** Behind the last, older ones by which the journal is known again. */
  get places(): readonly Place[] {
    return this.#places;
  }

  pass(message: JournalMessage): void {
    this.#last = placeOf(message);
    this.#next = message.sequence + 1;
    this.partial = undefined;
  }

  /** To be called before the last place is written down. */
  keepPlace(): void {
    if (this.#last !== undefined) this.#places = withPlace(this.#places, this.#last);
  }

  /** So much is not committed that reading waits for the commit. */
  get isFull(): boolean {
    if (this.uncommitted >= uncommittedMessagesMax) return true;
    for (const { partition } of this.dirty) if (partition.isFull) return true;
    return false;
  }

  /** E9. Where they are behind, the reading goes back; the others know what they have seen. */
  join({ held, places }: TakenOver): void {
    this.keepPlace();
    for (const [number, own] of held) this.#held.set(number, own);
    this.#places = joinPlaces([this.#places, places]);
    this.#next = Math.min(this.#next, firstOf(held));
    this.#last = undefined;
  }

  drop(held: Held): void {
    this.#held.delete(held.partition.number);
    this.dirty.delete(held);
    this.stale.delete(held);
  }

  /**
   * E5, E9. The partitions that another engine took over, by what is committed. Throws
   * ENGINE_ROLLED_BACK where a checkpoint is another one and nobody's, and ENGINE_FENCED where they
   * are all gone, or where there are no leases by which one of them would come back.
   */
  async fenced(store: EngineStore, isShared: boolean): Promise<readonly Held[]> {
    const asked = [...this.#held.values()];
    const found = await store.loadCheckpoints([...this.#held.keys()]);
    const others = asked.filter(({ partition: { number }, checkpoint, lastSequence }) => {
      const own = found.get(number);
      return own?.lastSequence !== lastSequence || own.checkpoint.nonce !== checkpoint.nonce;
    });
    const fenced = others.filter(({ partition: { number }, checkpoint }) => {
      return (found.get(number)?.checkpoint.fence ?? 0) > checkpoint.fence;
    });
    const other = others.find((held) => !fenced.includes(held)) ?? others[0];
    const what = `checkpoint ${other?.partition.number} is not the one that was written last`;
    if (fenced.length < others.length) throw new CodedError("ENGINE_ROLLED_BACK", what);
    if (fenced.length > 0 && (fenced.length === asked.length || !isShared))
      throw new CodedError("ENGINE_FENCED", what);
    return fenced;
  }
}

export function placeOf({ sequence, subject, header }: JournalMessage): Place {
  return { sequence, identity: { subject, nonce: header("Cw-Nonce") } };
}

/** Behind the oldest of their snapshots. */
function firstOf(held: ReadonlyMap<number, Held>): number {
  return Math.min(...[...held.values()].map(({ snapshotSequence }) => snapshotSequence)) + 1;
}

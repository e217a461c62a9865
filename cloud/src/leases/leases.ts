/**
 * The leases of this process: it beats, looks who else does, claims its share and gives up what is
 * beyond it. A lease says who should do a thing, so that two do not; that a thing has its effect once
 * is the promise of the fence, or of the compare and set, of each who holds one.
 *
 *   W1  What is held counts as held until the table says otherwise, also while no answer comes: the
 *       fence makes that harmless, and letting go whenever a server restarts would not be.
 *   W2  Nothing is begun on the word of an old table: `isFresh` says that it was read just now. A
 *       process that was stopped for a while looks first.
 *   W3  What is beyond the share is no longer wanted, and is released once its user has done with it.
 *   W4  Who leaves is gone at once, with all that it held.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { LeaseStore, Worker } from "./lease-store.ts";
import type { Holders, LeaseGroup, Member } from "./lease-table.ts";
import {
  claimable,
  decodeHolders,
  encodeHolders,
  heldBy,
  leaseName,
  surplus,
  withHolder,
  without,
} from "./lease-table.ts";
import { Sightings } from "./sightings.ts";

/** The leases of one group, as their user sees them. */
export interface GroupLeases {
  /** Of those that are held: what should be done here. */
  wanted(): ReadonlySet<number>;
  /** W2. */
  isFresh(): boolean;
  /** W3. What the user works with now, to be asked before anything is released. */
  inUse(ask: () => ReadonlySet<number>): void;
  /** Something is no longer in use: others may have it at once. */
  done(): void;
  /** Calls `act` whenever others are wanted. */
  onChange(act: () => void): Cancel;
}

export interface LeasesParts {
  readonly store: LeaseStore;
  readonly self: Worker;
  readonly groups: readonly LeaseGroup[];
  /** Whether a worker's process is known to have ended; that one is not waited for. */
  readonly isGone?: (worker: Worker) => boolean;
  /** After a round that failed: makes the store where a server has lost it, for nobody else would. */
  readonly prepare?: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface LeasesStatus {
  /** Workers that are alive, this one among them. */
  readonly workers: number;
  readonly held: ReadonlyMap<string, number>;
  /** Why the last round was not finished. */
  readonly fault: string | undefined;
}

/** One that was not heard for so long has lost its leases. */
export const leaseMs = 3_000;
const beatMs = 1_000;
const freshMs = 2 * beatMs;
const writeTriesMax = 5;

interface Group {
  readonly group: LeaseGroup;
  wanted: ReadonlySet<number>;
  inUse: () => ReadonlySet<number>;
  readonly listeners: Set<() => void>;
}

export class Leases {
  readonly #parts: LeasesParts;
  readonly #groups: readonly Group[];
  readonly #sightings = new Sightings(leaseMs, freshMs);
  readonly #stopping = new AbortController();
  #wake = () => {};
  #running: Promise<void> = Promise.resolve();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #workers = 0;
  #fault: string | undefined;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
    const own = parts.groups.filter(({ name }) => parts.self.groups.includes(name));
    this.#groups = own.map((group) => {
      return { group, wanted: new Set(), inUse: () => new Set(), listeners: new Set() };
    });
  }

  /** Waits for nothing. */
  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  /** W4. To be called once nothing is done any more that it holds. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
    try {
      await this.#change((holders) =>
        without(holders, [...holders.keys()], this.#parts.self.worker),
      );
      await this.#parts.store.leave(this.#parts.self.worker);
    } catch (failure) {
      this.#parts.log.debug({ reason: reasonOf(failure) }, "others find out that this one is gone");
    }
  }

  status(): LeasesStatus {
    const held = new Map(this.#groups.map(({ group, wanted }) => [group.name, wanted.size]));
    return { workers: this.#workers, held, fault: this.#fault };
  }

  of(name: string): GroupLeases {
    const own = this.#groups.find(({ group }) => group.name === name);
    if (own === undefined) throw new Error(`this worker takes no lease of ${name}`);
    return {
      wanted: () => own.wanted,
      isFresh: () => this.#parts.clock.bootMs() - this.#readAtMs < freshMs,
      inUse: (ask) => {
        own.inUse = ask;
      },
      done: () => this.#wake(),
      onChange: (act) => {
        own.listeners.add(act);
        return () => own.listeners.delete(act);
      },
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      const pause = new AbortController();
      this.#wake = () => pause.abort();
      try {
        if (this.#fault !== undefined) await this.#parts.prepare?.();
        await this.#round();
        if (this.#fault !== undefined) log.info({}, "leases are looked after again");
        this.#fault = undefined;
      } catch (failure) {
        const reason = reasonOf(failure);
        if (this.#fault === undefined) log.warn({ reason }, "leases cannot be looked after");
        this.#fault = reason;
      }
      if (signal.aborted) return;
      await sleep(clock, beatMs, pause.signal);
    }
  }

  async #round(): Promise<void> {
    const { store, self, clock } = this.#parts;
    await store.beat(self);
    const askedAtMs = clock.bootMs();
    const members = await this.#alive();
    const holders = await this.#change((found) => this.#settled(found, members));
    this.#readAtMs = askedAtMs;
    this.#workers = members.length;
    for (const own of this.#groups) this.#want(own, members, holders);
  }

  async #alive(): Promise<readonly Member[]> {
    const { store, self, clock, isGone = () => false } = this.#parts;
    const workers = await store.workers();
    const alive = this.#sightings.look(workers, clock.bootMs());
    return workers.filter(
      (other) => other.worker === self.worker || (alive.has(other.worker) && !isGone(other)),
    );
  }

  /** What the table should be, as far as it is up to this worker. */
  #settled(found: Holders, members: readonly Member[]): Holders {
    const { worker } = this.#parts.self;
    let holders = found;
    for (const { group, inUse } of this.#groups) {
      const named = (numbers: readonly number[]) => numbers.map((n) => leaseName(group.name, n));
      const used = inUse();
      const beyond = surplus(group, members, holders, worker).filter((number) => !used.has(number));
      holders = without(holders, named(beyond), worker);
      holders = withHolder(holders, named(claimable(group, members, holders, worker)), worker);
    }
    return holders;
  }

  /** Writes what `change` makes of the table, where it makes another one. */
  async #change(change: (holders: Holders) => Holders): Promise<Holders> {
    const { store } = this.#parts;
    for (let attempt = 1; attempt <= writeTriesMax; attempt++) {
      const { text, revision } = await store.table();
      const changed = encodeHolders(change(text === undefined ? new Map() : decodeHolders(text)));
      if (changed === text || (await store.write(changed, revision))) return decodeHolders(changed);
    }
    throw new Error("others write the table of leases again and again");
  }

  /** W3. */
  #want(own: Group, members: readonly Member[], holders: Holders): void {
    const { worker } = this.#parts.self;
    const beyond = new Set(surplus(own.group, members, holders, worker));
    const held = heldBy(holders, own.group, worker);
    const wanted = new Set(held.filter((number) => !beyond.has(number)));
    const isSame = wanted.size === own.wanted.size && [...wanted].every((n) => own.wanted.has(n));
    own.wanted = wanted;
    if (!isSame) for (const act of own.listeners) act();
  }
}

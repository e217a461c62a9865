/**
 * A reader of the journal that is not to lose what it has not read: a historian, a route, a processor.
 *
 *   R1  It is registered before it reads; from then on nothing behind its place is purged.
 *   R2  Its place moves on only after what it read had its effect, committed: call `advance` then.
 *   R3  Where its place is not in the journal any more, it reads from its newest anchor that is, else
 *       from the first message; its own ledger finds the repeats. Its registered place goes back first.
 *   R4  Of two processes under one name the later one goes on, under a higher generation; the earlier
 *       one finds out at its next `advance`. A reader whose effects are kept elsewhere writes the
 *       generation with them and refuses a lower one.
 *   R5  A write that went unanswered is known again by its writer, and is no reason to end.
 *   R6  Only `causeway-cloud streams retire` removes it, and not while it runs: it would register
 *       itself again at its next start, and have lost what was purged meanwhile.
 */
import { assert } from "@causeway/shared/assert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Random } from "@causeway/shared/random.ts";

import type { MessageIdentity, Place } from "../engine/place.ts";
import { newestFound, withPlace } from "../engine/place.ts";
import type { ReaderState, ReaderStore } from "./reader-store.ts";
import { sequenceOf } from "./reader-store.ts";

export interface ReaderParts {
  readonly store: ReaderStore;
  /** From the journal's leader; undefined where there is none. */
  readonly messageAt: (sequence: number) => Promise<MessageIdentity | undefined>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ReaderName {
  readonly name: string;
  /** Shown to operators. */
  readonly kind: string;
}

const openTriesMax = 10;

export class RegisteredReader {
  readonly #parts: ReaderParts;
  readonly #name: string;
  #state: ReaderState;
  #revision: number;

  private constructor(parts: ReaderParts, name: string, state: ReaderState, revision: number) {
    this.#parts = parts;
    this.#name = name;
    this.#state = state;
    this.#revision = revision;
  }

  /**
   * Registers it, or takes it over. `own` are the places that the reader keeps with its effects, the
   * newest first; where it keeps none, the registered ones count. Rejects while JetStream is away.
   */
  static async open(
    parts: ReaderParts,
    { name, kind }: ReaderName,
    own?: readonly Place[],
  ): Promise<RegisteredReader> {
    const writer = parts.random.hex(16);
    for (let attempt = 1; attempt <= openTriesMax; attempt++) {
      const found = await parts.store.load(name);
      const known = own ?? found?.state?.places ?? [];
      const place = await newestFound(known, parts.messageAt);
      const state: ReaderState = {
        places: place === undefined ? [] : known.slice(known.indexOf(place)),
        at: parts.clock.wallMs(),
        kind,
        generation: (found?.state?.generation ?? 0) + 1,
        writer,
      };
      const outcome = await parts.store.write(name, state, found?.revision ?? 0);
      if (outcome.kind === "written")
        return new RegisteredReader(parts, name, state, outcome.revision);
    }
    throw taken(name, "others take it over again and again");
  }

  /** The first message wanted; the journal may begin later. */
  get from(): number {
    return sequenceOf(this.#state) + 1;
  }

  /** R4. */
  get generation(): number {
    return this.#state.generation;
  }

  /** R2. Also due once a minute where nothing was for this reader, or it holds the journal back. */
  async advance(place: Place): Promise<void> {
    assert(place.sequence >= sequenceOf(this.#state), "a reader's place does not go back");
    const { places } = this.#state;
    const state = {
      ...this.#state,
      places: withPlace(places, place),
      at: this.#parts.clock.wallMs(),
    };
    const { store } = this.#parts;
    let outcome = await store.write(this.#name, state, this.#revision);
    if (outcome.kind === "refused") {
      outcome = await store.write(this.#name, state, await this.#ownRevision());
    }
    if (outcome.kind === "refused") throw taken(this.#name, "another process writes it");
    this.#state = state;
    this.#revision = outcome.revision;
  }

  /** R5. */
  async #ownRevision(): Promise<number> {
    const found = await this.#parts.store.load(this.#name);
    if (found === undefined) throw taken(this.#name, "it was retired");
    const { generation, writer } = this.#state;
    if (found.state?.writer !== writer || found.state.generation !== generation) {
      throw taken(this.#name, `another process took it over: ${found.state?.generation}`);
    }
    return found.revision;
  }
}

function taken(name: string, why: string): CodedError {
  return new CodedError("READER_TAKEN", `reader ${name}: ${why}`);
}

/** A reader that wrote its place within this time is running. */
const runningMs = 120_000;

/** R6. Without `now` it goes in any case. Throws READER_NAME_UNKNOWN or READER_RUNNING. */
export async function retireReader(
  store: ReaderStore,
  name: string,
  now: number | undefined,
): Promise<void> {
  const found = await store.load(name);
  if (found === undefined) {
    const known = (await store.list()).map((reader) => reader.name).join(", ") || "none";
    throw new CodedError("READER_NAME_UNKNOWN", `${name}; registered are: ${known}`);
  }
  const ageMs = now === undefined ? runningMs : now - (found.state?.at ?? 0);
  if (ageMs < runningMs) {
    const what = `${name} wrote its place ${Math.round(ageMs / 1_000)} s ago`;
    throw new CodedError("READER_RUNNING", `${what}; stop it first, or add --force`);
  }
  await store.remove(name);
}

/**
 * Keeps the journal from filling: purges what nobody needs, slows gateways down where that is not
 * enough, and tells people.
 *
 *   G1  One process purges and tells: that which has the lease, or, where there are none, whose engine
 *       holds all partitions: the checkpoints, read from the leader in this round, carry its fences.
 *       One that lost it and does not know it yet changes nothing by this either: all that it reads is
 *       committed and true, and a floor of true places only grows. Each looks after its own engine.
 *   G2  Every place is compared with the journal in this round and on this session (holds.ts), so a
 *       rollback of journal, checkpoints or readers before the round lowers the floor. One after it
 *       ends the session: it never dials again, so no purge reaches a server that was put back.
 *   G3  Purging comes first; gateways are slowed down and people are told only where the journal is
 *       still pressed after it.
 *   G4  Pressed from 85 % on, relieved below 75 %; between the two what was before goes on, over a
 *       restart too, where the marks remember.
 */

import type { Finding } from "@causeway/shared/alert/deployment-alert.ts";
import { assert } from "@causeway/shared/assert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { partitionCount } from "@causeway/shared/subjects.ts";
import type { Checkpoint } from "../engine/checkpoint.ts";
import type { Floor, StreamState } from "./floor.ts";
import { floorWith, hardFloor, isPressed, percentOf, reliefSequence } from "./floor.ts";
import { holdsOf } from "./holds.ts";
import type { JournalSession } from "./journal-session.ts";
import type { StoredReader } from "./reader-store.ts";
import { sequenceOf } from "./reader-store.ts";
import { firstSince } from "./stored-time.ts";

/** The engine of this process, as far as the journal's room goes. */
export interface RetainingEngine {
  /** The fence of each partition that it holds; undefined where it holds none. */
  holding(): ReadonlyMap<number, number> | undefined;
  /** Written into every mark; undefined lets gateways send freely. */
  setCap(bytesPerSecond: number | undefined): void;
  /** Moves idle partitions' places on sooner, since they hold the journal back. */
  hurry(isPressed: boolean): void;
}

export interface RetentionParts {
  readonly open: () => Promise<JournalSession>;
  readonly engine: RetainingEngine;
  /** G1. Undefined where there are no leases. */
  readonly mayPurge?: (() => boolean) | undefined;
  readonly tell: (finding: Finding) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly replayMs: number;
  readonly slowDownBytesPerSecond: number;
}

export interface ReaderLag {
  readonly name: string;
  readonly messages: number;
}

export interface RetentionStatus {
  readonly journal: StreamState | undefined;
  readonly engine: StreamState | undefined;
  readonly floor: Floor | undefined;
  readonly readers: readonly ReaderLag[];
  readonly purges: number;
  readonly purgedMessages: number;
  /** In force, in bytes per second. */
  readonly cap: number | undefined;
  /** Why the last round was not finished. */
  readonly fault: string | undefined;
}

const lookEveryMs = 2_000;
const purgeEveryMs = 60_000;
const tellEveryMs = 60_000;

export class Retention {
  readonly #parts: RetentionParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #session: JournalSession | undefined;
  #journal: StreamState | undefined;
  #engine: StreamState | undefined;
  #floor: Floor | undefined;
  #readers: readonly ReaderLag[] = [];
  #pressed: { journal: boolean | undefined; engine: boolean | undefined } = {
    journal: undefined,
    engine: undefined,
  };
  #purges = 0;
  #purgedMessages = 0;
  #purgeDueMs = Number.NEGATIVE_INFINITY;
  #told: { readonly isWrong: boolean; readonly atMs: number } | undefined;
  #replayHint = 0;
  #fault: string | undefined;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#endSession();
  }

  status(): RetentionStatus {
    return {
      journal: this.#journal,
      engine: this.#engine,
      floor: this.#floor,
      readers: this.#readers,
      purges: this.#purges,
      purgedMessages: this.#purgedMessages,
      cap: this.#pressed.journal === true ? this.#parts.slowDownBytesPerSecond : undefined,
      fault: this.#fault,
    };
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        this.#session ??= await this.#parts.open();
        await this.#round(this.#session);
        this.#fault = undefined;
      } catch (failure) {
        if (this.#fault === undefined)
          log.warn({ reason: reasonOf(failure) }, "the journal's room cannot be looked after");
        this.#fault = reasonOf(failure);
        await this.#endSession();
      }
      await sleep(clock, lookEveryMs, signal);
    }
  }

  async #endSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close().catch(() => {}); // it is of no use either way
  }

  /** G3. */
  async #round(session: JournalSession): Promise<void> {
    const { clock, engine } = this.#parts;
    this.#engine = await session.engine();
    let journal = await session.journal();
    const isUrgent = isPressed(journal, this.#pressed.journal) === true;
    const isOne = this.#parts.mayPurge?.() ?? true;
    if (isOne && (isUrgent || clock.bootMs() >= this.#purgeDueMs)) {
      if (await this.#purge(session, journal, isUrgent)) journal = await session.journal();
    }
    this.#journal = journal;
    const pressed = isPressed(journal, this.#pressed.journal);
    this.#pressed = { journal: pressed, engine: isPressed(this.#engine, this.#pressed.engine) };
    if (pressed !== undefined) {
      engine.hurry(pressed);
      engine.setCap(pressed ? this.#parts.slowDownBytesPerSecond : undefined);
    }
    if (isOne) await this.#tell();
  }

  /** Whether anything went. */
  async #purge(session: JournalSession, journal: StreamState, isUrgent: boolean): Promise<boolean> {
    const { clock, engine, log, mayPurge } = this.#parts;
    const fences = engine.holding();
    if (fences === undefined && mayPurge === undefined) return false;
    const checkpoints = await session.checkpoints();
    if (checkpoints.size !== partitionCount) return false;
    if (mayPurge === undefined && !isHeld(checkpoints, fences)) return false;
    const readers = await session.readers();
    this.#readers = readers.map((reader) => lagOf(reader, journal.last));
    const hard = hardFloor(await holdsOf(session, checkpoints, readers), journal);
    const floor = await this.#softened(session, hard, journal, isUrgent);
    this.#floor = floor;
    this.#purgeDueMs = clock.bootMs() + purgeEveryMs;
    if (floor.sequence <= journal.first) return false;
    assert(floor.sequence <= journal.last, "a purge ends at the journal's last message");
    await session.purge(floor.sequence);
    this.#purges++;
    this.#purgedMessages += floor.sequence - journal.first;
    log.info({ from: journal.first, to: floor.sequence - 1 }, "the journal was purged");
    return true;
  }

  /** The wanted replay time, which gives way where room is needed. */
  async #softened(
    session: JournalSession,
    hard: Floor,
    journal: StreamState,
    isUrgent: boolean,
  ): Promise<Floor> {
    const { first } = journal;
    if (hard.sequence <= first) return hard;
    const since = (await this.#now(session, journal)) - this.#parts.replayMs;
    const storedAt = async (sequence: number) => (await session.messageAt(sequence))?.storedAt;
    const search = { first, last: hard.sequence, since, hint: this.#replayHint };
    const replay = await firstSince(storedAt, search);
    this.#replayHint = replay - 1;
    return floorWith(hard, replay, isUrgent ? reliefSequence(journal) : first);
  }

  /** By the server's clock too: one of ours that is ahead must not shorten the replay time. */
  async #now(session: JournalSession, { last }: StreamState): Promise<number> {
    const newest = await session.messageAt(last);
    return Math.min(this.#parts.clock.wallMs(), newest?.storedAt ?? Number.POSITIVE_INFINITY);
  }

  async #tell(): Promise<void> {
    const { clock } = this.#parts;
    const { journal, engine } = this.#pressed;
    if (journal === undefined || engine === undefined) return;
    const isWrong = journal || engine;
    const told = this.#told;
    const isDue = told === undefined || clock.bootMs() >= told.atMs + tellEveryMs;
    if (told?.isWrong === isWrong && !isDue) return;
    const reason = this.#reasonOf(journal, engine);
    const finding = { rule: "system-stream-filling", isWrong, reason, at: clock.wallMs() } as const;
    await this.#parts.tell(finding);
    this.#told = { isWrong, atMs: clock.bootMs() };
  }

  #reasonOf(journal: boolean, engine: boolean): string {
    const [own, other] = [this.#journal, this.#engine];
    const parts = [
      ...(journal && own !== undefined
        ? [`stream TLM is ${Math.floor(percentOf(own))} % full, held back by ${this.#heldBy()}`]
        : []),
      ...(engine && other !== undefined
        ? [`stream ENGINE is ${Math.floor(percentOf(other))} % full`]
        : []),
    ];
    return parts.length > 0 ? parts.join("; ") : "the streams have room again";
  }

  #heldBy(): string {
    return this.#floor?.heldBy ?? "an engine that is not running";
  }
}

/** G1. */
function isHeld(
  checkpoints: ReadonlyMap<number, Checkpoint>,
  fences: ReadonlyMap<number, number> | undefined,
): boolean {
  if (fences?.size !== partitionCount) return false;
  return [...checkpoints].every(([partition, { fence }]) => fences.get(partition) === fence);
}

function lagOf({ name, state }: StoredReader, last: number): ReaderLag {
  return { name, messages: Math.max(0, last - (state === undefined ? 0 : sequenceOf(state))) };
}

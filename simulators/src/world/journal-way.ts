/** How a process of the cloud reaches the journal: requests take their time, and some go unanswered. */
import type { Checkpoint } from "@causeway/cloud/engine/checkpoint.ts";
import type { EngineStore } from "@causeway/cloud/engine/engine-store.ts";
import type { MessageIdentity } from "@causeway/cloud/engine/place.ts";
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import type { StreamState } from "@causeway/cloud/retention/floor.ts";
import type { JournalSession, StoredMessage } from "@causeway/cloud/retention/journal-session.ts";
import type { ReaderState, ReaderStore } from "@causeway/cloud/retention/reader-store.ts";
import { decodeTick, encodeTick } from "@causeway/cloud/ticks/tick.ts";
import type { JournalTick, TickJournal } from "@causeway/cloud/ticks/ticker.ts";
import { clockSubject, partitionCount } from "@causeway/shared/subjects.ts";
import type { Dice } from "./faults.ts";
import type { MemoryEngineStream } from "./memory-engine-stream.ts";
import type { MemoryJournal, Publication } from "./memory-journal.ts";
import type { ProcessClock } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";

export interface JournalWayParts {
  readonly timeline: Timeline;
  readonly clock: ProcessClock;
  readonly dice: Dice;
  readonly journal: MemoryJournal;
  readonly stream: MemoryEngineStream;
  readonly readers: ReaderStore;
  readonly store: EngineStore;
  readonly isServerUp: () => boolean;
  /** Deletes what is before the sequence. */
  readonly purge: (sequence: number) => void;
  readonly append: (publication: Publication) => JournalMessage;
}

export class JournalWay {
  readonly #parts: JournalWayParts;

  constructor(parts: JournalWayParts) {
    this.#parts = parts;
  }

  messageAt(sequence: number): Promise<MessageIdentity | undefined> {
    return this.ask(() => identityOf(this.#parts.journal.at(sequence)));
  }

  firstSequence(): Promise<number> {
    return this.ask(() => this.#parts.journal.first);
  }

  /** The bucket READERS. */
  readers(): ReaderStore {
    const { readers } = this.#parts;
    return {
      load: async (name) => await this.ask(() => readers.load(name)),
      list: async () => await this.ask(() => readers.list()),
      write: async (name: string, state: ReaderState, expected: number) =>
        await this.ask(() => readers.write(name, state, expected)),
      remove: async (name) => await this.ask(() => readers.remove(name)),
    };
  }

  /** Ends with the server's session, as a connection does. */
  async openSession(): Promise<JournalSession> {
    const { journal, stream, readers, store, purge } = this.#parts;
    const began = await this.ask(() => stream.session);
    let isClosed = false;
    const ask = async <Answer>(read: () => Answer): Promise<Answer> => {
      if (isClosed || stream.session !== began) throw new Error("the session ended");
      return this.ask(() => {
        if (stream.session !== began) throw new Error("the session ended");
        return read();
      });
    };
    return {
      journal: () => ask(() => journal.state()),
      engine: () => ask(() => engineState),
      messageAt: (sequence) => ask(() => storedMessage(journal.at(sequence))),
      checkpoints: async () => {
        const numbers = Array.from({ length: partitionCount }, (_, number) => number);
        const found = await store.loadCheckpoints(numbers);
        await ask(() => undefined);
        return new Map<number, Checkpoint>(
          [...found].map(([number, { checkpoint }]) => [number, checkpoint]),
        );
      },
      readers: async () => await ask(() => readers.list()),
      purge: (sequence) => ask(() => purge(sequence)),
      close: async () => {
        isClosed = true;
      },
    };
  }

  /** Subject `clk`. */
  ticks(): TickJournal {
    const { journal } = this.#parts;
    return {
      last: () => this.ask(() => tickIn(journal.lastOf(clockSubject))),
      append: (tick, nonce, expectedLast) =>
        this.ask(() => {
          if ((journal.lastOf(clockSubject)?.sequence ?? 0) !== expectedLast) return undefined;
          const data = Buffer.from(encodeTick(tick));
          if (!journal.hasRoomFor(data)) throw new Error("10077 maximum bytes exceeded");
          const headers = new Map([["Cw-Nonce", nonce]]);
          return tickIn(this.#parts.append({ subject: clockSubject, headers, data }));
        }),
    };
  }

  ask<Answer>(read: () => Answer): Promise<Answer> {
    const { timeline, clock, dice, isServerUp } = this.#parts;
    const fails = dice.hit("load-failed");
    return new Promise((resolve, reject) => {
      const cancel = clock.after(10_000, () => reject(new Error("timeout")));
      const answerWith = (act: () => void) => {
        clock.after(dice.between(1, 10), () => {
          cancel();
          act();
        });
      };
      timeline.after(dice.between(1, 10), () => {
        if (fails || !isServerUp()) return;
        try {
          const answer = read();
          answerWith(() => resolve(answer));
        } catch (failure) {
          answerWith(() => reject(failure));
        }
      });
    });
  }
}

function tickIn(found: JournalMessage | undefined): JournalTick | undefined {
  if (found === undefined) return undefined;
  const { sequence } = found;
  const tick = decodeTick(found.data);
  return tick && { sequence, tick, identity: `${sequence} ${found.header("Cw-Nonce")}` };
}

const engineState: StreamState = { first: 1, last: 1, messages: 1, bytes: 0, bytesMax: 1e9 };

function identityOf(found: JournalMessage | undefined): MessageIdentity | undefined {
  return found && { subject: found.subject, nonce: found.header("Cw-Nonce") };
}

function storedMessage(found: JournalMessage | undefined): StoredMessage | undefined {
  const identity = identityOf(found);
  return found && identity && { identity, storedAt: found.storedAt };
}

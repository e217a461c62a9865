/**
 * Fills the historian from the journal, folded by ledgers of its own that are kept with the rows.
 *
 *   K1  The journal's registered reader `history` moves on only after the rows were committed: nothing
 *       that the historian does not have is purged.
 *   K2  One process writes. Who is fenced off, or finds the reader taken over, stands by until its
 *       place has not moved for `standbyMs`.
 *   K3  Whatever interrupts, it begins again from what the historian holds. A store that failed is
 *       opened anew; while JetStream alone is away, the history answers.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { engineJournal } from "../engine/nats-engine-journal.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { JournalReader, loadCommitted } from "../ingest/journal-reader.ts";
import { readJournal } from "../ingest/nats-journal.ts";
import { checkAnswering } from "../notify/nats-answering.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { RegisteredReader } from "../retention/registered-reader.ts";
import type { Historian } from "./historian.ts";
import { HistoryIntake } from "./history-intake.ts";

export const historyReader = "history";

export interface HistoryFeedParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The open historian; throws HISTORY_LOCKED while another process has it. */
  readonly historian: () => Promise<Historian>;
  /** K3. */
  readonly failed: (historian: Historian) => Promise<void>;
  readonly standbyMs?: number;
}

export interface HistoryFeedStatus {
  readonly phase: "waiting" | "running" | "standing-by" | "stopped";
  /** Of the journal, the last message that was read. */
  readonly sequence: number;
  readonly rows: number;
  readonly losses: number;
  readonly writes: number;
  readonly interruptions: number;
  /** Why nothing is written just now; undefined while it is. */
  readonly waitingFor: string | undefined;
}

/** Then the journal waits; also what one transaction holds, but for its last message. */
const rowsAheadMax = 20_000;
const writeEveryMs = 250;
/** Where no readings came, only the place. */
const moveEveryMs = 20_000;
const standbyMsUsual = 60_000;
const workMsMax = 20;
const reopenSchedule = { firstMs: 200, maxMs: 10_000, factor: 2 };

export class NatsHistoryFeed {
  readonly #parts: HistoryFeedParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #status: HistoryFeedStatus = {
    ...{ phase: "waiting", sequence: 0, rows: 0, losses: 0, writes: 0, interruptions: 0 },
    waitingFor: "its first message",
  };
  #isDeposed = false;

  constructor(parts: HistoryFeedParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  /** Writes what was read. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#note({ phase: "stopped" });
  }

  status(): HistoryFeedStatus {
    return this.#status;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, log, connection } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        if (this.#isDeposed) await this.#standBy(signal);
        const historian = await this.#parts.historian();
        await checkAnswering(connection, clock, signal);
        if (signal.aborted) return;
        await this.#serve(historian, signal, () => {
          attempt = 1;
        }).catch(async (failure) => {
          if (failure instanceof StoreFailed) await this.#parts.failed(historian);
          throw failure;
        });
      } catch (failure) {
        this.#isDeposed = isTakenOver(failure);
        const waitingFor = reasonOf(failure);
        const interruptions = this.#status.interruptions + 1;
        this.#note({ phase: "waiting", waitingFor, interruptions });
        if (this.#isDeposed) log.info({ reason: waitingFor }, "another process writes the history");
        else if (failure instanceof StoreFailed)
          log.warn(
            { reason: waitingFor },
            "the history cannot be written; the journal waits for it",
          );
        else log.debug({ reason: waitingFor }, "the history was interrupted");
      }
      await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
    }
  }

  /** K2. */
  async #standBy(signal: AbortSignal): Promise<void> {
    const { jetstream, manager, clock, standbyMs = standbyMsUsual } = this.#parts;
    const readers = new NatsReaderStore(jetstream, manager);
    this.#note({ phase: "standing-by" });
    while (!signal.aborted) {
      const found = await readers.load(historyReader);
      if (clock.wallMs() - (found?.state?.at ?? 0) >= standbyMs) return;
      await sleep(clock, Math.min(standbyMs / 3, 5_000), signal);
    }
  }

  async #serve(historian: Historian, signal: AbortSignal, isGood: () => void): Promise<void> {
    const { connection, jetstream, manager, clock, random } = this.#parts;
    const kept = await ofStore(() => historian.begin());
    const { messageAt } = engineJournal(connection, jetstream, manager);
    const parts = { store: new NatsReaderStore(jetstream, manager), messageAt, clock, random };
    const name = { name: historyReader, kind: "historian" };
    const reader = await RegisteredReader.open(parts, name, kept.places);
    const store = new NatsEngineStore(connection, jetstream, manager, random);
    const range = async () => {
      const { first_seq: first, last_seq: last } = (await manager.streams.info(telemetryStream))
        .state;
      return { first, last };
    };
    const journal = new JournalReader(await loadCommitted(store, range), undefined, kept.marks);
    const places = kept.places.filter(({ sequence }) => sequence < reader.from);
    const intake = new HistoryIntake(journal, places);
    const writer = new Writer(this.#parts, { historian, fence: kept.fence, reader, intake });
    writer.wrote = (rows, losses) => this.#count(rows, losses);
    this.#note({ phase: "running", waitingFor: undefined });
    await this.#follow({ writer, intake, from: reader.from }, signal, isGood);
  }

  async #follow(
    { writer, intake, from }: Following,
    signal: AbortSignal,
    isGood: () => void,
  ): Promise<void> {
    const { connection, jetstream, clock } = this.#parts;
    const whole = { stream: telemetryStream, subjects: ["tlm.>", clockSubject], from };
    const both = AbortSignal.any([signal, writer.failed]);
    let begunAt = clock.bootMs();
    try {
      for await (const message of readJournal(connection, jetstream, {
        ...whole,
        signal: both,
        turn: clock,
      })) {
        isGood();
        intake.take(message);
        this.#status = { ...this.#status, sequence: message.sequence };
        if (intake.rows >= rowsAheadMax) await writer.write();
        else writer.schedule();
        if (clock.bootMs() - begunAt < workMsMax) continue;
        await new Promise<void>((resolve) => clock.soon(resolve));
        begunAt = clock.bootMs();
      }
    } finally {
      await writer.end();
    }
  }

  #count(rows: number, losses: number): void {
    const { rows: before, losses: lost, writes } = this.#status;
    this.#note({ rows: before + rows, losses: lost + losses, writes: writes + 1 });
  }

  #note(over: Partial<HistoryFeedStatus>): void {
    this.#status = { ...this.#status, ...over };
  }
}

interface Following {
  readonly writer: Writer;
  readonly intake: HistoryIntake;
  readonly from: number;
}

interface WriterParts {
  readonly historian: Historian;
  readonly fence: number;
  readonly reader: RegisteredReader;
  readonly intake: HistoryIntake;
}

/** One transaction after the other; what comes meanwhile is the next one. */
class Writer {
  readonly #clock: Clock;
  readonly #parts: WriterParts;
  readonly #failing = new AbortController();
  #writing: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;
  #movedAt: number;
  wrote: (rows: number, losses: number) => void = () => {};

  constructor({ clock }: HistoryFeedParts, parts: WriterParts) {
    this.#clock = clock;
    this.#parts = parts;
    this.#movedAt = clock.bootMs();
  }

  /** Aborted once a write has failed. */
  get failed(): AbortSignal {
    return this.#failing.signal;
  }

  schedule(): void {
    const { intake } = this.#parts;
    const isDue = intake.isFilled || this.#clock.bootMs() - this.#movedAt >= moveEveryMs;
    if (!isDue || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.after(writeEveryMs, () => {
      this.#cancel = undefined;
      this.write().catch(() => {});
    });
  }

  write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    this.#writing.catch(() => this.#failing.abort());
    return this.#writing;
  }

  /** What is left; rejects where any write has failed. */
  async end(): Promise<void> {
    this.#cancel?.();
    await this.write();
  }

  /** K1. */
  async #write(): Promise<void> {
    const { historian, fence, reader, intake } = this.#parts;
    const batch = intake.drain();
    if (batch === undefined) return;
    await ofStore(() => historian.write(fence, batch));
    this.wrote(batch.rows.length, batch.losses.length);
    this.#movedAt = this.#clock.bootMs();
    const [place] = batch.places ?? [];
    if (place !== undefined) await reader.advance(place);
  }
}

/** K3. */
class StoreFailed extends Error {}

async function ofStore<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (failure) {
    if (isTakenOver(failure)) throw failure;
    throw new StoreFailed(reasonOf(failure), { cause: failure });
  }
}

function isTakenOver(failure: unknown): boolean {
  const code = codeOf(failure);
  return code === "HISTORY_FENCED" || code === "READER_TAKEN";
}

/**
 * Keeps the fleet view fed: reads the journal TLM from its first message, folded by ledgers of its
 * own, and of ENGINE the alerts and what rules emit.
 *
 *   F1  After an interruption the reading goes on behind the last message.
 *   F2  A stream that was rolled back holds another message, or none, where the last one stood;
 *       then that part of the view is emptied and read again from the first message.
 *   F3  Reading a long journal leaves the process time for everything else.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { decodeDerivedMessage } from "@causeway/shared/rules/derived-event.ts";
import { clockSubject, engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { JournalReader, loadCommitted, nothingCommitted } from "../ingest/journal-reader.ts";
import { readJournal } from "../ingest/nats-journal.ts";
import { checkAnswering } from "../notify/nats-answering.ts";
import type { FleetView } from "./fleet-view.ts";

export interface ViewFeedParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly view: FleetView;
  /** Told of each event, again from the first message after a rollback. */
  readonly taken?: (event: TakenEvent) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface FeedStatus {
  /** The last message that was worked off. */
  readonly sequence: number;
  readonly messages: number;
  readonly interruptions: number;
  /** Times that the stream was found rolled back. */
  readonly rebuilds: number;
  /** Why nothing is read just now; undefined while it is. */
  readonly waitingFor: string | undefined;
}

export interface ViewFeedStatus {
  readonly events: FeedStatus;
  readonly alerts: FeedStatus;
  readonly derived: FeedStatus;
}

const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** F3. */
const workMsMax = 20;
/** Of ENGINE: only the newest derived events are shown, and there may be millions. */
const derivedLookBack = 20_000;

export class NatsViewFeed {
  readonly #events: Follower;
  readonly #alerts: Follower;
  readonly #derived: Follower;
  readonly #stopping = new AbortController();
  #running: readonly Promise<void>[] = [];

  constructor(parts: ViewFeedParts) {
    this.#events = new Follower(parts, eventsPart(parts));
    this.#alerts = new Follower(parts, alertsPart(parts.view));
    this.#derived = new Follower(parts, derivedPart(parts));
  }

  /** Waits for nothing: the streams may be away. */
  start(): void {
    const { signal } = this.#stopping;
    const followers = [this.#events, this.#alerts, this.#derived];
    this.#running = followers.map((follower) => follower.run(signal));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  status(): ViewFeedStatus {
    return {
      events: this.#events.status(),
      alerts: this.#alerts.status(),
      derived: this.#derived.status(),
    };
  }
}

/** What is read of one stream, and what it does to the view. */
interface FollowedPart {
  readonly stream: string;
  readonly subjects: readonly string[];
  /** Before the first message is read: its sequence, or one before it. */
  begin(): Promise<number>;
  take(message: JournalMessage): void;
  reset(): void;
}

function eventsPart(parts: ViewFeedParts): FollowedPart {
  const { view, connection, jetstream, manager, random } = parts;
  const store = new NatsEngineStore(connection, jetstream, manager, random);
  let reader = new JournalReader(nothingCommitted);
  return {
    async begin() {
      const range = async () => {
        const { first_seq: first, last_seq: last } = (await manager.streams.info(telemetryStream))
          .state;
        return { first, last };
      };
      reader = new JournalReader(await loadCommitted(store, range));
      return 1;
    },
    stream: telemetryStream,
    // Ticks too: what waits behind a hole is often released by one.
    subjects: ["tlm.>", clockSubject],
    take(message) {
      for (const folded of reader.fold(message)) {
        view.applyFolded(folded, message.storedAt);
        for (const event of folded.taken) parts.taken?.(event);
      }
    },
    reset: () => view.resetEvents(),
  };
}

function alertsPart(view: FleetView): FollowedPart {
  return {
    stream: engineStream,
    subjects: ["alert.>"],
    begin: async () => 1,
    take({ data, storedAt }) {
      const text = Buffer.from(data).toString("utf8");
      for (const transition of decodeAlertMessage(text, storedAt)) view.applyAlert(transition);
    },
    reset: () => view.resetAlerts(),
  };
}

function derivedPart({ view, manager }: ViewFeedParts): FollowedPart {
  return {
    stream: engineStream,
    subjects: ["derived.>"],
    async begin() {
      const { last_seq: last } = (await manager.streams.info(engineStream)).state;
      return Math.max(1, last - derivedLookBack);
    },
    take({ data }) {
      const text = Buffer.from(data).toString("utf8");
      for (const event of decodeDerivedMessage(text)) view.applyDerived(event);
    },
    reset: () => view.resetDerived(),
  };
}

class Follower {
  readonly #parts: ViewFeedParts;
  readonly #part: FollowedPart;
  #last: JournalMessage | undefined;
  #messages = 0;
  #interruptions = 0;
  #rebuilds = 0;
  #waitingFor: string | undefined = "its first message";

  constructor(parts: ViewFeedParts, part: FollowedPart) {
    this.#parts = parts;
    this.#part = part;
  }

  status(): FeedStatus {
    return {
      sequence: this.#last?.sequence ?? 0,
      messages: this.#messages,
      interruptions: this.#interruptions,
      rebuilds: this.#rebuilds,
      waitingFor: this.#waitingFor,
    };
  }

  /** F1. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await checkAnswering(this.#parts.connection, clock, signal);
        await this.#checkIdentity();
        await this.#read(signal, () => {
          attempt = 1;
        });
      } catch (failure) {
        this.#interruptions++;
        this.#waitingFor = reasonOf(failure);
        const fields = { stream: this.#part.stream, reason: this.#waitingFor };
        log.debug(fields, "the view's reading was interrupted");
      }
      await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
    }
  }

  /** F3. */
  async #read(signal: AbortSignal, progress: () => void): Promise<void> {
    const { connection, jetstream, clock } = this.#parts;
    const { stream, subjects } = this.#part;
    const from = this.#last === undefined ? await this.#part.begin() : this.#last.sequence + 1;
    this.#waitingFor = undefined;
    let begunAt = clock.bootMs();
    for await (const message of readJournal(connection, jetstream, {
      stream,
      subjects,
      from,
      signal,
    })) {
      progress();
      this.#take(message);
      this.#last = message;
      this.#messages++;
      if (clock.bootMs() - begunAt < workMsMax) continue;
      await new Promise<void>((resolve) => clock.soon(resolve));
      begunAt = clock.bootMs();
    }
  }

  /** What cannot be shown must not end the view of all else. */
  #take(message: JournalMessage): void {
    try {
      this.#part.take(message);
    } catch (failure) {
      const { sequence, subject } = message;
      const fields = { sequence, subject, reason: reasonOf(failure) };
      this.#parts.log.error(fields, "a message is missing from the view");
    }
  }

  /** F2. Asks the leader; a message that was purged in order is no sign of a rollback. */
  async #checkIdentity(): Promise<void> {
    const last = this.#last;
    if (last === undefined) return;
    const { manager, log } = this.#parts;
    const { stream } = this.#part;
    const { state } = await manager.streams.info(stream);
    const isPurged = state.first_seq > last.sequence && state.last_seq >= last.sequence;
    if (isPurged) return;
    if (state.last_seq >= last.sequence) {
      const found = await manager.streams.getMessage(stream, { seq: last.sequence });
      if (found?.subject === last.subject && Buffer.compare(found.data, last.data) === 0) return;
    }
    log.warn(
      { stream, sequence: last.sequence },
      "the stream was rolled back; the view is rebuilt",
    );
    this.#rebuilds++;
    this.#last = undefined;
    this.#part.reset();
  }
}

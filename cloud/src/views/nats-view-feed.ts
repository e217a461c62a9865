/**
 * Keeps the fleet view fed: reads the journal TLM behind its checkpoint, folded by ledgers of its
 * own, and of ENGINE the alerts, what rules emit and what receivers did not take.
 *
 *   F1  After an interruption the reading goes on behind the last message.
 *   F2  A stream that was rolled back holds another message, or none, where the last one stood;
 *       then that part of the view is emptied and read again from the first message.
 *   F3  Reading a long journal leaves the process time for everything else.
 *   F4  A checkpoint is of one instant, at which nothing waits; it counts where the journal holds the
 *       very message that it ends with. Else, and where it cannot be read, the view is made from the
 *       first message again: the same comes of it, later.
 */
import { createHash } from "node:crypto";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { decodeDead } from "@causeway/shared/notify/dead-notification.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { decodeDerivedMessage } from "@causeway/shared/rules/derived-event.ts";
import {
  clockSubject,
  engineStream,
  parseGatewaySubject,
  subjects,
  telemetryStream,
} from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { decodeSummary } from "../dead/letter-pages.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { JournalReader, loadCommitted, nothingCommitted } from "../ingest/journal-reader.ts";
import { readJournal } from "../ingest/nats-journal.ts";
import { checkAnswering } from "../notify/nats-answering.ts";
import type { FleetView } from "./fleet-view.ts";
import type { ViewCheckpoint } from "./view-checkpoint.ts";

export interface ViewFeedParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly view: FleetView;
  /** Told of each event behind the checkpoint, again from there after a rollback. */
  readonly taken?: (event: TakenEvent) => void;
  /** Undefined where nothing is kept. */
  readonly checkpoints?: ViewCheckpoints | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface ViewCheckpoints {
  /** Throws where it cannot be read. */
  load(): Promise<ViewCheckpoint | undefined>;
  save(checkpoint: ViewCheckpoint): Promise<void>;
  /** Whether all that `taken` was told is worked off. */
  isWorkedOff(): boolean;
  readonly everyMs: number;
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
  readonly #parts: ViewFeedParts;
  readonly #events: Follower;
  readonly #alerts: Follower;
  readonly #derived: Follower;
  readonly #dead: Follower;
  readonly #journal: EventsPart;
  readonly #stopping = new AbortController();
  #running: readonly Promise<void>[] = [];

  constructor(parts: ViewFeedParts) {
    this.#parts = parts;
    this.#journal = new EventsPart(parts);
    this.#events = new Follower(parts, this.#journal);
    this.#alerts = new Follower(parts, alertsPart(parts.view));
    this.#derived = new Follower(parts, derivedPart(parts));
    this.#dead = new Follower(parts, deadPart(parts.view));
  }

  /** Waits for nothing: the streams may be away. */
  start(): void {
    const { signal } = this.#stopping;
    const followers = [this.#events, this.#alerts, this.#derived, this.#dead];
    this.#running = followers.map((follower) => follower.run(signal));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  /** The last message of the journal that is shown in full; undefined before the first. */
  place(): { readonly sequence: number; readonly mark: string } | undefined {
    return this.#journal.place();
  }

  /** Whether the journal still holds that very message. */
  async holds({ sequence, mark }: { sequence: number; mark: string }): Promise<boolean> {
    try {
      return (await markAt(this.#parts.manager, sequence)) === mark;
    } catch {
      return false; // then the one who asks begins anew
    }
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
  /** Its messages go where newer ones take their place, so that one which is gone says nothing. */
  readonly replaces?: boolean;
  /** Before the first message is read: its sequence, or one before it. */
  begin(): Promise<number>;
  take(message: JournalMessage): void;
  reset(): void;
  /** After each message, and at the end. */
  keep?(isEnd: boolean): Promise<void>;
}

/** By which a message is known again. */
function markOf({ subject, data }: Pick<JournalMessage, "subject" | "data">): string {
  return createHash("sha256").update(`${subject}\n`).update(data).digest("hex").slice(0, 16);
}

/** Undefined where there is no such message any more. */
async function markAt(manager: JetStreamManager, sequence: number): Promise<string | undefined> {
  const found = await manager.streams.getMessage(telemetryStream, { seq: sequence });
  return found === null ? undefined : markOf(found);
}

class EventsPart implements FollowedPart {
  readonly stream = telemetryStream;
  // Ticks too: what waits behind a hole is often released by one.
  readonly subjects = ["tlm.>", clockSubject];
  readonly #parts: ViewFeedParts;
  readonly #store: NatsEngineStore;
  #reader = new JournalReader(nothingCommitted);
  /** The last message behind which nothing waits. */
  #settled: JournalMessage | undefined;
  #gaps = 0;
  #keptAt: number;
  #kept = 0;

  constructor(parts: ViewFeedParts) {
    const { connection, jetstream, manager, random, clock } = parts;
    this.#parts = parts;
    this.#store = new NatsEngineStore(connection, jetstream, manager, random);
    this.#keptAt = clock.bootMs();
  }

  place(): { readonly sequence: number; readonly mark: string } | undefined {
    const settled = this.#settled;
    return settled && { sequence: settled.sequence, mark: markOf(settled) };
  }

  /** F4. */
  async begin(): Promise<number> {
    const { manager, view } = this.#parts;
    const range = async () => {
      const { state } = await manager.streams.info(telemetryStream);
      return { first: state.first_seq, last: state.last_seq };
    };
    const committed = await loadCommitted(this.#store, range);
    const checkpoint = await this.#load();
    this.#reader = new JournalReader(committed, undefined, checkpoint?.ledgers);
    this.#gaps = this.#reader.gaps.length;
    this.#settled = undefined;
    if (checkpoint === undefined) return 1;
    const { sequence, events } = checkpoint;
    view.restoreEvents(events, sequence);
    this.#kept = sequence;
    return sequence + 1;
  }

  take(message: JournalMessage): void {
    const { view, taken } = this.#parts;
    view.reach(message.sequence);
    for (const folded of this.#reader.fold(message)) {
      view.applyFolded(folded, message.storedAt);
      if (taken !== undefined) for (const event of folded.taken) taken(event);
    }
    const { gaps } = this.#reader;
    for (const gap of gaps.slice(this.#gaps)) view.applyGap(gap, message.storedAt);
    this.#gaps = gaps.length;
    if (!this.#reader.waits) this.#settled = message;
  }

  reset(): void {
    this.#parts.view.resetEvents();
    this.#settled = undefined;
  }

  /** F4. */
  async keep(isEnd: boolean): Promise<void> {
    const { checkpoints, clock, view, log } = this.#parts;
    const place = this.#settled;
    if (checkpoints === undefined || place === undefined || this.#reader.waits) return;
    if (!isEnd && clock.bootMs() - this.#keptAt < checkpoints.everyMs) return;
    if (place.sequence <= this.#kept || !checkpoints.isWorkedOff()) return;
    const { sequence } = place;
    const events = view.eventsState();
    const ledgers = this.#reader.gateways.map((gateway) => this.#reader.markOf(gateway));
    try {
      await checkpoints.save({ sequence, mark: markOf(place), events, ledgers });
      this.#kept = sequence;
    } catch (failure) {
      log.warn({ reason: reasonOf(failure) }, "the view is not kept: a restart reads it anew");
    }
    this.#keptAt = clock.bootMs();
  }

  async #load(): Promise<ViewCheckpoint | undefined> {
    const { checkpoints, manager, log } = this.#parts;
    let found: ViewCheckpoint | undefined;
    try {
      found = await checkpoints?.load();
    } catch (failure) {
      log.warn({ reason: reasonOf(failure) }, "the view that was kept cannot be read");
      return undefined;
    }
    if (found === undefined) return undefined;
    if ((await markAt(manager, found.sequence)) === found.mark) return found;
    const { sequence } = found;
    log.warn({ sequence }, "the view that was kept is of another journal; it is made anew");
    return undefined;
  }
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

/** Open dead letters in groups, of each gateway the newest; and what receivers did not take. */
function deadPart(view: FleetView): FollowedPart {
  return {
    stream: engineStream,
    subjects: [subjects.deadLetters("*", "*")], // and notifications, which stand in one place of these
    replaces: true,
    begin: async () => 1,
    take({ subject, data }) {
      const text = Buffer.from(data).toString("utf8");
      const place = parseGatewaySubject(subject);
      if (place === undefined) view.applyDeadNotification(decodeDead(text));
      else view.applyLetters(place.gateway, decodeSummary(text).groups);
    },
    reset: () => view.resetDead(),
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
    await this.#part.keep?.(true);
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
      turn: clock,
    })) {
      progress();
      this.#take(message);
      this.#last = message;
      this.#messages++;
      await this.#part.keep?.(false);
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
    const { stream, replaces = false } = this.#part;
    const { state } = await manager.streams.info(stream);
    const isPurged = state.first_seq > last.sequence && state.last_seq >= last.sequence;
    if (isPurged) return;
    if (state.last_seq >= last.sequence) {
      const found = await manager.streams.getMessage(stream, { seq: last.sequence });
      if (found === null && replaces) return;
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

/**
 * How much a gateway sends, by the journal, and what its quota makes of that. Pure.
 *
 *   Q1  Each message counts once: the mark that tells what was counted tells through which message.
 *   Q2  Ticks judge, and nothing else, at the journal's time: a replay judges nothing anew.
 *   Q3  Events per second are a bucket of a minute's worth. A gateway is over its quota from the
 *       moment at which it is full until nearly all is paid back and it sends less than the quota by
 *       itself. Meanwhile it is slowed down to a little less: who has more to send gets no bursts.
 *   Q4  Bytes per day are those of messages as they are stored. Beyond them the gateway is slowed down
 *       to the pace of an even day, until midnight.
 *   Q5  People are told of bytes, and of events that came live: to catch up after an outage is slowed
 *       down, too, and nobody's fault.
 *   Q6  Of the stream's cap and the quota's the lower one is in force; either goes without the other.
 */
import { dayMs, dayOf } from "@causeway/shared/day.ts";
import type { Use } from "@causeway/shared/mark.ts";
import { lowestCap } from "@causeway/shared/mark.ts";
import type { Folded } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";

export interface Quota {
  readonly eventsPerSecond?: number | undefined;
  readonly bytesPerDay?: number | undefined;
}

export interface Judged {
  /** Another cap is to be told. */
  readonly isChanged: boolean;
  /** In words; undefined where people need not be told. */
  readonly events: Over | undefined;
  readonly bytes: Over | undefined;
}

export interface Over {
  /** A reason to begin an alert; else only to go on with one. */
  readonly isNews: boolean;
  readonly text: string;
}

/** Q3. */
const bucketSeconds = 60;
const paidShare = 0.1;
const slowedShare = 0.9;
const calmShare = 0.8;
/** A gateway needs something to say that it is there. */
const capMin = 64;
/** A cap that is that near goes on, so that marks do not change all the time. */
const capNear = 0.25;
/** Of an event, until something is known. */
const eventBytesFirst = 100;
const eventBytesWeight = 0.1;
const rateSpanMs = 60_000;

export class GatewayUse {
  #sequence = 0;
  #day = 0;
  #bytes = 0;
  #events = 0;
  #eventBytes = eventBytesFirst;
  /** Since the last judgement. */
  #new = { events: 0, live: 0 };
  #level = { events: 0, live: 0 };
  #over = { events: false, live: false };
  #judgedAt: number | undefined;
  #perSecond = 0;
  #quotaCap: number | undefined;
  #streamCap: number | undefined;

  constructor(streamCap?: number) {
    this.#streamCap = streamCap;
  }

  /** As a committed mark has it. */
  restore(use: Use | undefined, cap: number | undefined): void {
    this.#streamCap = use === undefined ? cap : use.streamCap;
    this.#quotaCap = use?.quotaCap;
    if (use === undefined) return;
    this.#sequence = use.sequence;
    this.#day = use.day;
    [this.#bytes, this.#events, this.#eventBytes] = [use.bytes, use.events, use.eventBytes];
    this.#new = { events: use.newEvents, live: use.newLive };
    this.#level = { events: use.level, live: use.liveLevel };
    this.#over = { events: use.isOver, live: use.isLiveOver };
    this.#judgedAt = use.judgedAt;
    this.#perSecond = use.perSecond;
  }

  /** Q6. */
  get cap(): number | undefined {
    return lowestCap(this.#streamCap, this.#quotaCap);
  }

  /** The gateway is slowed down for the sake of its quota. */
  get isOver(): boolean {
    return this.#quotaCap !== undefined;
  }

  /** Whether the mark has to tell it. */
  capStream(cap: number | undefined): boolean {
    const before = this.cap;
    this.#streamCap = cap;
    return this.cap !== before;
  }

  /** Q1. */
  count(message: JournalMessage, { taken, dead }: Folded, zone: string): void {
    const { sequence, data, storedAt } = message;
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    this.#turn(dayOf(storedAt, zone));
    const events = taken.length + dead.length;
    this.#bytes += data.length;
    this.#events += events;
    this.#new.events += events;
    this.#new.live += taken.filter(({ late }) => !late).length;
    if (events === 0) return;
    this.#eventBytes += (data.length / events - this.#eventBytes) * eventBytesWeight;
  }

  /** Q2. */
  judge(quota: Quota | undefined, at: number, zone: string): Judged {
    const { eventsPerSecond, bytesPerDay } = quota ?? {};
    this.#turn(dayOf(at, zone));
    this.#pay(eventsPerSecond, at);
    const isOverDay = bytesPerDay !== undefined && this.#bytes > bytesPerDay;
    const slowed =
      eventsPerSecond !== undefined && this.#over.events
        ? eventsPerSecond * slowedShare * this.#eventBytes
        : undefined;
    const even = isOverDay ? (bytesPerDay * 1_000) / dayMs : undefined;
    const before = this.cap;
    this.#quotaCap = nearly(this.#quotaCap, lowestCap(slowed, even));
    return {
      isChanged: this.cap !== before,
      events: this.#overEvents(eventsPerSecond),
      bytes: isOverDay ? { isNews: true, text: this.#dayText(bytesPerDay, zone) } : undefined,
    };
  }

  /** For the mark. */
  told(): Use {
    return {
      ...{ sequence: this.#sequence, day: this.#day, bytes: this.#bytes, events: this.#events },
      ...{ eventBytes: Math.round(this.#eventBytes), judgedAt: this.#judgedAt },
      perSecond: rounded(this.#perSecond),
      ...{ newEvents: this.#new.events, newLive: this.#new.live },
      ...{ level: rounded(this.#level.events), liveLevel: rounded(this.#level.live) },
      ...{ isOver: this.#over.events, isLiveOver: this.#over.live },
      ...{ quotaCap: this.#quotaCap, streamCap: this.#streamCap },
    };
  }

  #turn(day: number): void {
    if (day <= this.#day) return;
    this.#day = day;
    this.#bytes = 0;
    this.#events = 0;
  }

  /** Q3. */
  #pay(eventsPerSecond: number | undefined, at: number): void {
    const { events, live } = this.#new;
    const forMs = Math.max(0, at - (this.#judgedAt ?? at));
    this.#new = { events: 0, live: 0 };
    this.#judgedAt = at;
    const kept = Math.exp(-forMs / rateSpanMs);
    if (forMs > 0) this.#perSecond = this.#perSecond * kept + (events * 1_000 * (1 - kept)) / forMs;
    if (eventsPerSecond === undefined) {
      this.#level = { events: 0, live: 0 };
      this.#over = { events: false, live: false };
      return;
    }
    const paid = (eventsPerSecond * forMs) / 1_000;
    const most = (eventsPerSecond * dayMs) / 1_000;
    const level = (before: number, more: number) =>
      Math.min(most, Math.max(0, before - paid) + more);
    this.#level = {
      events: level(this.#level.events, events),
      live: level(this.#level.live, live),
    };
    const full = eventsPerSecond * bucketSeconds;
    const isCalm = this.#perSecond < eventsPerSecond * calmShare;
    const isOver = (was: boolean, now: number) =>
      was ? now > full * paidShare || !isCalm : now > full;
    this.#over = {
      events: isOver(this.#over.events, this.#level.events),
      live: isOver(this.#over.live, this.#level.live),
    };
  }

  /** Q5. */
  #overEvents(eventsPerSecond: number | undefined): Over | undefined {
    if (eventsPerSecond === undefined || !this.#over.events) return undefined;
    const rate = Math.round(this.#perSecond);
    const sends =
      rate > eventsPerSecond
        ? `it sends ${rate} events a second, ${eventsPerSecond} are its quota`
        : `it sent more than its quota of ${eventsPerSecond} events a second`;
    const text = `${sends}: until that is made up for it may send ${this.#capText()} a second`;
    return { isNews: this.#over.live, text };
  }

  #dayText(bytesPerDay: number, zone: string): string {
    const [sent, quota] = [this.#bytes, bytesPerDay].map((bytes) => (bytes / 1e6).toFixed(1));
    return (
      `${sent} MB came of it since midnight (${zone}), ${quota} MB are its quota for a day: ` +
      `it may send ${this.#capText()} a second until the next midnight`
    );
  }

  #capText(): string {
    return `${this.#quotaCap ?? 0} bytes`;
  }
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

function nearly(before: number | undefined, wanted: number | undefined): number | undefined {
  if (wanted === undefined) return undefined;
  const cap = Math.max(capMin, Math.round(wanted));
  if (before === undefined) return cap;
  return Math.abs(cap - before) <= before * capNear ? before : cap;
}

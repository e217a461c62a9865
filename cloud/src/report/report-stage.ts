/**
 * Makes the reports: folds the journal into the book and, at the tick with which a period is over,
 * commits the report to stream ENGINE, from where the notifier tells it.
 *
 *   G1  The report, the event of its timer and the book as it goes on are one commit: after a crash
 *       at any moment a report is made again from the same book, under the same id, or was made.
 *   G2  Of two processes one makes reports: every commit expects the checkpoint that its writer wrote
 *       last. Another takes over once that has stood still for `standbyMs`.
 *   G3  The book holds the ledger of each gateway, so what is read again is known; the journal's
 *       registered reader `reports` moves on only after the book was committed.
 *   G4  A report waits until the engine has committed what the journal held before its tick, so that
 *       the alerts of the period are in it; after `engineMsMax` it is made without, and says so.
 *   G5  Whatever interrupts, the book is loaded again from its last commit.
 */
import { deploymentGateway } from "@causeway/shared/alert/deployment-alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { isRuleName, reservedRulePrefix } from "@causeway/shared/names.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import { reportNotification } from "@causeway/shared/notify/notification.ts";
import { encodeReportMessage } from "@causeway/shared/notify/report-message.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { DerivedEvent } from "@causeway/shared/rules/derived-event.ts";
import { digest } from "@causeway/shared/rules/digest.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { compileFleet } from "@causeway/shared/rules/fleet.ts";
import {
  clockSubject,
  partitionCount,
  reportCheckpoint,
  subjects,
} from "@causeway/shared/subjects.ts";
import type { Checkpoint } from "../engine/checkpoint.ts";
import { noCheckpoint } from "../engine/checkpoint.ts";
import type { CommitMessage, EngineStore } from "../engine/engine-store.ts";
import type { Place } from "../engine/place.ts";
import { withPlace } from "../engine/place.ts";
import { checkpointMessage, committedAt } from "../engine/take-over.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { JournalRange } from "../ingest/journal-reader.ts";
import { JournalReader, loadCommitted } from "../ingest/journal-reader.ts";
import type { Tick } from "../ticks/tick.ts";
import { decodeTick } from "../ticks/tick.ts";
import type { KeptBook } from "./book-codec.ts";
import { decodeBook, encodeBook } from "./book-codec.ts";
import type { Due } from "./fleet-book.ts";
import { FleetBook } from "./fleet-book.ts";
import type { Report } from "./report.ts";
import { reportId, reportOf } from "./report.ts";
import type { ReportSettings } from "./report-settings.ts";
import type { IsOut } from "./report-sites.ts";
import { noticeOf } from "./report-text.ts";

/** A message of ENGINE: alerts, and notifications that nobody took. */
export interface StoredAlert {
  readonly sequence: number;
  readonly subject: string;
  readonly storedAt: number;
  readonly text: string;
}

/** retention/registered-reader.ts. */
export interface ReportReader {
  readonly from: number;
  advance(place: Place): Promise<void>;
}

export interface ReportJournal {
  /** Throws when it is interrupted. */
  read(from: number, signal: AbortSignal): AsyncIterable<JournalMessage>;
  range(): Promise<JournalRange>;
  /** G3. Registers the reader, or takes it over. */
  open(own: readonly Place[]): Promise<ReportReader>;
  /** Where nothing is reported any more, so that the journal is not kept for it. */
  retire(): Promise<void>;
  /** What stands on ENGINE behind a sequence; ends with the last that is there. */
  alerts(after: number): AsyncIterable<StoredAlert>;
}

export interface ReportStageParts {
  readonly reports: readonly ReportSettings[];
  readonly store: EngineStore;
  readonly journal: ReportJournal;
  readonly fleet: () => FleetDocument;
  /** What people took out of service. */
  readonly isOut: IsOut;
  /** A gateway, or a device, is silent from then on. */
  readonly silentMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly standbyMs?: number | undefined;
  readonly keepMs?: number | undefined;
  readonly engineMsMax?: number | undefined;
  readonly settleMs?: number | undefined;
}

export interface ReportStatus {
  readonly phase: "waiting" | "running" | "interrupted" | "stopped";
  /** Of the journal, worked off last. */
  readonly sequence: number;
  readonly made: number;
  readonly takeOvers: number;
  readonly lastFault: string | undefined;
}

/** Where gateways are never told as silent. */
export const usualSilentMs = 180_000;
const standbyMsUsual = 30_000;
const beatsPerStandby = 3;
const keepMsUsual = 30_000;
/** G4. */
const engineMsMaxUsual = 120_000;
const engineLookMs = 250;
/** After that what the tick itself has brought about is committed too. */
const settleMsUsual = 1_000;
const reportTtlSeconds = 90 * 24 * 3_600;
const timerTtlSeconds = 30 * 24 * 3_600;
const workMsMax = 20;
const retakeSchedule = { firstMs: 250, maxMs: 15_000, factor: 2 };

interface Tenure {
  readonly session: number;
  readonly reader: ReportReader;
  readonly fold: JournalReader;
  readonly book: FleetBook;
  readonly gateways: Set<string>;
  /** G4. The last message of each partition. */
  readonly partitions: Map<number, number>;
  alertsAt: number;
  gaps: number;
  checkpoint: Checkpoint;
  lastSequence: number;
  place: Place | undefined;
  keptAtMs: number;
  writtenAtMs: number;
}

export class ReportStage {
  readonly #parts: ReportStageParts;
  readonly #writer: string;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #phase: ReportStatus["phase"] = "waiting";
  #sequence = 0;
  #made = 0;
  #takeOvers = 0;
  #lastFault: string | undefined;

  constructor(parts: ReportStageParts) {
    this.#parts = parts;
    this.#writer = parts.random.hex(16);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#phase = "stopped";
  }

  status(): ReportStatus {
    const counts = { sequence: this.#sequence, made: this.#made, takeOvers: this.#takeOvers };
    return { phase: this.#phase, ...counts, lastFault: this.#lastFault };
  }

  /** G5. */
  async #run(): Promise<void> {
    const { clock, random, log } = this.#parts;
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        if (this.#parts.reports.length === 0) return await this.#parts.journal.retire();
        const tenure = await this.#begin(signal);
        if (tenure === undefined) return;
        this.#phase = "running";
        await this.#serve(tenure, signal, () => {
          attempt = 0;
        });
      } catch (failure) {
        if (signal.aborted) return;
        this.#phase = "interrupted";
        this.#lastFault = reasonOf(failure);
        const fields = { reason: this.#lastFault };
        if (failure instanceof CodedError) log.warn(fields, "reports are taken over again");
        else log.debug(fields, "the reading for reports was interrupted");
      }
      await sleep(clock, retryDelayMs(retakeSchedule, Math.max(1, attempt), random), signal);
    }
  }

  /** G2. Undefined where it is stopped meanwhile. */
  async #begin(signal: AbortSignal): Promise<Tenure | undefined> {
    const { store, journal, clock, reports, silentMs, log } = this.#parts;
    const found = await this.#standby(signal);
    if (found === undefined) return undefined;
    const session = store.session();
    const fenced = this.#next({ ...found.checkpoint, fence: found.checkpoint.fence + 1 });
    const fence = checkpointMessage(reportCheckpoint, fenced, found.lastSequence);
    const last = committedAt(await store.commit([fence]), "the fence was not raised");
    const range = await journal.range();
    const kept = await this.#load(fenced, range);
    const reader = await journal.open(kept === undefined ? [] : fenced.places);
    const committed = await loadCommitted(store, () => journal.range());
    const book = kept?.book ?? new FleetBook(silentMs);
    const used = reports.map(({ name, every, at, on, zone }) => {
      return { name, schedule: { every, at, on, zone } };
    });
    book.use(used, clock.wallMs());
    const marks = kept?.marks ?? [];
    this.#takeOvers++;
    log.info({ fence: fenced.fence, gateways: book.gateways.size }, "reports are taken over");
    return {
      ...{ session, reader, book, checkpoint: fenced, lastSequence: last },
      fold: new JournalReader(committed, undefined, marks),
      gateways: new Set(marks.map(({ gateway }) => gateway)),
      partitions: new Map(kept?.partitions),
      ...{ alertsAt: kept?.alertsAt ?? 0, gaps: 0, place: undefined },
      ...{ keptAtMs: clock.bootMs(), writtenAtMs: clock.bootMs() },
    };
  }

  async #standby(signal: AbortSignal) {
    const { store, clock, standbyMs = standbyMsUsual } = this.#parts;
    let [seen, since] = ["", clock.bootMs()];
    while (!signal.aborted) {
      const found = (await store.loadCheckpoints([reportCheckpoint])).get(reportCheckpoint);
      const { checkpoint = noCheckpoint, lastSequence = 0 } = found ?? {};
      const isFree = checkpoint.nonce === "" || checkpoint.nonce.startsWith(this.#writer);
      if (isFree) return { checkpoint, lastSequence };
      if (checkpoint.nonce !== seen) [seen, since] = [checkpoint.nonce, clock.bootMs()];
      if (clock.bootMs() - since >= standbyMs) return { checkpoint, lastSequence };
      this.#phase = "waiting";
      await sleep(clock, standbyMs / beatsPerStandby, signal);
    }
    return undefined;
  }

  /** A journal that no longer has what comes next is counted anew, from its first message. */
  async #load(checkpoint: Checkpoint, { first }: JournalRange): Promise<KeptBook | undefined> {
    const { store, silentMs, log } = this.#parts;
    if (checkpoint.commit === 0 || checkpoint.sequence + 1 < first) return undefined;
    const found = await store.loadLast(subjects.reportStates);
    const texts: string[] = [];
    for (const { subject, text } of found) texts[Number(subject.split(".").at(-1))] = text;
    try {
      const kept = decodeBook(
        [...texts].map((text) => text ?? ""),
        checkpoint.commit,
        silentMs,
      );
      if (kept === undefined) log.error({}, "what reports were made of is gone; counting anew");
      return kept;
    } catch (failure) {
      if (!(failure instanceof CodedError)) throw failure;
      const { code, message: reason } = failure;
      log.error({ code, reason }, "what reports were made of cannot be read; counting anew");
      return undefined;
    }
  }

  async #serve(tenure: Tenure, signal: AbortSignal, isGood: () => void): Promise<void> {
    const { journal, clock, store, keepMs = keepMsUsual } = this.#parts;
    const { standbyMs = standbyMsUsual } = this.#parts;
    let begunAt = clock.bootMs();
    for await (const message of journal.read(tenure.reader.from, signal)) {
      if (store.session() !== tenure.session) throw new Error("another session");
      isGood();
      await this.#take(tenure, message, signal);
      const now = clock.bootMs();
      if (now - tenure.keptAtMs >= keepMs && !tenure.fold.waits) await this.#keep(tenure, []);
      else if (now - tenure.writtenAtMs >= standbyMs / beatsPerStandby) await this.#beat(tenure);
      if (now - begunAt < workMsMax) continue;
      await new Promise<void>((resolve) => clock.soon(resolve));
      begunAt = clock.bootMs();
    }
    if (!tenure.fold.waits) await this.#keep(tenure, []);
    await this.#write(tenure, [], { ...tenure.checkpoint, nonce: "" }); // nobody need wait
  }

  async #take(tenure: Tenure, message: JournalMessage, signal: AbortSignal): Promise<void> {
    const { sequence, subject, storedAt } = message;
    const { book, fold, partitions } = tenure;
    for (const { source, taken, dead } of fold.fold(message)) {
      tenure.gateways.add(source.gateway);
      book.hear(source.gateway, storedAt);
      for (const event of taken) book.take(event, storedAt);
      for (const { gateway } of dead) book.addDead(gateway, storedAt);
      if (subject !== clockSubject) partitions.set(source.partition, sequence);
    }
    for (const gap of fold.gaps.slice(tenure.gaps)) book.addGap(gap, storedAt);
    tenure.gaps = fold.gaps.length;
    tenure.place = { sequence, identity: { subject, nonce: message.header("Cw-Nonce") } };
    this.#sequence = sequence;
    const tick = subject === clockSubject ? tickOf(message) : undefined;
    if (tick === undefined) return;
    const due = book.tick(tick.at);
    // What waits behind a hole would be missed by who goes on from here; the next tick asks again.
    if (due.length > 0 && !fold.waits) await this.#report(tenure, tick, due, signal);
  }

  /** G1. */
  async #report(
    tenure: Tenure,
    tick: Tick,
    due: readonly Due[],
    signal: AbortSignal,
  ): Promise<void> {
    const isEngineBehind = !(await this.#engineCaughtUp(tenure, signal));
    if (signal.aborted) return;
    await this.#takeAlerts(tenure);
    const messages = due.flatMap((own) => {
      const settings = this.#parts.reports.find(({ name }) => name === own.name);
      if (settings === undefined) return [];
      const report = this.#reportOf(tenure.book, tick, own, settings, isEngineBehind);
      return messagesOf(report, settings, tick);
    });
    for (const { name } of due) tenure.book.finish(name);
    await this.#keep(tenure, messages);
    this.#made += due.length;
    const names = due.map(({ name }) => name);
    this.#parts.log.info({ reports: names, isEngineBehind }, "reports were made");
  }

  #reportOf(
    book: FleetBook,
    { at: madeAt }: Tick,
    { name, sums, missed, missedFrom }: Due,
    { every, zone, match }: ReportSettings,
    isEngineBehind: boolean,
  ): Report {
    const { from, to, since } = sums;
    const fleet = compileFleet(this.#parts.fleet());
    const head = { id: reportId(name, sums), name, every, zone, from, to, madeAt, since };
    const { isOut } = this.#parts;
    return reportOf(book, sums, {
      ...{ ...head, missed, missedFrom, match, fleet, isOut, isEngineBehind },
    });
  }

  /** G4. */
  async #engineCaughtUp(tenure: Tenure, signal: AbortSignal): Promise<boolean> {
    const { store, clock, engineMsMax = engineMsMaxUsual } = this.#parts;
    const { standbyMs = standbyMsUsual, settleMs = settleMsUsual } = this.#parts;
    const numbers = Array.from({ length: partitionCount }, (_, partition) => partition);
    const begunAt = clock.bootMs();
    while (!signal.aborted && clock.bootMs() - begunAt < engineMsMax) {
      const found = await store.loadCheckpoints(numbers);
      const isThere = [...tenure.partitions].every(
        ([partition, sequence]) => (found.get(partition)?.checkpoint.sequence ?? 0) >= sequence,
      );
      if (isThere) {
        await sleep(clock, settleMs, signal);
        return true;
      }
      if (clock.bootMs() - tenure.writtenAtMs >= standbyMs / beatsPerStandby)
        await this.#beat(tenure);
      await sleep(clock, engineLookMs, signal);
    }
    return false;
  }

  async #takeAlerts(tenure: Tenure): Promise<void> {
    const { journal, log } = this.#parts;
    for await (const { sequence, subject, storedAt, text } of journal.alerts(tenure.alertsAt)) {
      tenure.alertsAt = sequence;
      if (!subject.startsWith("alert.")) {
        tenure.book.addNotTaken(storedAt);
        continue;
      }
      try {
        for (const transition of decodeAlertMessage(text))
          tenure.book.takeAlert(transition, storedAt);
      } catch (failure) {
        if (!(failure instanceof CodedError)) throw failure;
        log.error({ sequence, subject, code: failure.code }, "an alert is missing from reports");
      }
    }
  }

  /** G1, G3. The book as it is now, with what was made of it. */
  async #keep(tenure: Tenure, messages: readonly CommitMessage[]): Promise<void> {
    const { place, book, fold, partitions, gateways } = tenure;
    tenure.keptAtMs = this.#parts.clock.bootMs();
    if (place === undefined) return;
    if (messages.length === 0) await this.#takeAlerts(tenure);
    const commit = tenure.checkpoint.commit + 1;
    const marks = [...gateways].map((gateway) => fold.markOf(gateway));
    const kept = { book, marks, partitions, alertsAt: tenure.alertsAt };
    const pieces = encodeBook(kept, commit).map((data, piece) => {
      return { subject: subjects.reportState(piece), data, rollup: true };
    });
    const { sequence } = place;
    const places = withPlace(tenure.checkpoint.places, place);
    const next = { ...tenure.checkpoint, commit, sequence, places };
    await this.#write(tenure, [...pieces, ...messages], this.#next(next));
    await tenure.reader.advance(place);
  }

  /** G2. So that others see that it is alive. */
  async #beat(tenure: Tenure): Promise<void> {
    await this.#write(tenure, [], this.#next(tenure.checkpoint));
  }

  #next(checkpoint: Checkpoint): Checkpoint {
    return { ...checkpoint, nonce: `${this.#writer}${this.#parts.random.hex(8)}` };
  }

  async #write(
    tenure: Tenure,
    messages: readonly CommitMessage[],
    checkpoint: Checkpoint,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    if (store.session() !== tenure.session) throw new Error("another session");
    const head = checkpointMessage(reportCheckpoint, checkpoint, tenure.lastSequence);
    const outcome = await store.commit([...messages, head]);
    tenure.lastSequence = committedAt(outcome, "a commit of reports was not taken");
    tenure.checkpoint = checkpoint;
    tenure.writtenAtMs = clock.bootMs();
  }
}

/** The engine passes over a tick that cannot be read, too. */
function tickOf({ data }: JournalMessage): Tick | undefined {
  try {
    return decodeTick(data);
  } catch {
    return undefined;
  }
}

function messagesOf(
  report: Report,
  { name, receivers, ...settings }: ReportSettings,
  tick: Tick,
): readonly CommitMessage[] {
  const { id, from, to } = report;
  const rule = `${reservedRulePrefix}report-${name}`;
  if (!isRuleName(rule)) throw new Error(`a report is named ${name}`);
  const timer: DerivedEvent = {
    ...{ id, kind: "timer", name: rule, rule, ruleVersion: digest(settings, 16) },
    ...{ gateway: deploymentGateway, device: "", metric: "", at: to, receivedAt: tick.at },
    ...{ value: null, unit: undefined, causes: [`clk/${tick.n}`], late: false, shadow: false },
    reason: `from ${new Date(from).toISOString()} to ${new Date(to).toISOString()} is over`,
  };
  const notification = reportNotification(name, `report/${id}`, noticeOf(report), tick.at);
  return [
    {
      subject: subjects.derived(0, deploymentGateway, rule),
      data: JSON.stringify({ v: 1, events: [timer] }),
      rollup: false,
      ttlSeconds: timerTtlSeconds,
    },
    {
      subject: subjects.report(name),
      data: encodeReportMessage({ receivers, notification }),
      rollup: false,
      ttlSeconds: reportTtlSeconds,
    },
  ];
}

/** `causeway-cloud report`: one that was made, or one over the journal as it is now. */
import { sleep } from "@causeway/shared/clock.ts";
import { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { compileFleet } from "@causeway/shared/rules/fleet.ts";
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { rangeOf as spanOf } from "../cli/backtest.ts";
import type { CommandParts } from "../cli/nats-commands.ts";
import { connected } from "../cli/nats-commands.ts";
import { committedOf, rangeOf } from "../cli/nats-tail.ts";
import { NatsDeviceFacts } from "../devices/nats-device-facts.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { JournalReader } from "../ingest/journal-reader.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import { isStreamMissing } from "../ingest/nats-streams.ts";
import { decodeTick } from "../ticks/tick.ts";
import { FleetBook } from "./fleet-book.ts";
import { storedAlerts } from "./nats-report-journal.ts";
import { lastReport } from "./nats-reports.ts";
import type { Period } from "./period.ts";
import { periodAt } from "./period.ts";
import type { PeriodSums } from "./period-sums.ts";
import type { Report } from "./report.ts";
import { reportId, reportOf } from "./report.ts";
import type { ReportSettings } from "./report-settings.ts";
import type { IsOut } from "./report-sites.ts";
import { isOutBy } from "./report-sites.ts";
import { reportText } from "./report-text.ts";

export interface ReportFlags {
  readonly site?: string;
  readonly from?: string;
  readonly to?: string;
  readonly last?: string;
  readonly json?: boolean;
}

export interface ReportRun {
  readonly reports: readonly ReportSettings[];
  readonly fleet: FleetDocument;
  readonly silentMs: number;
}

const reopenDelayMs = 250;
const dayMs = 24 * 3_600_000;
const spans: Readonly<Record<string, number>> = { day: dayMs, week: 7 * dayMs };
const unnamed: ReportSettings = {
  ...{ name: "now", every: "daily", at: "00:00", on: "monday", zone: "UTC" },
  ...{ match: {}, receivers: [] },
};

/** Throws CLI_USAGE. */
export async function reportCommand(
  parts: CommandParts,
  name: string | undefined,
  run: ReportRun,
  flags: ReportFlags,
): Promise<number> {
  const settings = settingsOf(run.reports, name);
  const asked = periodOf(flags, parts.clock.wallMs());
  return connected(parts, async (connection) => {
    const made =
      name === undefined || asked !== undefined ? undefined : await madeOf(connection, name);
    if (name !== undefined && asked === undefined && made === undefined)
      parts.warn(`report ${name} was not made yet: this is what there is so far`);
    const report = made ?? (await counted(connection, parts, settings, run, flags, asked));
    const { site } = flags;
    const sites = report.sites.filter((own) => site === undefined || own.site === site);
    const shown = { ...report, sites };
    if (flags.json) parts.write(JSON.stringify(shown));
    else for (const line of reportText(shown)) parts.write(line);
    return 0;
  });
}

function settingsOf(reports: readonly ReportSettings[], name: string | undefined): ReportSettings {
  if (name === undefined) return unnamed;
  const found = reports.find((own) => own.name === name);
  if (found !== undefined) return found;
  const names = reports.map((own) => own.name).join(", ") || "none";
  throw new CodedError("CLI_USAGE", `report ${name}: no such report; there are: ${names}`);
}

function periodOf({ from, to, last }: ReportFlags, now: number): Period | undefined {
  if (last === undefined) {
    if (from === undefined && to === undefined) return undefined;
    return spanOf(from ?? "start", to ?? "now", now);
  }
  const span = spans[last];
  if (span === undefined) throw new CodedError("CLI_USAGE", `--last ${last}: write day or week`);
  if (from !== undefined) throw new CodedError("CLI_USAGE", "write --last or --from, not both");
  const end = to === undefined ? now : spanOf("start", to, now).to;
  return { from: end - span, to: end };
}

async function madeOf(connection: NatsConnection, name: string): Promise<Report | undefined> {
  const notice = await lastReport(await jetstreamManager(connection), name);
  return notice?.figures as Report | undefined;
}

/** Without a period one that is named goes on until now; else it is the last day. */
async function counted(
  connection: NatsConnection,
  parts: CommandParts,
  settings: ReportSettings,
  { fleet, silentMs }: ReportRun,
  { site }: ReportFlags,
  asked: Period | undefined,
): Promise<Report> {
  const now = parts.clock.wallMs();
  const { name, every, zone } = settings;
  const begun = name === unnamed.name ? now - dayMs : periodAt(settings, now).from;
  const period = asked ?? { from: begun, to: now };
  const book = new FleetBook(silentMs);
  const sums = await count(connection, parts, book, settings, period);
  const match = site === undefined ? settings.match : { ...settings.match, site: [site] };
  const head = { id: reportId(name, period), name, every, zone, ...period, madeAt: now };
  const whole = { missed: 0, missedFrom: 0, isEngineBehind: false, since: sums.since };
  const isOut = await outOfService(connection);
  return reportOf(book, sums, { ...head, ...whole, match, fleet: compileFleet(fleet), isOut });
}

/** A cloud of a former version has no bucket for it. */
async function outOfService(connection: NatsConnection): Promise<IsOut> {
  const manager = await jetstreamManager(connection);
  try {
    return isOutBy(await new NatsDeviceFacts(jetstream(connection), manager).load());
  } catch (failure) {
    if (isStreamMissing(failure)) return isOutBy(new DeviceBook());
    throw failure;
  }
}

/** An interrupted reading goes on behind the last message. */
async function count(
  connection: NatsConnection,
  { clock, random, signal }: CommandParts,
  book: FleetBook,
  schedule: ReportSettings,
  period: Period,
): Promise<PeriodSums> {
  const fold = new JournalReader(await committedOf(connection, random));
  const { first, last } = await rangeOf(connection, telemetryStream);
  const client = jetstream(connection);
  let sums: PeriodSums | undefined;
  let gaps = 0;
  const take = (message: JournalMessage) => {
    const { storedAt, subject } = message;
    sums ??= book.ask(schedule, period, storedAt);
    for (const { source, taken, dead } of fold.fold(message)) {
      book.hear(source.gateway, storedAt);
      for (const event of taken) book.take(event, storedAt);
      for (const { gateway } of dead) book.addDead(gateway, storedAt);
    }
    for (const gap of fold.gaps.slice(gaps)) book.addGap(gap, storedAt);
    gaps = fold.gaps.length;
    if (subject === clockSubject) book.tick(tickAtOf(message));
  };
  for (let next = first; next <= last && !signal.aborted; ) {
    const subjects = ["tlm.>", clockSubject];
    const request = { stream: telemetryStream, subjects, from: next, signal };
    try {
      for await (const message of readJournal(connection, client, request)) {
        next = message.sequence + 1;
        if (message.sequence <= last) take(message);
        if (next > last) break;
      }
    } catch (failure) {
      if (!(failure instanceof JournalInterrupted)) throw failure;
      await sleep(clock, reopenDelayMs, signal);
    }
  }
  sums ??= book.ask(schedule, period, period.to);
  for await (const { subject, storedAt, text } of storedAlerts(client, 0)) {
    if (!subject.startsWith("alert.")) book.addNotTaken(storedAt);
    else for (const one of decodeAlertMessage(text)) book.takeAlert(one, storedAt);
  }
  return sums;
}

/** One that cannot be read is passed over, as the engine does. */
function tickAtOf({ data, storedAt }: JournalMessage): number {
  try {
    return decodeTick(data).at;
  } catch {
    return storedAt;
  }
}

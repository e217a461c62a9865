/** What the outbox holds and costs, in figures for people and for Prometheus. */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { OutboxUsage } from "../outbox/outbox.ts";

/** Of the disk below the outbox, and of this process. */
export interface DiskStatus {
  /** Size of the file system. */
  readonly bytes: number;
  /** What this process made the kernel write, where that is counted. */
  readonly writtenBytes: number | undefined;
  /** Since so long. */
  readonly forMs: number;
}

export interface Wear {
  /** Bytes written for each byte of events; undefined before the first event. */
  readonly amplification: number | undefined;
  readonly bytesPerDay: number;
  /** Share of the card's life that a year like this takes. */
  readonly perYear: number;
}

const dayMs = 24 * 3_600_000;
/** A day is not judged by less than that. */
const judgedMs = 10 * 60_000;
/** As often as a consumer's card can be written over, while its own doubling of writes is counted in. */
const cardCycles = 500;

export function wearOf({ writtenBytes: payload }: OutboxUsage, disk: DiskStatus): Wear | undefined {
  const { writtenBytes, bytes, forMs } = disk;
  if (writtenBytes === undefined) return undefined;
  const bytesPerDay = writtenBytes * (dayMs / Math.max(forMs, judgedMs));
  return {
    amplification: payload > 0 ? writtenBytes / payload : undefined,
    bytesPerDay,
    perYear: (bytesPerDay * 365) / (Math.max(1, bytes) * cardCycles),
  };
}

export function outboxRows(outbox: OutboxUsage, disk: DiskStatus): readonly [string, string][] {
  const wear = wearOf(outbox, disk);
  const { given, drainMs, freeBytes, refused } = outbox;
  return [
    ...logs.map((log): [string, string] => [`Backlog of ${log}`, backlogText(outbox, log)]),
    ["Taken at this pace in", drainMs === undefined ? "not foreseeable" : durationText(drainMs)],
    ["Room used", logs.map((log) => roomText(outbox, log)).join(", ")],
    ["Free on the disk", freeBytes === undefined ? "not watched" : bytesText(freeBytes)],
    ["Refused since the start", `${refused}`],
    ["Thinned to roll-ups", `${given.thinned} events`],
    ["Lost", lossesText(given.lost)],
    ["Written to the disk", wear === undefined ? "not counted here" : wearText(wear)],
  ];
}

const { gauge, counter } = metricsOf("causeway_edge_");

export function outboxMetrics(outbox: OutboxUsage, disk: DiskStatus): readonly Metric[] {
  const wear = wearOf(outbox, disk);
  const of = (name: string, help: string, value: (log: Log) => number): Metric[] =>
    logs.map((log) => gauge(name, help, value(log), { log }));
  const { backlog, given } = outbox;
  const reasons = new Set(["full", "age", ...Object.keys(given.lost)]);
  return [
    ...of("backlog_events", "Events the cloud has not taken", (log) => {
      return backlog[log].events;
    }),
    ...of("backlog_bytes", "Their bytes", (log) => backlog[log].bytes),
    ...of("backlog_age_seconds", "Age of the oldest, -1 if unknown", (log) =>
      seconds(backlog[log].ageMs),
    ),
    ...of("log_bytes", "Bytes stored, tail included", (log) => outbox.logs[log].bytes),
    ...of("log_bytes_max", "Bytes that may be stored", (log) => {
      return outbox.logs[log].bytesMax;
    }),
    gauge(
      "drain_seconds",
      "Until all is taken at this pace, -1 if not foreseeable",
      seconds(outbox.drainMs),
    ),
    gauge("disk_free_bytes", "Bytes free on the disk, -1 if not watched", outbox.freeBytes ?? -1),
    counter(
      "not_admitted_total",
      "Events not admitted because the outbox was full",
      outbox.refused,
    ),
    counter(
      "thinned_total",
      "Events that became part of a roll-up, since the outbox was made",
      given.thinned,
    ),
    ...[...reasons].map((reason) => {
      const help = "Events given up unsent, since the outbox was made";
      return counter("lost_total", help, given.lost[reason] ?? 0, { reason });
    }),
    counter("block_bytes_total", "Bytes of blocks written", outbox.writtenBytes),
    counter(
      "disk_written_bytes_total",
      "Bytes this process wrote to disks, 0 where nobody counts",
      disk.writtenBytes ?? 0,
    ),
    gauge(
      "write_amplification",
      "Bytes written to disks for each byte of blocks, -1 if unknown",
      wear?.amplification ?? -1,
    ),
    gauge(
      "disk_bytes_per_day",
      "Bytes written in a day like this, -1 if unknown",
      wear?.bytesPerDay ?? -1,
    ),
    gauge(
      "card_wear_per_year",
      `Share of a card's life that a year like this takes, at ${cardCycles} cycles; -1 if unknown`,
      wear?.perYear ?? -1,
    ),
  ];
}

export function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.max(0, Math.min(4, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 1_024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}

export function durationText(ms: number): string {
  const units: readonly [string, number][] = [
    ["d", dayMs],
    ["h", 3_600_000],
    ["min", 60_000],
  ];
  const [unit, each] = units.find(([, size]) => ms >= 2 * size) ?? ["s", 1_000];
  return `${Math.round(ms / each)} ${unit}`;
}

function backlogText({ backlog }: OutboxUsage, log: Log): string {
  const { events, bytes, ageMs } = backlog[log];
  if (events === 0) return "nothing";
  const age = ageMs === undefined ? "of unknown age" : `up to ${durationText(ageMs)} old`;
  return `${events} events, ${bytesText(bytes)}, ${age}`;
}

function roomText(outbox: OutboxUsage, log: Log): string {
  const { bytes, bytesMax } = outbox.logs[log];
  return `${log} ${bytesText(bytes)} of ${bytesText(bytesMax)}`;
}

export function lossesText(lost: Readonly<Record<string, number>>): string {
  const told = Object.entries(lost).map(([reason, events]) => `${events} events (${reason})`);
  return told.join(", ") || "nothing";
}

function wearText({ amplification, bytesPerDay, perYear }: Wear): string {
  const times = amplification === undefined ? "" : `, ${amplification.toFixed(1)} times the events`;
  const share = (perYear * 100).toPrecision(2);
  return `${bytesText(bytesPerDay)} a day${times}, some ${share} % of a card's life a year`;
}

function seconds(ms: number | undefined): number {
  return ms === undefined ? -1 : ms / 1_000;
}

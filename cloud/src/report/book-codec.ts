/**
 * The book with the ledgers that it was folded by, as the stage keeps it on ENGINE:
 *
 *   report.state.<n>   first line: `<version> <commit> <count of pieces>`; the first of them begins a
 *                      base64 text, the others go on with it: JSON, compressed by zstd
 *
 * Pieces of another commit than the checkpoint names are none.
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import type { BookBounds, Course, GatewayBook } from "./fleet-book.ts";
import { FleetBook } from "./fleet-book.ts";
import type { PausesRow } from "./pauses.ts";
import { Pauses } from "./pauses.ts";
import type { Period } from "./period.ts";
import type { AlertSum, GatewaySums, Lost, OpenAlert } from "./period-sums.ts";
import { PeriodSums } from "./period-sums.ts";

const version = 1;
const pieceCharactersMax = 400 * 1_024;
/** Expanded; some 20,000 devices take 2 MB. */
const stateBytesMax = 256 * 1_024 * 1_024;

export interface KeptBook {
  readonly book: FleetBook;
  readonly marks: readonly Mark[];
  /** Alerts of ENGINE up to here are in it. */
  readonly alertsAt: number;
  /** The last message of each partition. */
  readonly partitions: ReadonlyMap<number, number>;
}

export function encodeBook({ book, marks, alertsAt, partitions }: KeptBook, commit: number) {
  const state = {
    alertsAt,
    partitions: [...partitions],
    marks: marks.map(encodeMark),
    beganAt: book.beganAt ?? null,
    tickAt: book.tickAt ?? null,
    isOverfull: book.isOverfull,
    standstills: book.standstills,
    open: [...book.open.values()],
    gateways: [...book.gateways].map(gatewayRow),
    courses: [...book.courses].map(([name, { sums, next, ...course }]) => ({
      name,
      ...course,
      sums: sums === undefined ? null : sumsRow(sums),
      next: next === undefined ? null : sumsRow(next),
    })),
  };
  const text = zstdCompressSync(JSON.stringify(state)).toString("base64");
  const count = Math.max(1, Math.ceil(text.length / pieceCharactersMax));
  return Array.from({ length: count }, (_, piece) => {
    const part = text.slice(piece * pieceCharactersMax, (piece + 1) * pieceCharactersMax);
    return `${version} ${commit} ${count}\n${part}`;
  });
}

/** Undefined where they are not those of the commit; throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeBook(
  pieces: readonly string[],
  commit: number,
  silentMs: number,
  bounds?: BookBounds,
): KeptBook | undefined {
  const heads = pieces.map((piece) => piece.split("\n", 1)[0]?.split(" ").map(Number) ?? []);
  const [found, own, count = 0] = heads[0] ?? [];
  if (own !== commit) return undefined;
  if (found !== version) {
    throw new CodedError("BATCH_VERSION_UNKNOWN", `a state of reports of version ${found}`);
  }
  const wanted = pieces.slice(0, count);
  if (wanted.length < count || heads.slice(0, count).some(([, one]) => one !== commit))
    return undefined;
  const text = wanted.map((piece) => piece.slice(piece.indexOf("\n") + 1)).join("");
  try {
    const bytes = zstdDecompressSync(Buffer.from(text, "base64"), {
      maxOutputLength: stateBytesMax,
    });
    return keptOf(JSON.parse(bytes.toString("utf8")) as State, silentMs, bounds);
  } catch (cause) {
    throw new CodedError("BATCH_MALFORMED", "a state of reports that cannot be read", { cause });
  }
}

interface State {
  readonly alertsAt: number;
  readonly partitions: readonly [number, number][];
  readonly marks: readonly string[];
  readonly beganAt: number | null;
  readonly tickAt: number | null;
  readonly isOverfull: boolean;
  readonly standstills: readonly Period[];
  readonly open: readonly OpenAlert[];
  readonly gateways: readonly GatewayRow[];
  readonly courses: readonly CourseRow[];
}

type GatewayRow = readonly [
  name: string,
  heardFrom: number,
  heardTo: number,
  outages: readonly Period[],
  pauses: PausesRow,
  devices: readonly (readonly [string, PausesRow])[],
];

interface SumsRow extends Period {
  readonly since: number;
  readonly gateways: readonly (readonly [
    string,
    Omit<GatewaySums, "lost"> & { readonly lost: readonly (readonly [string, Lost])[] },
  ])[];
  readonly alerts: readonly (readonly [string, AlertSum])[];
  readonly endedLater: readonly OpenAlert[];
  readonly counts: readonly [number, number, number];
}

type CourseRow = Omit<Course, "sums" | "next"> & {
  readonly name: string;
  readonly sums: SumsRow | null;
  readonly next: SumsRow | null;
};

function gatewayRow([name, gateway]: readonly [string, GatewayBook]): GatewayRow {
  const { heardFrom, heardTo, outages, pauses, devices } = gateway;
  const rows = [...devices].map(([device, own]) => [device, own.row()] as const);
  return [name, heardFrom, heardTo, outages, pauses.row(), rows];
}

function sumsRow(sums: PeriodSums): SumsRow {
  const { from, to, since, gateways, alerts, endedLater } = sums;
  return {
    ...{ from, to, since, endedLater },
    gateways: [...gateways].map(([name, own]) => [name, { ...own, lost: [...own.lost] }]),
    alerts: [...alerts],
    counts: [sums.alertsOmitted, sums.alertsEarlier, sums.notTaken],
  };
}

function keptOf(state: State, silentMs: number, bounds?: BookBounds): KeptBook {
  const book = new FleetBook(silentMs, bounds);
  book.beganAt = state.beganAt ?? undefined;
  book.tickAt = state.tickAt ?? undefined;
  book.isOverfull = state.isOverfull;
  book.standstills = [...state.standstills];
  for (const alert of state.open) book.open.set(alert.id, alert);
  for (const [name, heardFrom, heardTo, outages, pauses, devices] of state.gateways) {
    const rows = devices.map(([device, row]) => [device, Pauses.from(row)] as const);
    const heard = { heardFrom, heardTo, outages: [...outages] };
    book.gateways.set(name, { ...heard, pauses: Pauses.from(pauses), devices: new Map(rows) });
    book.devices += rows.length;
  }
  for (const { name, sums, next, ...course } of state.courses) {
    const periods = { sums: sumsOf(sums), next: sumsOf(next) };
    book.courses.set(name, { ...course, ...periods });
  }
  const { alertsAt, partitions, marks } = state;
  return { book, alertsAt, partitions: new Map(partitions), marks: marks.map(decodeMark) };
}

function sumsOf(row: SumsRow | null): PeriodSums | undefined {
  if (row === null) return undefined;
  const sums = new PeriodSums(row, row.since);
  for (const [name, { lost, ...own }] of row.gateways)
    sums.gateways.set(name, { ...own, lost: new Map(lost) });
  for (const [key, sum] of row.alerts) sums.alerts.set(key, sum);
  sums.endedLater.push(...row.endedLater);
  [sums.alertsOmitted, sums.alertsEarlier, sums.notTaken] = row.counts;
  return sums;
}

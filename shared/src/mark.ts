/**
 * The mark: what the engine has taken of one gateway, committed, and to the edge the cumulative
 * acknowledgement. It names the epochs that something happened to of late, and those that owe
 * something; with the pages beside it (epoch-page.ts) it is the gateway's whole ledger.
 *
 *   { "v": 1, "c": commit number, "g": gateway, "run": newest epoch seen on live | null,
 *     "e": [[epoch, through telemetry, through priority, end telemetry | null, end priority | null,
 *            [[log index, from, to, state, reason], …],
 *            predecessor: row number where its ends are those of that row |
 *              [epoch, end telemetry, end priority] | null where a store began with the epoch |
 *              false or absent while it is not known,
 *            1 where of all that came before the epoch what the mark does not name is taken; and 2
 *              more where an epoch that names this one as its predecessor stands in a page alone], …],
 *     "d": [[epoch, log, expected position, nonce, "expected" | "refused" | "version", reason], …],
 *     "cap": bytes per second that the gateway may send; absent while it may send freely,
 *     "p": [count of pages, count of rows in the last one, highest ordinal that stands in one,
 *           highest ordinal that is forgotten],
 *     "runs": [newest epoch seen on live of each other branch, …],
 *     "f": [current branch, 1 while the trunk is alive, [epoch, "restored" | "conflict", 1 while
 *           alive], …]: forks in the gateway's life; branch -1 is the trunk, n that of fork n,
 *     "s": [[rule, what, id, firing since in ms, last seen in ms, count], …]: open alerts about the
 *           gateway itself,
 *     "h": [[epoch, log index, from, to], …]: what the journal lost, told and not yet behind a snapshot,
 *     "u": [sequence of the journal's message through which the rest is counted, day since 1970, bytes and
 *           events of that day, bytes of an event, ms of the newest judgement or null, events and live
 *           events since, events per second, what the buckets of both hold, 1 where all are over the
 *           quota and 2 more where live ones are, the quota's cap and the stream's, each 0 for none]:
 *           where the gateway has a quota,
 *     "t": [number, ms] of the newest tick that had its effect on the gateway's rules,
 *     "rd": number of the newest message of the cloud's own lane that was taken }
 *
 * Readers skip unknown keys and trailing elements. An epoch that is not named counts as taken to its
 * end where a later one of the same store says so, as before where it may stand in a page, else as 0.
 */
import type { Ends, EpochId } from "./batch-codec.ts";
import { epochOrdinal } from "./batch-codec.ts";
import { CodedError } from "./errors.ts";
import type { Log } from "./event.ts";
import { logs } from "./event.ts";
import { shown } from "./shown.ts";

export const markVersion = 1;

export const stretchStates = ["dead", "thinned", "lost"] as const;
export type StretchState = (typeof stretchStates)[number];

/** Positions that were not simply taken. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly state: StretchState;
  readonly reason: string;
}

export interface LogLedger {
  readonly through: number;
  /** Last position of the log, once its epoch is closed and that was told. */
  readonly end: number | undefined;
  readonly stretches: readonly Stretch[];
}

export interface Predecessor {
  readonly epoch: EpochId;
  readonly ends: Ends;
}

export interface EpochLedger {
  readonly epoch: EpochId;
  readonly logs: Readonly<Record<Log, LogLedger>>;
  /** Null where a store began with the epoch; undefined while it is not known. */
  readonly before?: Predecessor | null | undefined;
  /** In a mark: what came before the epoch is taken, but for what the mark names. */
  readonly coversBefore?: boolean | undefined;
  /** In a mark: an epoch that comes next after it is known, and the mark does not name it. */
  readonly hasPagedNext?: boolean | undefined;
}

/** A stretch that its epoch's row has no room for. */
export interface LooseStretch {
  readonly epoch: EpochId;
  readonly log: Log;
  readonly stretch: Stretch;
}

/** What a mark says of the pages beside it. */
export interface Paged {
  readonly pages: number;
  /** In the last one. */
  readonly rows: number;
  /** The highest ordinal of an epoch in a page. */
  readonly ordinal: number;
  /** The highest ordinal of an epoch that was forgotten, 0 where none was. */
  readonly forgotten: number;
}

/** Where the gateway's life forks: its store was put back, began anew, or runs twice. */
export interface Fork {
  /** The first epoch of the branch. */
  readonly epoch: EpochId;
  /** A conflict once both sides brought something after it. */
  readonly state: "restored" | "conflict";
  /** Brought something since the newest fork. */
  readonly isAlive: boolean;
}

export interface ForkBook {
  readonly forks: readonly Fork[];
  /** The branch that brought something last: the fork's place in `forks`, or -1 for the trunk. */
  readonly current: number;
  readonly isTrunkAlive: boolean;
}

/** An alert about the gateway itself that goes on. */
export interface OpenCondition {
  readonly rule: string;
  /** Tells it from others of the same rule that are open. */
  readonly what: string;
  readonly id: string;
  readonly firingAt: number;
  readonly lastAt: number;
  readonly count: number;
}

/** Positions that the journal no longer has. */
export interface Hole {
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
}

/**
 *   refused   of the batch: it goes again in parts, and what is at fault as a stub
 *   version   the cloud is too old to read it: the gateway keeps it until the cloud is upgraded
 *   expected  another position comes next
 *
 * A gateway answers the first that is about a batch of its own: in this order.
 */
export const doubtKinds = ["refused", "version", "expected"] as const;

/** What the engine could not take since its last commit. */
export interface Doubt {
  readonly epoch: EpochId;
  readonly log: Log;
  /** The position that comes next. */
  readonly expected: number;
  /** The nonce of the batch that was not taken. */
  readonly nonce: string;
  readonly kind: (typeof doubtKinds)[number];
  readonly reason: string;
}

/** How much a gateway sends, and what its quota makes of that. */
export interface Use {
  /** Of the journal, counted last. */
  readonly sequence: number;
  readonly day: number;
  /** Of that day. */
  readonly bytes: number;
  readonly events: number;
  /** Of one event, of late. */
  readonly eventBytes: number;
  readonly judgedAt: number | undefined;
  /** Since then. */
  readonly newEvents: number;
  readonly newLive: number;
  /** Of late. */
  readonly perSecond: number;
  /** In the bucket of events per second. */
  readonly level: number;
  readonly liveLevel: number;
  readonly isOver: boolean;
  readonly isLiveOver: boolean;
  readonly quotaCap: number | undefined;
  readonly streamCap: number | undefined;
}

export interface Mark {
  readonly commit: number;
  readonly gateway: string;
  readonly run: EpochId | undefined;
  readonly epochs: readonly EpochLedger[];
  readonly doubts: readonly Doubt[];
  /** Bytes per second that the gateway may send; undefined while it may send freely. */
  readonly cap: number | undefined;
  /** Undefined while all epochs are named. */
  readonly paged?: Paged | undefined;
  /** The newest epochs seen on live of other branches than that of `run`. */
  readonly runs?: readonly EpochId[] | undefined;
  readonly forks?: ForkBook | undefined;
  readonly open?: readonly OpenCondition[] | undefined;
  readonly holes?: readonly Hole[] | undefined;
  /** The newest tick that had its effect on the gateway's rules. */
  readonly tick?: { readonly n: number; readonly at: number } | undefined;
  /** How much the gateway sends, where it has a quota; gateway-use.ts in the cloud keeps it. */
  readonly use?: Use | undefined;
  /** The newest message of lane `redrive` that was taken. */
  readonly redriven?: number | undefined;
}

export const emptyLogLedger: LogLedger = { through: 0, end: undefined, stretches: [] };

export function encodeMark(mark: Mark): string {
  const epochs = epochRows(mark.epochs);
  const doubts = mark.doubts.map((doubt) => [
    doubt.epoch,
    doubt.log,
    doubt.expected,
    doubt.nonce,
    doubt.kind,
    doubt.reason,
  ]);
  return JSON.stringify({
    v: markVersion,
    c: mark.commit,
    g: mark.gateway,
    run: mark.run ?? null,
    e: epochs,
    ...(doubts.length > 0 ? { d: doubts } : {}),
    ...(mark.cap === undefined ? {} : { cap: mark.cap }),
    ...(mark.paged === undefined ? {} : { p: pagedRow(mark.paged) }),
    ...(isFilled(mark.runs) ? { runs: mark.runs } : {}),
    ...(mark.forks === undefined ? {} : { f: forkRows(mark.forks) }),
    ...(isFilled(mark.open) ? { s: mark.open.map(conditionRow) } : {}),
    ...(isFilled(mark.holes) ? { h: mark.holes.map(holeRow) } : {}),
    ...(mark.tick === undefined ? {} : { t: [mark.tick.n, mark.tick.at] }),
    ...(mark.use === undefined ? {} : { u: useRow(mark.use) }),
    ...(mark.redriven === undefined ? {} : { rd: mark.redriven }),
  });
}

function pagedRow({ pages, rows, ordinal, forgotten }: Paged): number[] {
  return [pages, rows, ordinal, forgotten];
}

export function epochRows(epochs: readonly EpochLedger[]): unknown[][] {
  const rows = new Map(epochs.map(({ epoch }, row) => [epoch, row]));
  return epochs.map((own) => {
    const { epoch, before, logs: ledgers } = own;
    const { telemetry, priority } = ledgers;
    const flags = (own.coversBefore ? 1 : 0) + (own.hasPagedNext ? 2 : 0);
    const stretches = [...stretchRows(telemetry, 0), ...stretchRows(priority, 1)];
    return [
      epoch,
      telemetry.through,
      priority.through,
      telemetry.end ?? null,
      priority.end ?? null,
      ...(stretches.length > 0 || before !== undefined || flags > 0 ? [stretches] : []),
      ...(before === undefined ? [] : [before && predecessorCell(before, epochs, rows)]),
      ...(before === undefined && flags > 0 ? [false] : []),
      ...(flags > 0 ? [flags] : []),
    ];
  });
}

function isFilled<Element>(list: readonly Element[] | undefined): list is readonly Element[] {
  return list !== undefined && list.length > 0;
}

/** In the life of one store the predecessor's own row says its ends; then its number is enough. */
function predecessorCell(
  { epoch, ends }: Predecessor,
  epochs: readonly EpochLedger[],
  rows: ReadonlyMap<EpochId, number>,
): unknown {
  const row = rows.get(epoch);
  const found = row === undefined ? undefined : epochs[row]?.logs;
  const isSame = logs.every((log) => found?.[log].end === ends[log]);
  return isSame ? row : [epoch, ends.telemetry, ends.priority];
}

function forkRows({ forks, current, isTrunkAlive }: ForkBook): unknown[] {
  const rows = forks.map(({ epoch, state, isAlive }) => [epoch, state, isAlive ? 1 : 0]);
  return [current, isTrunkAlive ? 1 : 0, ...rows];
}

function conditionRow({ rule, what, id, firingAt, lastAt, count: of }: OpenCondition): unknown[] {
  return [rule, what, id, firingAt, lastAt, of];
}

function useRow(use: Use): unknown[] {
  const {
    sequence,
    day,
    bytes,
    events,
    eventBytes,
    judgedAt = null,
    newEvents,
    newLive,
    perSecond,
  } = use;
  const flags = (use.isOver ? 1 : 0) + (use.isLiveOver ? 2 : 0);
  return [
    ...[sequence, day, bytes, events, eventBytes, judgedAt, newEvents, newLive, perSecond],
    ...[use.level, use.liveLevel, flags, use.quotaCap ?? 0, use.streamCap ?? 0],
  ];
}

function holeRow({ epoch, log, from, to }: Hole): unknown[] {
  return [epoch, logs.indexOf(log), from, to];
}

/** Throws BATCH_MALFORMED. */
export function looseOf(row: unknown): LooseStretch {
  const [epoch, ...stretch] = Array.isArray(row) ? (row as unknown[]) : [];
  return { epoch: epochIdOf(epoch), ...stretchOf(stretch) };
}

export function looseRow({ epoch, log, stretch }: LooseStretch): unknown[] {
  const { from, to, state, reason } = stretch;
  return [epoch, logs.indexOf(log), from, to, state, reason];
}

function stretchRows(ledger: LogLedger, log: number): unknown[][] {
  return ledger.stretches.map(({ from, to, state, reason }) => [log, from, to, state, reason]);
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeMark(text: string): Mark {
  const parsed = parse(text);
  if (parsed["v"] !== markVersion) {
    throw new CodedError("BATCH_VERSION_UNKNOWN", `a mark of version ${shown(parsed["v"])}`);
  }
  const { c, g, run, e, d, cap, p, runs, f, s, h, t, u, rd } = parsed;
  if (!isCount(c) || typeof g !== "string" || !Array.isArray(e))
    return malformed("commit or epochs");
  return {
    commit: c,
    gateway: g,
    run: typeof run === "string" ? run : undefined,
    epochs: epochsOf(e),
    ...(Array.isArray(p) ? { paged: pagedOf(p) } : {}),
    doubts: Array.isArray(d) ? d.map(doubtOf) : [],
    // One of 0 or of another kind would silence a gateway for ever.
    cap: isCount(cap) && cap > 0 ? cap : undefined,
    ...(Array.isArray(runs) ? { runs: runs.map(epochIdOf) } : {}),
    ...(Array.isArray(f) ? { forks: forksOf(f) } : {}),
    ...(Array.isArray(s) ? { open: s.map(conditionOf) } : {}),
    ...(Array.isArray(h) ? { holes: h.map(holeOf) } : {}),
    ...(Array.isArray(t) ? { tick: { n: count(t[0]), at: timeOf(t[1]) } } : {}),
    ...(Array.isArray(u) ? { use: useOf(u) } : {}),
    ...(rd === undefined ? {} : { redriven: count(rd) }),
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // told below, with what was found
  }
  return malformed(shown(text));
}

function malformed(what: string): never {
  throw new CodedError("BATCH_MALFORMED", `a ledger that cannot be read: ${what}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function count(value: unknown): number {
  return isCount(value) ? value : malformed(`count ${shown(value)}`);
}

function epochIdOf(value: unknown): EpochId {
  if (typeof value === "string" && epochOrdinal(value) !== undefined) return value;
  return malformed(`epoch ${shown(value)}`);
}

function pagedOf([pages, rows, ordinal, forgotten]: readonly unknown[]): Paged {
  const places = { pages: count(pages), rows: count(rows) };
  return { ...places, ordinal: count(ordinal), forgotten: count(forgotten) };
}

/** Throws BATCH_MALFORMED. */
export function epochsOf(rows: readonly unknown[]): EpochLedger[] {
  const epochs = rows.map(epochOf);
  return epochs.map((own, at): EpochLedger => {
    const [cell, flags] = (rows[at] as unknown[]).slice(6);
    const isKnown = cell === null || Array.isArray(cell) || typeof cell === "number";
    return {
      ...own,
      ...(isKnown ? { before: predecessorOf(cell, epochs) } : {}),
      ...(flags === 1 || flags === 3 ? { coversBefore: true } : {}),
      ...(flags === 2 || flags === 3 ? { hasPagedNext: true } : {}),
    };
  });
}

function predecessorOf(cell: unknown, epochs: readonly EpochLedger[]): Predecessor | null {
  if (cell === null) return null;
  if (Array.isArray(cell)) {
    const [epoch, telemetry, priority] = cell as unknown[];
    const ends = { telemetry: count(telemetry), priority: count(priority) };
    return { epoch: epochIdOf(epoch), ends };
  }
  const row = epochs[count(cell)];
  const { telemetry, priority } = row?.logs ?? {};
  if (row === undefined || telemetry?.end === undefined || priority?.end === undefined) {
    return malformed(`predecessor ${shown(cell)}`);
  }
  return { epoch: row.epoch, ends: { telemetry: telemetry.end, priority: priority.end } };
}

function forksOf([current, trunk, ...rows]: readonly unknown[]): ForkBook {
  const forks = rows.map((row): Fork => {
    const [epoch, state, alive] = Array.isArray(row) ? (row as unknown[]) : [];
    const known = state === "conflict" ? "conflict" : "restored";
    return { epoch: epochIdOf(epoch), state: known, isAlive: alive === 1 };
  });
  const at = typeof current === "number" && current < forks.length ? current : -1;
  return { forks, current: at, isTrunkAlive: trunk === 1 };
}

function conditionOf(row: unknown): OpenCondition {
  const [rule, what, id, firingAt, lastAt, of] = Array.isArray(row) ? (row as unknown[]) : [];
  const texts = { rule: textOf(rule), what: textOf(what), id: textOf(id) };
  return { ...texts, firingAt: timeOf(firingAt), lastAt: timeOf(lastAt), count: count(of) };
}

function useOf(row: readonly unknown[]): Use {
  const [sequence = 0, day = 0, bytes = 0, events = 0, eventBytes = 0] = row.slice(0, 5).map(count);
  const [newEvents = 0, newLive = 0] = row.slice(6, 8).map(count);
  const [perSecond = 0, level = 0, liveLevel = 0] = row.slice(8, 11).map(numberOf);
  const [flags = 0, quotaCap, streamCap] = row.slice(11, 14).map(count);
  return {
    ...{ sequence, day, bytes, events, eventBytes },
    judgedAt: row[5] === null ? undefined : timeOf(row[5]),
    ...{ newEvents, newLive, perSecond, level, liveLevel },
    ...{ isOver: flags % 2 === 1, isLiveOver: flags >= 2 },
    ...{ quotaCap: quotaCap || undefined, streamCap: streamCap || undefined },
  };
}

/** Of two bounds the one that is in force; undefined is none. */
export function lowestCap(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

function timeOf(value: unknown): number {
  return typeof value === "number" ? value : malformed(`time ${shown(value)}`);
}

function numberOf(value: unknown): number {
  return Number.isFinite(value) ? (value as number) : malformed(`number ${shown(value)}`);
}

function holeOf(row: unknown): Hole {
  const [epoch, logIndex, from, to] = Array.isArray(row) ? (row as unknown[]) : [];
  return { epoch: epochIdOf(epoch), log: logOf(logIndex), from: count(from), to: count(to) };
}

function logOf(index: unknown): Log {
  const log = index === 0 || index === 1 ? logs[index] : undefined;
  return log ?? malformed(`log ${shown(index)}`);
}

function epochOf(row: unknown): EpochLedger {
  if (!Array.isArray(row)) return malformed("an epoch is not a row");
  const [id, telemetry, priority, telemetryEnd, priorityEnd, rows] = row as unknown[];
  const epoch = epochIdOf(id);
  const stretches = (Array.isArray(rows) ? rows : []).map(stretchOf);
  const ledger = (log: Log, through: unknown, end: unknown): LogLedger => ({
    through: count(through),
    end: end === null || end === undefined ? undefined : count(end),
    stretches: stretches.filter((stretch) => stretch.log === log).map((stretch) => stretch.stretch),
  });
  return {
    epoch,
    logs: {
      telemetry: ledger("telemetry", telemetry, telemetryEnd),
      priority: ledger("priority", priority, priorityEnd),
    },
  };
}

function stretchOf(row: unknown): { log: Log; stretch: Stretch } {
  const [logIndex, from, to, stateText, reason] = Array.isArray(row) ? (row as unknown[]) : [];
  const log = logIndex === 0 || logIndex === 1 ? logs[logIndex] : undefined;
  const state = stretchStates.find((known) => known === stateText);
  if (log === undefined || state === undefined) return malformed("a stretch without log or state");
  return { log, stretch: { from: count(from), to: count(to), state, reason: textOf(reason) } };
}

function doubtOf(row: unknown): Doubt {
  const [epoch, logText, expected, nonce, kind, reason] = Array.isArray(row)
    ? (row as unknown[])
    : [];
  const log = logs.find((known) => known === logText);
  if (typeof epoch !== "string" || log === undefined || typeof nonce !== "string") {
    return malformed("a doubt without epoch, log or nonce");
  }
  return {
    epoch,
    log,
    expected: count(expected),
    nonce,
    kind: doubtKinds.find((known) => known === kind) ?? "expected",
    reason: textOf(reason),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

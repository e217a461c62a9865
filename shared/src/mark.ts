/**
 * The mark: what the engine has taken of one gateway, committed. It is the gateway's whole ledger
 * and to the edge the cumulative acknowledgement.
 *
 *   { "v": 1, "c": commit number, "g": gateway, "run": newest epoch seen on live | null,
 *     "e": [[epoch, through telemetry, through priority, end telemetry | null, end priority | null,
 *            [[log index, from, to, state, reason], …]], …],
 *     "d": [[epoch, log, expected position, nonce, "expected" | "refused", reason], …] }
 *
 * Readers skip unknown keys and trailing elements; an epoch that is not named counts as 0.
 */
import type { EpochId } from "./batch-codec.ts";
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

export interface EpochLedger {
  readonly epoch: EpochId;
  readonly logs: Readonly<Record<Log, LogLedger>>;
}

/** What the engine could not take since its last commit. */
export interface Doubt {
  readonly epoch: EpochId;
  readonly log: Log;
  /** The position that comes next. */
  readonly expected: number;
  /** The nonce of the batch that was not taken. */
  readonly nonce: string;
  readonly kind: "expected" | "refused";
  readonly reason: string;
}

export interface Mark {
  readonly commit: number;
  readonly gateway: string;
  readonly run: EpochId | undefined;
  readonly epochs: readonly EpochLedger[];
  readonly doubts: readonly Doubt[];
}

export const emptyLogLedger: LogLedger = { through: 0, end: undefined, stretches: [] };

export function encodeMark(mark: Mark): string {
  const epochs = mark.epochs.map(({ epoch, logs: { telemetry, priority } }) => {
    const stretches = [...stretchRows(telemetry, 0), ...stretchRows(priority, 1)];
    return [
      epoch,
      telemetry.through,
      priority.through,
      telemetry.end ?? null,
      priority.end ?? null,
      ...(stretches.length > 0 ? [stretches] : []),
    ];
  });
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
  });
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
  const { c, g, run, e, d } = parsed;
  if (!isCount(c) || typeof g !== "string" || !Array.isArray(e))
    return malformed("commit or epochs");
  return {
    commit: c,
    gateway: g,
    run: typeof run === "string" ? run : undefined,
    epochs: e.map(epochOf),
    doubts: Array.isArray(d) ? d.map(doubtOf) : [],
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
  throw new CodedError("BATCH_MALFORMED", `a mark that cannot be read: ${what}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function count(value: unknown): number {
  return isCount(value) ? value : malformed(`count ${shown(value)}`);
}

function epochOf(row: unknown): EpochLedger {
  if (!Array.isArray(row)) return malformed("an epoch is not a row");
  const [epoch, telemetry, priority, telemetryEnd, priorityEnd, rows] = row as unknown[];
  if (typeof epoch !== "string" || epochOrdinal(epoch) === undefined)
    return malformed(`epoch ${shown(epoch)}`);
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
    kind: kind === "refused" ? "refused" : "expected",
    reason: textOf(reason),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * Folds one journal message into the ledgers: what is taken from it, and what is told back.
 *
 * An event is late where it came by `history`, where an epoch seen on `live` has it behind it (L6), or
 * where its gateway had it for `heldBackMs` before the journal did: whatever the lane, what it tells
 * of is then no news.
 */
import type { BatchBody, BatchHead, EpochId } from "@causeway/shared/batch-codec.ts";
import { batchPlace, decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Item } from "@causeway/shared/block-codec.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Event, JournalLane, Log } from "@causeway/shared/event.ts";
import { eventId, timeMsMax } from "@causeway/shared/event.ts";
import type { Doubt, Stretch } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { StoredTelemetry } from "@causeway/shared/subjects.ts";
import { parseStoredTelemetry } from "@causeway/shared/subjects.ts";
import type { Redriven } from "../dead/fold-redrive.ts";
import { foldRedrive } from "../dead/fold-redrive.ts";
import type { LedgerBounds } from "../ledger/bounds.ts";
import type { ForkFinding } from "../ledger/forks.ts";
import type { Judgement } from "../ledger/ledger.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { JournalMessage } from "./journal.ts";

/** Shorter, and what is still so is worth waking somebody for. */
export const heldBackMs = 600_000;

export type TimeQuality = "synchronised" | "unsynchronised";

/** An event that took effect, or in a replay had it before. */
export interface TakenEvent {
  readonly id: string;
  readonly gateway: GatewayId;
  readonly lane: JournalLane;
  readonly epoch: EpochId;
  readonly log: Log;
  readonly position: number;
  readonly event: Event;
  readonly receivedAt: number;
  /** When the journal had it, in ms. */
  readonly storedAt?: number;
  readonly timeQuality: TimeQuality;
  readonly late: boolean;
  /** False where a committed mark covers it: it changes detector state and nothing else. */
  readonly effect: boolean;
}

/** What could not be read, for the dead letters. */
export interface DeadItem {
  readonly gateway: GatewayId;
  readonly epoch: EpochId | undefined;
  readonly log: Log | undefined;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly code: string;
  readonly reason: string;
  readonly sequence: number;
  readonly raw: unknown;
}

/** What took effect and is to be told of the gateway itself. */
export type Finding =
  | { readonly kind: "fork"; readonly id: string; readonly fork: ForkFinding }
  | {
      readonly kind: "loss";
      readonly id: string;
      readonly epoch: EpochId;
      readonly log: Log;
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    };

export interface Folded {
  readonly source: StoredTelemetry;
  /** Undefined where the batch does not say. */
  readonly epoch?: EpochId | undefined;
  readonly taken: readonly TakenEvent[];
  readonly dead: readonly DeadItem[];
  readonly doubt: Doubt | undefined;
  readonly findings: readonly Finding[];
  /** More of the message is to be folded by another call: it held more than `readingsMax`. */
  readonly isCut?: boolean;
  /** For the engine alone: what becomes of dead letters. */
  readonly redriven?: Redriven | undefined;
}

/** The ledgers of all gateways that a reader has met. */
export class Ledgers {
  readonly #ledgers = new Map<string, GatewayLedger>();
  readonly #bounds: LedgerBounds | undefined;

  constructor(bounds?: LedgerBounds) {
    this.#bounds = bounds;
  }

  of(gateway: string): GatewayLedger {
    const known = this.#ledgers.get(gateway);
    if (known !== undefined) return known;
    const ledger = new GatewayLedger(gateway, this.#bounds);
    this.#ledgers.set(gateway, ledger);
    return ledger;
  }

  set(ledger: GatewayLedger): void {
    this.#ledgers.set(ledger.gateway, ledger);
  }

  all(): readonly GatewayLedger[] {
    return [...this.#ledgers.values()];
  }
}

/**
 * Undefined where the message is none of a gateway's. Never throws on what a gateway sent. Ends behind
 * the event with which there are `readingsMax`; a batch is refused unopened where that is below 0.
 */
export function foldMessage(
  ledgers: Ledgers,
  message: JournalMessage,
  readingsMax = Number.POSITIVE_INFINITY,
): Folded | undefined {
  const source = parseStoredTelemetry(message.subject);
  if (source === undefined) return undefined;
  const unread = { source, epoch: undefined, taken: [], dead: [], doubt: undefined, findings: [] };
  if (source.lane === "redrive") return foldedRedrive(ledgers, source, message);
  let head: BatchHead;
  try {
    head = decodeHead((name) => message.header(name));
  } catch (failure) {
    const newer = doubtOfNewer(ledgers.of(source.gateway), message, failure);
    if (newer !== undefined) return { ...unread, ...newer };
    return { ...unread, dead: [deadMessage(source.gateway, message, undefined, failure)] };
  }
  const nothing = { ...unread, epoch: head.epoch };
  const ledger = ledgers.of(source.gateway);
  const judged = ledger.judge(head.epoch, head.log, head.from, head.to);
  if (judged.kind === "expected") {
    return { ...nothing, doubt: doubtOf(head, judged.expected, "expected", `got ${head.from}`) };
  }
  if (judged.kind === "repeat") {
    noteHead(ledger, head);
    return nothing;
  }
  if (readingsMax < 0) {
    const reason = "it ended the engine's process each time that it was opened";
    const expected = ledger.expected(head.epoch, head.log);
    return { ...nothing, doubt: doubtOf(head, expected, "refused", reason) };
  }
  try {
    const body = message.body?.() ?? decodeBody(expandBody(message.data));
    checkBody(source, head, body);
    noteHead(ledger, head);
    return { ...nothing, ...takeBody(ledger, source, head, body, message, readingsMax) };
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    const expected = ledger.expected(head.epoch, head.log);
    const kind = failure.code === "BATCH_VERSION_UNKNOWN" ? "version" : "refused";
    return { ...nothing, doubt: doubtOf(head, expected, kind, failure.message) };
  }
}

/** A gateway that is newer than the cloud keeps what this build cannot read: nothing dies of it. */
function doubtOfNewer(
  ledger: GatewayLedger,
  { header }: JournalMessage,
  failure: unknown,
): Pick<Folded, "epoch" | "doubt"> | undefined {
  if (!(failure instanceof CodedError) || failure.code !== "BATCH_VERSION_UNKNOWN")
    return undefined;
  try {
    const place = batchPlace((name) => header(name));
    const expected = ledger.expected(place.epoch, place.log);
    return { epoch: place.epoch, doubt: doubtOf(place, expected, "version", failure.message) };
  } catch {
    return undefined;
  }
}

function foldedRedrive(ledgers: Ledgers, source: StoredTelemetry, message: JournalMessage): Folded {
  const nothing = { source, epoch: undefined, dead: [], doubt: undefined, findings: [] };
  try {
    return { ...nothing, ...foldRedrive(ledgers.of(source.gateway), source, message) };
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    return {
      ...nothing,
      taken: [],
      dead: [deadMessage(source.gateway, message, undefined, failure)],
    };
  }
}

function doubtOf(
  { epoch, log, nonce }: Pick<BatchHead, "epoch" | "log" | "nonce">,
  expected: number,
  kind: Doubt["kind"],
  reason: string,
): Doubt {
  return { epoch, log, expected, nonce, kind, reason: reason.slice(0, 256) };
}

/** Not of a batch that is refused: what it says may be as wrong as its body. */
function noteHead(ledger: GatewayLedger, head: BatchHead): void {
  if (head.end !== undefined) ledger.noteEnd(head.epoch, head.log, head.end);
  ledger.noteBefore(head.epoch, head.before ?? null);
}

/** A gateway must not speak for another, nor a body for another head. */
function checkBody(source: StoredTelemetry, head: BatchHead, body: BatchBody): void {
  const agrees =
    body.gateway === source.gateway &&
    body.epoch === head.epoch &&
    body.log === head.log &&
    body.from === head.from &&
    body.to === head.to;
  if (agrees) return;
  const found = `${body.gateway} ${body.epoch} ${body.log} ${body.from}-${body.to}`;
  throw new CodedError(
    "BATCH_MALFORMED",
    `the body says ${found}, subject and headers say otherwise`,
  );
}

interface Takings {
  readonly taken: TakenEvent[];
  readonly dead: DeadItem[];
  readonly findings: Finding[];
  isCut: boolean;
}

function takeBody(
  ledger: GatewayLedger,
  source: StoredTelemetry,
  head: BatchHead,
  body: BatchBody,
  message: JournalMessage,
  readingsMax: number,
): Takings {
  const takings: Takings = { taken: [], dead: [], findings: [], isCut: false };
  let readings = 0;
  if (source.lane === "live") ledger.noteLive(head.epoch);
  for (const block of body.blocks) {
    const offsetMs = body.boots[block.bootId] ?? Number.NaN;
    const circumstances = { source, head, offsetMs, message };
    for (const item of block.items) {
      const judged = ledger.judge(head.epoch, head.log, item.from, item.to);
      if (judged.kind !== "taken") continue;
      if (readings >= readingsMax) return { ...takings, isCut: true };
      takeItem(ledger, circumstances, item, judged, takings);
      readings += item.event?.kind === "reading" ? item.event.readings.length : 1;
    }
  }
  return takings;
}

interface Circumstances {
  readonly source: StoredTelemetry;
  readonly head: BatchHead;
  /** Of the boot to real time; NaN where it is not known. */
  readonly offsetMs: number;
  readonly message: JournalMessage;
}

/** No object is made here that need not be: it is done for every event, by every reader. */
function takeItem(
  ledger: GatewayLedger,
  { source, head, offsetMs, message }: Circumstances,
  item: Item,
  { from, effect }: Extract<Judgement, { kind: "taken" }>,
  takings: Takings,
): void {
  const { epoch, log } = head;
  const { event, to } = item;
  const { storedAt } = message;
  const isLate = source.lane === "history" || ledger.isLate(epoch, log, to);
  const id = eventId(source.gateway, epoch, log, from);
  if (event === undefined) {
    const reason = item.fault ?? "unreadable";
    const fork = ledger.take(epoch, log, to, { from, to, state: "dead", reason: "malformed" });
    if (!effect) return;
    if (fork !== undefined) takings.findings.push({ kind: "fork", id, fork });
    const dead = { gateway: source.gateway, epoch, log, from, to, sequence: message.sequence };
    takings.dead.push({ ...dead, code: "BATCH_MALFORMED", reason, raw: item.raw });
    return;
  }
  const reason = event.kind === "loss" ? lossReason(event.reason) : undefined;
  if (reason !== undefined && effect) {
    const first = ledger.effectFrom(epoch, log, from);
    takings.findings.push({ kind: "loss", id, epoch, log, from: first, to, reason });
  }
  const stretch = stretchOf(event, from, to, reason);
  const fork = ledger.take(epoch, log, to, stretch);
  if (fork !== undefined) takings.findings.push({ kind: "fork", id, fork });
  // Without an offset that makes sense the time of storing is the best there is, and is marked as such.
  const ownTime = event.bootMs + offsetMs;
  const isDated = Math.abs(ownTime) <= timeMsMax;
  const receivedAt = isDated ? ownTime : storedAt;
  takings.taken.push({
    id,
    gateway: source.gateway,
    lane: source.lane,
    epoch,
    log,
    position: from,
    event,
    receivedAt,
    storedAt,
    timeQuality: isDated ? "synchronised" : "unsynchronised",
    late: isLate || storedAt - receivedAt > heldBackMs,
    effect,
  });
}

/** A roll-up stands for readings that were never sent: accounted for, though not one by one. */
function stretchOf(
  event: Event,
  from: number,
  to: number,
  lost: string | undefined,
): Stretch | undefined {
  if (lost !== undefined) return { from, to, state: "lost", reason: lost };
  return event.kind === "rollup" ? { from, to, state: "thinned", reason: "" } : undefined;
}

/**
 * A gateway gives up only what a mark covered: that it is asked for again, and not kept, is due to
 * an engine that went back.
 */
export function lossReason(reason: string): string {
  return reason === "not-kept" ? "rollback" : reason;
}

function deadMessage(
  gateway: GatewayId,
  message: JournalMessage,
  head: BatchHead | undefined,
  failure: unknown,
): DeadItem {
  return {
    gateway,
    epoch: head?.epoch,
    log: head?.log,
    from: head?.from,
    to: head?.to,
    code: failure instanceof CodedError ? failure.code : "BATCH_MALFORMED",
    reason: reasonOf(failure),
    sequence: message.sequence,
    raw: Buffer.from(message.data).toString("base64").slice(0, 65_536),
  };
}

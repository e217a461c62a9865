/**
 * Folds one journal message into the ledgers: what is taken from it, and what is told back.
 *
 * An event is late where it came by `history`, where an epoch seen on `live` has it behind it (L6), or
 * where its gateway had it for `heldBackMs` before the journal did: whatever the lane, what it tells
 * of is then no news.
 */
import type { BatchBody, BatchHead, EpochId } from "@causeway/shared/batch-codec.ts";
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Block, Item } from "@causeway/shared/block-codec.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Event, Lane, Log } from "@causeway/shared/event.ts";
import { eventId, timeMsMax } from "@causeway/shared/event.ts";
import type { Doubt, Stretch } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { StoredTelemetry } from "@causeway/shared/subjects.ts";
import { parseStoredTelemetry } from "@causeway/shared/subjects.ts";
import type { LedgerBounds } from "../ledger/bounds.ts";
import type { ForkFinding } from "../ledger/forks.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { JournalMessage } from "./journal.ts";

/** Shorter, and what is still so is worth waking somebody for. */
export const heldBackMs = 600_000;

export type TimeQuality = "synchronised" | "unsynchronised";

/** An event that took effect, or in a replay had it before. */
export interface TakenEvent {
  readonly id: string;
  readonly gateway: GatewayId;
  readonly lane: Lane;
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

/** Undefined where the message is none of a gateway's. Never throws on what a gateway sent. */
export function foldMessage(ledgers: Ledgers, message: JournalMessage): Folded | undefined {
  const source = parseStoredTelemetry(message.subject);
  if (source === undefined) return undefined;
  const unread = { source, epoch: undefined, taken: [], dead: [], doubt: undefined, findings: [] };
  let head: BatchHead;
  try {
    head = decodeHead((name) => message.header(name));
  } catch (failure) {
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
  try {
    const body = decodeBody(expandBody(message.data));
    checkBody(source, head, body);
    noteHead(ledger, head);
    return { ...nothing, ...takeBody(ledger, source, head, body, message) };
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    const expected = ledger.expected(head.epoch, head.log);
    return { ...nothing, doubt: doubtOf(head, expected, "refused", failure.message) };
  }
}

function doubtOf(head: BatchHead, expected: number, kind: Doubt["kind"], reason: string): Doubt {
  const { epoch, log, nonce } = head;
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
}

function takeBody(
  ledger: GatewayLedger,
  source: StoredTelemetry,
  head: BatchHead,
  body: BatchBody,
  message: JournalMessage,
): Takings {
  const takings: Takings = { taken: [], dead: [], findings: [] };
  if (source.lane === "live") ledger.noteLive(head.epoch);
  for (const block of body.blocks) {
    const time = timesOf(block, body, message);
    for (const item of block.items) {
      const judged = ledger.judge(head.epoch, head.log, item.from, item.to);
      if (judged.kind !== "taken") continue;
      const isLate = source.lane === "history" || ledger.isLate(head.epoch, head.log, item.to);
      const { effect } = judged;
      const circumstances = { source, head, late: isLate, time, effect, message };
      takeItem(ledger, circumstances, item, judged.from, takings);
    }
  }
  return takings;
}

interface Circumstances {
  readonly source: StoredTelemetry;
  readonly head: BatchHead;
  readonly late: boolean;
  readonly time: (bootMs: number) => {
    readonly receivedAt: number;
    readonly timeQuality: TimeQuality;
  };
  readonly effect: boolean;
  readonly message: JournalMessage;
}

function takeItem(
  ledger: GatewayLedger,
  { source, head, late, time, effect, message }: Circumstances,
  item: Item,
  from: number,
  takings: Takings,
): void {
  const { epoch, log } = head;
  const { event, to } = item;
  const { storedAt } = message;
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
  const dated = time(event.bootMs);
  takings.taken.push({
    id,
    gateway: source.gateway,
    lane: source.lane,
    epoch,
    log,
    position: from,
    event,
    late: late || storedAt - dated.receivedAt > heldBackMs,
    effect,
    storedAt,
    ...dated,
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

/** Without an offset that makes sense the time of storing is the best there is, and is marked as such. */
function timesOf(block: Block, body: BatchBody, message: JournalMessage): Circumstances["time"] {
  const offset = body.boots[block.bootId];
  return (bootMs) => {
    const receivedAt = typeof offset === "number" ? bootMs + offset : Number.NaN;
    const isTime = Math.abs(receivedAt) <= timeMsMax;
    return isTime
      ? { receivedAt, timeQuality: "synchronised" }
      : { receivedAt: message.storedAt, timeQuality: "unsynchronised" };
  };
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

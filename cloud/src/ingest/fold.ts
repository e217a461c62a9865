/** Folds one journal message into the ledgers: what is taken from it, and what is told back. */
import type { BatchBody, BatchHead, EpochId } from "@causeway/shared/batch-codec.ts";
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Block, Item } from "@causeway/shared/block-codec.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Event, Lane, Log } from "@causeway/shared/event.ts";
import { eventId, timeMsMax } from "@causeway/shared/event.ts";
import type { Doubt } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { StoredTelemetry } from "@causeway/shared/subjects.ts";
import { parseStoredTelemetry } from "@causeway/shared/subjects.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import type { JournalMessage } from "./journal.ts";

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

export interface Folded {
  readonly source: StoredTelemetry;
  readonly taken: readonly TakenEvent[];
  readonly dead: readonly DeadItem[];
  readonly doubt: Doubt | undefined;
}

/** The ledgers of all gateways that a reader has met. */
export class Ledgers {
  readonly #ledgers = new Map<string, GatewayLedger>();

  of(gateway: string): GatewayLedger {
    const known = this.#ledgers.get(gateway);
    if (known !== undefined) return known;
    const ledger = new GatewayLedger(gateway);
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
  const nothing = { source, taken: [], dead: [], doubt: undefined };
  let head: BatchHead;
  try {
    head = decodeHead((name) => message.header(name));
  } catch (failure) {
    return { ...nothing, dead: [deadMessage(source.gateway, message, undefined, failure)] };
  }
  const ledger = ledgers.of(source.gateway);
  const judged = ledger.judge(head.epoch, head.log, head.from, head.to);
  if (judged.kind === "expected") {
    return { ...nothing, doubt: doubtOf(head, judged.expected, "expected", `got ${head.from}`) };
  }
  noteEnds(ledger, head);
  if (judged.kind === "repeat") return nothing;
  try {
    const body = decodeBody(expandBody(message.data));
    checkBody(source, head, body);
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

function noteEnds(ledger: GatewayLedger, head: BatchHead): void {
  if (head.end !== undefined) ledger.noteEnd(head.epoch, head.log, head.end);
  if (head.before === undefined) return;
  ledger.noteEnd(head.before.epoch, "telemetry", head.before.ends.telemetry);
  ledger.noteEnd(head.before.epoch, "priority", head.before.ends.priority);
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
}

function takeBody(
  ledger: GatewayLedger,
  source: StoredTelemetry,
  head: BatchHead,
  body: BatchBody,
  message: JournalMessage,
): Takings {
  const takings: Takings = { taken: [], dead: [] };
  if (source.lane === "live") ledger.noteLive(head.epoch);
  const late = source.lane === "history" || ledger.isLate(head.epoch);
  for (const block of body.blocks) {
    const time = timesOf(block, body, message);
    for (const item of block.items) {
      const judged = ledger.judge(head.epoch, head.log, item.from, item.to);
      if (judged.kind !== "taken") continue;
      takeItem(
        ledger,
        { source, head, late, time, effect: judged.effect, message },
        item,
        judged.from,
        takings,
      );
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
  if (event === undefined) {
    const reason = item.fault ?? "unreadable";
    ledger.take(epoch, log, to, { from, to, state: "dead", reason: "malformed" });
    if (!effect) return;
    const dead = { gateway: source.gateway, epoch, log, from, to, sequence: message.sequence };
    takings.dead.push({ ...dead, code: "BATCH_MALFORMED", reason, raw: item.raw });
    return;
  }
  if (event.kind === "loss")
    ledger.take(epoch, log, to, { from, to, state: "lost", reason: event.reason });
  else ledger.take(epoch, log, to);
  takings.taken.push({
    id: eventId(source.gateway, epoch, log, from),
    gateway: source.gateway,
    lane: source.lane,
    epoch,
    log,
    position: from,
    event,
    late,
    effect,
    ...time(event.bootMs),
  });
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

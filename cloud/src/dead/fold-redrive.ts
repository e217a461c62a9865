/** What a message of lane `redrive` yields: every reader of the journal takes it once (L11). */
import type { Event } from "@causeway/shared/event.ts";
import { eventId } from "@causeway/shared/event.ts";
import type { StoredTelemetry } from "@causeway/shared/subjects.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { GatewayLedger } from "../ledger/ledger.ts";
import type { RedriveItem, RedriveMessage } from "./redrive-message.ts";
import { decodeRedrive, redriveHeader, redriveNumber } from "./redrive-message.ts";

export interface FoldedRedrive {
  readonly taken: readonly TakenEvent[];
  /** For the engine alone. */
  readonly redriven: Redriven | undefined;
}

/** What becomes of the letters that it names. */
export interface Redriven {
  readonly message: RedriveMessage;
  readonly effect: boolean;
  /** To be judged by rules, by the letter's id: all else have these events already. */
  readonly judged: readonly TakenEvent[];
}

/** Throws a CodedError where it cannot be read. */
export function foldRedrive(
  ledger: GatewayLedger,
  source: StoredTelemetry,
  message: JournalMessage,
): FoldedRedrive {
  const number = redriveNumber(message.header(redriveHeader));
  const decoded = decodeRedrive(message.data);
  if (decoded.gateway !== source.gateway || decoded.number !== number)
    return { taken: [], redriven: undefined };
  const effect = ledger.takeRedrive(number);
  if (effect === undefined) return { taken: [], redriven: undefined };
  const made = (item: RedriveItem, event: Event, index: number) =>
    takenOf(source, message, effect, item, event, index);
  const wanted = (what: RedriveItem["do"]) =>
    decoded.items.flatMap((item) =>
      item.do === what ? item.events.map((event, index) => made(item, event, index)) : [],
    );
  return {
    taken: wanted("redrive"),
    redriven: { message: decoded, effect, judged: wanted("judge") },
  };
}

function takenOf(
  { gateway }: StoredTelemetry,
  { storedAt }: JournalMessage,
  effect: boolean,
  item: RedriveItem,
  event: Event,
  index: number,
): TakenEvent {
  const { epoch, log, position, at } = item;
  const [receivedAt, isSynchronised] = at;
  const original = eventId(gateway, epoch, log, position);
  return {
    id: item.do === "judge" ? original : redrivenId(original, index),
    gateway,
    lane: "redrive",
    epoch,
    log,
    position,
    event,
    receivedAt,
    storedAt,
    timeQuality: isSynchronised === 1 ? "synchronised" : "unsynchronised",
    late: true,
    effect,
  };
}

/** The same for every redrive of the same letter. */
export function redrivenId(original: string, index: number): string {
  return `${original}/r${index === 0 ? "" : index}`;
}

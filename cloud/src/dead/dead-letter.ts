/**
 * A dead letter: what could not be used, with all that is needed to try it again. Letters of one cause
 * are one group: of the same kind, reason and shape of topic at one gateway.
 */
import { eventId, logs, timeMsMax } from "@causeway/shared/event.ts";
import { digest } from "@causeway/shared/rules/digest.ts";
import { z } from "zod";
import type { DeadItem, TakenEvent } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";

export const letterKinds = [
  /** A device's message that its gateway could not read. */
  "quarantined",
  /** What a gateway sent, and the cloud cannot read. */
  "unreadable",
  /** An event that rules could not judge: they failed, or the process ended by it. */
  "failed",
] as const;
export type LetterKind = (typeof letterKinds)[number];

/** Base64 of so much is kept; of what is larger only the head, and it cannot be redriven. */
export const payloadCharactersMax = 350_000;
const textMax = 1_024;

const text = z.string();
const letterSchema = z.object({
  /** Of its event where it has one, else of its place in the journal. */
  id: text,
  group: text,
  kind: z.enum(letterKinds),
  /** A stable word. */
  reason: text,
  /** What was expected, and what was found. */
  detail: text,
  epoch: text.nullable(),
  log: z.enum(logs).nullable(),
  from: z.int().nullable(),
  to: z.int().nullable(),
  /** In the journal. */
  sequence: z.int(),
  /** When the journal had it, and its gateway, in ms. */
  storedAt: z.number(),
  receivedAt: z.number().min(-timeMsMax).max(timeMsMax),
  timeQuality: z.enum(["synchronised", "unsynchronised"]),
  bootMs: z.int().nullable(),
  device: text.nullable(),
  topic: text.nullable(),
  bytes: z.int(),
  /** Base64 of the bytes; of a failed event its JSON. */
  payload: text,
  isCut: z.literal(true).optional(),
  headers: z.record(text, text).optional(),
  /** How often it was tried before. */
  tries: z.int(),
});
export type DeadLetter = z.infer<typeof letterSchema>;

/** Throws where it is none. */
export function letterOf(json: unknown): DeadLetter {
  return letterSchema.parse(json);
}

const groupDigits = 16;

/** The same for letters of one cause. */
export function groupOf(
  gateway: string,
  { kind, reason, topic }: Pick<DeadLetter, "kind" | "reason" | "topic">,
): string {
  return digest([kind, gateway, reason, topic === null ? null : shapeOf(topic)], groupDigits);
}

/** Levels that name one of many, as those with digits do, stand for all of them. */
export function shapeOf(topic: string): string {
  const levels = topic.split("/").map((level) => (/[0-9]/.test(level) ? "+" : level));
  return levels.join("/").slice(0, 256);
}

/** Of an event of kind `quarantined`. */
export function quarantinedLetter(
  taken: TakenEvent,
  { sequence, storedAt }: Pick<JournalMessage, "sequence" | "storedAt">,
): DeadLetter | undefined {
  const { event, gateway, id, epoch, log, position, receivedAt, timeQuality } = taken;
  if (event.kind !== "quarantined") return undefined;
  const { reason, detail, device, topic, bootMs, bytes } = event;
  const group = groupOf(gateway, { kind: "quarantined", reason, topic });
  const place = { epoch, log, from: position, to: position, sequence, storedAt };
  return {
    ...{ id, group, kind: "quarantined", reason, detail, ...place },
    ...{ receivedAt, timeQuality, bootMs, device, topic, bytes, ...kept(event.payload), tries: 0 },
  };
}

/** Of an event that rules could not judge. */
export function failedLetter(
  taken: TakenEvent,
  { sequence, storedAt }: Pick<JournalMessage, "sequence" | "storedAt">,
  failure: { readonly reason: string; readonly detail: string; readonly tries: number },
): DeadLetter {
  const { event, gateway, epoch, log, position, receivedAt, timeQuality } = taken;
  const { device, topic, bootMs } = event;
  const { reason, tries } = failure;
  const group = groupOf(gateway, { kind: "failed", reason, topic });
  const json = Buffer.from(JSON.stringify(event));
  const place = { epoch, log, from: position, to: position, sequence, storedAt };
  return {
    ...{ id: eventId(gateway, epoch, log, position), group, kind: "failed", reason },
    ...{ detail: failure.detail.slice(0, textMax), ...place, receivedAt, timeQuality, bootMs },
    ...{ device, topic, bytes: json.length, ...kept(json.toString("base64")), tries },
  };
}

const headerNames = [
  ...["Content-Type", "Content-Encoding", "Cw-Version", "Cw-Run", "Cw-Epoch", "Cw-Log"],
  ...["Cw-From", "Cw-To", "Cw-End", "Cw-Before", "Cw-Nonce", "Cw-Watermark", "Cw-Redrive"],
];

/** Of what the journal holds and nobody can read. */
export function unreadableLetter(item: DeadItem, message: JournalMessage): DeadLetter {
  const { gateway, epoch = null, log = null, from = null, to = null, code, reason, raw } = item;
  const { sequence, storedAt } = message;
  const isPlaced = epoch !== null && log !== null && from !== null;
  const payload =
    typeof raw === "string" ? raw : Buffer.from(JSON.stringify(raw) ?? "").toString("base64");
  const headers = Object.fromEntries(
    headerNames.flatMap((name) => {
      const value = message.header(name);
      return value === undefined ? [] : [[name, value.slice(0, 256)]];
    }),
  );
  return {
    id: isPlaced ? eventId(gateway, epoch, log, from) : `${gateway}/journal/${sequence}`,
    group: groupOf(gateway, { kind: "unreadable", reason: code, topic: null }),
    ...{ kind: "unreadable", reason: code, detail: reason.slice(0, textMax) },
    ...{ epoch, log, from, to, sequence, storedAt, receivedAt: storedAt },
    ...{ timeQuality: "unsynchronised", bootMs: null, device: null, topic: null },
    bytes: isPlaced ? Buffer.byteLength(payload, "base64") : message.data.length,
    ...kept(payload),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    tries: 0,
  };
}

function kept(payload: string): Pick<DeadLetter, "payload" | "isCut"> {
  if (payload.length <= payloadCharactersMax) return { payload };
  return { payload: payload.slice(0, payloadCharactersMax), isCut: true };
}

/** Of a tick that the rules of a gateway failed at. */
export function failedTick(
  gateway: string,
  tick: { readonly n: number; readonly at: number },
  sequence: number,
  failure: { readonly reason: string; readonly detail: string; readonly tries: number },
): DeadLetter {
  const { reason, detail, tries } = failure;
  const payload = Buffer.from(JSON.stringify(tick)).toString("base64");
  return {
    id: `${gateway}/clk/${tick.n}`,
    group: groupOf(gateway, { kind: "failed", reason, topic: null }),
    ...{ kind: "failed", reason, detail: detail.slice(0, textMax) },
    ...{ epoch: null, log: null, from: null, to: null, sequence, storedAt: tick.at },
    ...{ receivedAt: tick.at, timeQuality: "synchronised", bootMs: null, device: null },
    ...{ topic: null, bytes: Buffer.byteLength(payload, "base64"), payload, tries },
  };
}

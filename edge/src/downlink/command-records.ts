/**
 * Records of the downlink in the outbox's store.
 *
 *   "d" id    an open command: JSON { v: 1, order, deadline: { boot, ms }, phase, places, body }, framed;
 *             `phase` is accepted, offered or delivered, `places` are those in queues of sessions, and
 *             `body` the command as it came
 *             a closed one: JSON { v: 1, until }, framed
 */
import { decodeCommand, encodeCommand } from "@causeway/shared/command/command.ts";
import { z } from "zod";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Change } from "../outbox/store.ts";
import type { OpenCommand } from "./downlink.ts";

export const commandRecords = { from: Buffer.from("d"), until: Buffer.from("e") };

function keyOf(id: string): Buffer {
  return Buffer.from(`d${id}`);
}

/** Undefined where the key is not of them. */
export function commandIn(key: Uint8Array): string | undefined {
  return key[0] === 0x64 ? Buffer.from(key).toString("latin1", 1) : undefined;
}

const openSchema = z.object({
  v: z.literal(1),
  order: z.number(),
  deadline: z.object({ boot: z.string(), ms: z.number() }),
  phase: z.enum(["accepted", "offered", "delivered"]),
  places: z.record(z.string(), z.number()),
  body: z.string(),
});
const closedSchema = z.object({ v: z.literal(1), until: z.number() });

export function openChange({ command, order, deadline, phase, places }: OpenCommand): Change {
  const isQueued = phase === "offered" && Object.keys(places).length > 0;
  const told = phase === "delivered" ? phase : isQueued ? "offered" : "accepted";
  const body = encodeCommand(command);
  const value = encodeRecord({ v: 1, order, deadline, phase: told, places, body });
  return { kind: "put", key: keyOf(command.id), value };
}

export function closedChange(id: string, until: number): Change {
  return { kind: "put", key: keyOf(id), value: encodeRecord({ v: 1, until }) };
}

export function noCommandChange(id: string): Change {
  return { kind: "delete", key: keyOf(id) };
}

export type FoundCommand =
  | { readonly kind: "open"; readonly open: OpenCommand }
  | { readonly kind: "closed"; readonly until: number };

/** Throws where it cannot be read. */
export function decodeCommandRecord(record: Uint8Array): FoundCommand {
  const json = decodeRecord(record, "a command");
  const closed = closedSchema.safeParse(json);
  if (closed.success) return { kind: "closed", until: closed.data.until };
  const { body, phase, ...found } = openSchema.parse(json);
  const own = { command: decodeCommand(body), order: found.order, deadline: found.deadline };
  const fresh = { direct: 0, ending: undefined, isClosing: false };
  const stands = phase === "accepted" ? "ready" : phase;
  return { kind: "open", open: { ...own, ...fresh, phase: stands, places: found.places } };
}

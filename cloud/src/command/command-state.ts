/**
 * A command with what became of it, folded from the gateway's reply events.
 *
 *   on CMD, under cmdstate.<gateway>.<id>:
 *     { "v": 1, "body": "<the command>", state, detail, at: ms, payload?, encoding? }
 *
 * Folding a reply event again changes nothing: states only go forward, and the first last word stays.
 */
import type { Command } from "@causeway/shared/command/command.ts";
import { decodeCommand, encodeCommand } from "@causeway/shared/command/command.ts";
import type { ReplyEvent } from "@causeway/shared/event.ts";
import { replyStates } from "@causeway/shared/event.ts";
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { z } from "zod";

/** Kept so long behind its expiry. */
export const keptMs = 30 * 86_400_000;
/** The gateway's last word is waited for so long behind the expiry, before it is told without. */
const silentMs = 10_000;

export const commandStates = ["issued", ...replyStates] as const;

const stateSchema = z.object({
  v: z.literal(1),
  body: z.string(),
  state: z.enum(commandStates),
  detail: z.string(),
  at: z.number(),
  payload: z.string().exactOptional(),
  encoding: z.literal("base64").exactOptional(),
});
type Stored = Omit<z.output<typeof stateSchema>, "v" | "body">;

export interface CommandState extends Stored {
  readonly command: Command;
}

export function issued(command: Command): CommandState {
  return { command, state: "issued", detail: "", at: command.issuedAt };
}

export function encodeCommandState({ command, ...stored }: CommandState): string {
  return JSON.stringify({ v: 1, body: encodeCommand(command), ...stored });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeCommandState(text: string): CommandState {
  const { v: _v, body, ...stored } = parseState("command", stateSchema, text);
  return { command: decodeCommand(body), ...stored };
}

const ranks: Readonly<Record<CommandState["state"], number>> = {
  ...{ answered: -1, issued: 0, accepted: 1, delivered: 2 },
  ...{ done: 3, failed: 3, expired: 3, refused: 3 },
};

export function isFinal({ state }: Pick<CommandState, "state">): boolean {
  return ranks[state] === 3;
}

export function isAhead(one: Pick<CommandState, "state">, other: Pick<CommandState, "state">) {
  return ranks[one.state] > ranks[other.state];
}

/** Undefined where it brings nothing new. */
export function folded(
  known: CommandState,
  { state, detail, payload, encoding }: ReplyEvent,
  at: number,
): CommandState | undefined {
  if (!isAhead({ state }, known)) return undefined;
  const answer = {
    ...(payload === undefined ? {} : { payload }),
    ...(encoding === undefined ? {} : { encoding }),
  };
  return { command: known.command, state, detail, at, ...answer };
}

/** Seconds that it is kept from now on. */
export function ttlSeconds({ expiresAt }: Command, now: number): number {
  return Math.ceil((Math.max(expiresAt, now) - now + keptMs) / 1_000);
}

/** A line of `command list --json`, and of /api/commands. */
export interface CommandLine {
  readonly id: string;
  readonly gateway: string;
  readonly device: string;
  readonly name: string;
  readonly state: CommandState["state"];
  readonly detail: string;
  readonly [field: string]: unknown;
}

export function commandLine(state: CommandState, now: number): CommandLine {
  const { command, payload: answer, encoding, at, ...told } = state;
  const { id, gateway, device, name, payload, json, reply, by, causationid } = command;
  const silent = !isFinal(state) && now > command.expiresAt + silentMs;
  const stands = silent
    ? { state: "expired" as const, detail: silentText(state.state) }
    : { state: told.state, detail: told.detail };
  return {
    ...{ id, gateway, device, name, ...stands, payload: json ? JSON.parse(payload) : payload },
    ...{ reply, by, causationid },
    issuedAt: new Date(command.issuedAt).toISOString(),
    expiresAt: new Date(command.expiresAt).toISOString(),
    changedAt: new Date(at).toISOString(),
    ...(answer === undefined ? {} : { answer }),
    ...(encoding === undefined ? {} : { answerEncoding: encoding }),
  };
}

function silentText(state: CommandState["state"]): string {
  return state === "issued"
    ? "the gateway did not fetch it"
    : `it was ${state}, and the gateway has not told what became of it`;
}

export function commandText(line: CommandLine): string {
  const { id, state, gateway, device, name, detail, issuedAt, by } = line;
  const why = detail === "" ? "" : `: ${detail}`;
  const what = `${name} to ${device} (${gateway}) by ${by}`;
  return `${issuedAt}  ${id}  ${state.padEnd(9)}  ${what}${why}`;
}

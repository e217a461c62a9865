/** `causeway-cloud command`: send, list, show. */
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { sleep } from "@causeway/shared/clock.ts";
import { isCommandId, newCommand, withPayload } from "@causeway/shared/command/command.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { commandStream } from "@causeway/shared/subjects.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { CommandParts } from "../cli/nats-commands.ts";
import { connected, engineStore, streamInfo } from "../cli/nats-commands.ts";
import { recordAct } from "../cli/nats-operators.ts";
import { author } from "../cli/system-author.ts";
import type { CommandState } from "./command-state.ts";
import { commandLine, commandText, isFinal } from "./command-state.ts";
import { NatsCommandStore } from "./nats-command-store.ts";

export interface SendFlags {
  readonly payload?: string;
  readonly expires?: string;
  readonly id?: string;
  readonly by?: string;
  readonly reply: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

export interface ListFlags {
  readonly gateway?: string;
  readonly state?: string;
  readonly limit: string;
  readonly json?: boolean;
}

const idDigits = 16;
const lookEveryMs = 200;
/** The gateway's word on the expiry is waited for. */
const waitBeyondMs = 15_000;

async function storeOf(
  connection: NatsConnection,
  parts: CommandParts,
  key: KeyObject | undefined,
): Promise<NatsCommandStore> {
  await streamInfo(connection, commandStream);
  const batches = await engineStore(connection, parts.random);
  const manager = await jetstreamManager(connection);
  return new NatsCommandStore(jetstream(connection), manager, batches, key);
}

/** 1 where it is waited for and does not end as `done`. */
export function sendCommand(
  parts: CommandParts,
  [gateway, device, name]: readonly [string, string, string],
  flags: SendFlags,
  key: KeyObject | undefined,
): Promise<number> {
  const now = parts.clock.wallMs();
  const { expires, id, reply } = flags;
  const by = author(flags.by);
  const asked = { gateway, device, name, reply, by };
  const own = {
    ...(expires === undefined ? {} : { expires }),
    ...(id === undefined ? {} : { id }),
  };
  const made = newCommand({ ...asked, ...own }, now, parts.random.hex(idDigits));
  // As it was written: 1.0 stays 1.0.
  const command = flags.payload === undefined ? made : withPayload(made, textOf(flags.payload));
  return connected(parts, async (connection) => {
    const store = await storeOf(connection, parts, key);
    const sent = await store.send(command, now);
    const on = `${command.gateway}/${command.device} ${command.name} ${command.id}`;
    await recordAct(connection, parts, { act: "command.send", on, detail: "" });
    if (!flags.wait) {
      tell(parts, sent.state, flags.json);
      return exitCodes.good;
    }
    const state = await ended(parts, store, sent.state);
    tell(parts, state, flags.json);
    return state.state === "done" ? exitCodes.good : exitCodes.finding;
  });
}

/** `@file` is read from there. */
function textOf(given: string): string {
  if (!given.startsWith("@")) return given;
  try {
    return readFileSync(given.slice(1), "utf8");
  } catch (failure) {
    throw new CodedError("INPUT_UNREADABLE", `${given.slice(1)}: ${reasonOf(failure)}`);
  }
}

async function ended(
  { clock, signal }: CommandParts,
  store: NatsCommandStore,
  sent: CommandState,
): Promise<CommandState> {
  let state = sent;
  const until = sent.command.expiresAt + waitBeyondMs;
  while (!isFinal(state) && clock.wallMs() < until && !signal.aborted) {
    await sleep(clock, lookEveryMs, signal);
    state = await store.get(sent.command.id);
  }
  return state;
}

export function listCommands(parts: CommandParts, flags: ListFlags): Promise<number> {
  if (!/^[1-9][0-9]{0,6}$/.test(flags.limit))
    throw new CodedError("CLI_USAGE", `--limit ${flags.limit}: write a number`);
  return connected(parts, async (connection) => {
    const store = await storeOf(connection, parts, undefined);
    const { gateway, state } = flags;
    const now = parts.clock.wallMs();
    for (const each of await store.list({ gateway }, Number(flags.limit))) {
      const line = commandLine(each, now);
      if (state !== undefined && line.state !== state) continue;
      parts.write(flags.json ? JSON.stringify(line) : commandText(line));
    }
    return exitCodes.good;
  });
}

export function showCommand(parts: CommandParts, id: string, json = false): Promise<number> {
  return connected(parts, async (connection) => {
    if (!isCommandId(id)) throw new CodedError("COMMAND_UNKNOWN", id.slice(0, 64));
    const store = await storeOf(connection, parts, undefined);
    const line = commandLine(await store.get(id), parts.clock.wallMs());
    parts.write(json ? JSON.stringify(line) : JSON.stringify(line, undefined, 2));
    return exitCodes.good;
  });
}

function tell({ clock, write }: CommandParts, state: CommandState, json = false): void {
  const line = commandLine(state, clock.wallMs());
  write(json ? JSON.stringify(line) : commandText(line));
}

/** `causeway-cloud dlq`: dead letters, listed, tried anew, given up. */
import { readFileSync } from "node:fs";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { engineStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { GatewayGroup, RedriveOutcome } from "../dead/nats-dead-desk.ts";
import { NatsDeadDesk } from "../dead/nats-dead-desk.ts";
import { routesIn } from "../dead/remap.ts";
import { groupText, letterText, outcomeText, settledLines, trialText } from "./dead-text.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, streamInfo } from "./nats-commands.ts";
import { recordAct } from "./nats-operators.ts";
import { author } from "./system-author.ts";

export const deadActs = "list, show GROUP, redrive GROUP, discard GROUP, settled GATEWAY";

export interface DeadFlags {
  readonly gateway?: string;
  readonly id?: readonly string[];
  readonly mapping?: string;
  readonly dryRun?: boolean;
  readonly limit: string;
  readonly reason?: string;
  readonly by?: string;
  readonly json?: boolean;
}

/** Exit 1 where letters stay open that were to be redriven. Throws CLI_USAGE. */
export function deadLetters(
  parts: CommandParts,
  act: string,
  args: readonly string[],
  flags: DeadFlags,
): Promise<number> {
  const [name] = args;
  if (act === "list" && name === undefined) return withDesk(parts, list(parts, flags));
  if (name === undefined || args.length > 1)
    throw new CodedError("CLI_USAGE", `dlq ${act}: write ${deadActs}`);
  if (act === "show") return withDesk(parts, show(parts, name, flags));
  if (act === "redrive") return withDesk(parts, redrive(parts, name, flags));
  if (act === "discard") return withDesk(parts, discard(parts, name, flags));
  if (act === "settled") return withDesk(parts, settled(parts, name, flags));
  throw new CodedError("CLI_USAGE", `dlq ${act}: write ${deadActs}`);
}

type Act = (desk: NatsDeadDesk, connection: NatsConnection) => Promise<number>;

function withDesk(parts: CommandParts, act: Act): Promise<number> {
  return connected(parts, async (connection) => {
    await streamInfo(connection, engineStream);
    const [client, manager] = [jetstream(connection), await jetstreamManager(connection)];
    const { clock, random } = parts;
    return act(new NatsDeadDesk({ jetstream: client, manager, clock, random }), connection);
  });
}

function list({ write }: CommandParts, { gateway = "*", json = false }: DeadFlags): Act {
  return async (desk) => {
    const groups = await desk.groups(gateway === "*" ? "*" : gatewayIn(gateway));
    for (const group of groups) write(json ? JSON.stringify(group) : groupText(group));
    return 0;
  };
}

function show({ write }: CommandParts, name: string, flags: DeadFlags): Act {
  return async (desk) => {
    const { gateway, id: group } = await groupNamed(desk, name);
    const letters = await desk.letters({ gateway, group, ...idsIn(flags) }, limitIn(flags));
    for (const letter of letters) write(flags.json ? JSON.stringify(letter) : letterText(letter));
    return 0;
  };
}

function redrive(parts: CommandParts, name: string, flags: DeadFlags): Act {
  const { mapping, dryRun = false, json = false } = flags;
  const routes = mapping === undefined ? undefined : routesIn(textIn(mapping), mapping);
  const limit = limitIn(flags);
  return async (desk, connection) => {
    const { gateway, id: group, count } = await groupNamed(desk, name);
    const chosen = { gateway, group, ...idsIn(flags), routes, limit };
    if (dryRun) {
      const trials = await desk.trial(chosen);
      for (const trial of trials) parts.write(json ? JSON.stringify(trial) : trialText(trial));
      return trials.some(({ becomes }) => becomes.kind === "refused") ? 1 : 0;
    }
    const onProgress = ({ redriven, discarded }: RedriveOutcome) =>
      parts.warn(`${redriven + discarded} of ${Math.min(count, limit)}`);
    const own = { by: author(flags.by), mapping: mapping ?? "none", onProgress };
    const outcome = await desk.redrive({ ...chosen, ...own });
    const detail = outcomeText(outcome);
    await recordAct(connection, parts, { act: "dlq.redrive", on: `${gateway} ${group}`, detail });
    parts.write(json ? JSON.stringify(outcome) : detail);
    return Object.keys(outcome.refused).length > 0 ? 1 : 0;
  };
}

function discard(parts: CommandParts, name: string, flags: DeadFlags): Act {
  const { reason, json = false } = flags;
  if (reason === undefined || reason.trim() === "")
    throw new CodedError("CLI_USAGE", "dlq discard: say why, by --reason TEXT");
  return async (desk, connection) => {
    const { gateway, id: group } = await groupNamed(desk, name);
    const order = { gateway, group, ...idsIn(flags), limit: limitIn(flags) };
    const discarded = await desk.discard({ ...order, reason, by: author(flags.by) });
    const on = `${gateway} ${group}`;
    await recordAct(connection, parts, { act: "dlq.discard", on, detail: reason });
    parts.write(json ? JSON.stringify({ discarded }) : `${discarded} discarded`);
    return 0;
  };
}

function settled({ write }: CommandParts, name: string, { json = false }: DeadFlags): Act {
  return async (desk) => {
    for (const one of await desk.settled(gatewayIn(name)))
      for (const line of settledLines(one, json)) write(line);
    return 0;
  };
}

const nameDigitsMin = 4;

/** A group's id, or the beginning of one. Throws DEAD_LETTER_UNKNOWN. */
async function groupNamed(desk: NatsDeadDesk, name: string): Promise<GatewayGroup> {
  const groups = await desk.groups();
  const exact = groups.find(({ id }) => id === name);
  const meant = name.length < nameDigitsMin ? [] : groups.filter(({ id }) => id.startsWith(name));
  const [only, ...others] = exact === undefined ? meant : [exact];
  if (only !== undefined && others.length === 0) return only;
  const why = only === undefined ? "see causeway-cloud dlq list" : `${meant.length} begin so`;
  throw new CodedError("DEAD_LETTER_UNKNOWN", `group ${name}: ${why}`);
}

function gatewayIn(name: string) {
  if (isGatewayId(name)) return name;
  throw new CodedError("CLI_USAGE", `${name}: no name of a gateway`);
}

function idsIn({ id = [] }: DeadFlags): { readonly ids?: ReadonlySet<string> } {
  return id.length === 0 ? {} : { ids: new Set(id) };
}

function limitIn({ limit }: DeadFlags): number {
  if (/^[1-9][0-9]{0,6}$/.test(limit)) return Number(limit);
  throw new CodedError("CLI_USAGE", `--limit ${limit}: write a number`);
}

function textIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (failure) {
    throw new CodedError("INPUT_UNREADABLE", `${file}: ${reasonOf(failure)}`);
  }
}

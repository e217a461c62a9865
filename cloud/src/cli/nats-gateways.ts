/** `causeway-cloud gateways add`, `import`, `revoke` and `apply`: who may connect to nats-server. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { gatewaysStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { writeUsers } from "../gateways/file-users.ts";
import type { GatewayEntry, GatewayRequest } from "../gateways/gateway-entry.ts";
import { gatewayRequest } from "../gateways/gateway-entry.ts";
import { listedGateways } from "../gateways/gateway-lines.ts";
import type { Outcome } from "../gateways/nats-gateways.ts";
import { NatsGateways } from "../gateways/nats-gateways.ts";
import type { ReloadSettings } from "../gateways/nats-server-reload.ts";
import { reloadServers, unlessReloading } from "../gateways/nats-server-reload.ts";
import { usersText } from "../gateways/users-file.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, streamInfo } from "./nats-commands.ts";
import { recordAct } from "./nats-operators.ts";
import { author } from "./system-author.ts";

export interface GatewayFlags {
  readonly json?: boolean;
  readonly by?: string;
  readonly note: string;
  readonly site?: string;
  readonly label: readonly string[];
  readonly replace?: boolean;
}

export interface GatewayParts extends CommandParts {
  readonly users: ReloadSettings & { readonly usersFile?: string | undefined };
}

export const accessActs =
  "add NAME [KEY], import FILE|- (CSV, or a JSON object a line), revoke NAME, apply";

/** Undefined where the act is none of these. Throws CLI_USAGE, and what the acts throw. */
export function gatewayAccess(
  parts: GatewayParts,
  act: string,
  args: readonly string[],
  flags: GatewayFlags,
): Promise<number> | undefined {
  const [name = "", key] = args;
  const by = author(flags.by);
  const said = { by, note: flags.note };
  if (act === "add" && args.length >= 1 && args.length <= 2) {
    const { site, replace = false } = flags;
    const own = { key, site, labels: labelsOf(flags.label), replace };
    return one(parts, gatewayRequest({ act, gateway: name, ...own, ...said }), flags);
  }
  if (act === "revoke" && args.length === 1)
    return one(parts, gatewayRequest({ act, gateway: name, ...said }), flags);
  if (act === "import" && args.length === 1) return importAll(parts, name, { ...flags, by });
  if (act === "apply" && args.length === 0) return applyAll(parts, flags);
  return undefined;
}

/** `zone=cold`; an empty value takes the label away. */
function labelsOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((told) => {
      const at = told.indexOf("=");
      if (at > 0) return [told.slice(0, at), told.slice(at + 1)];
      throw new CodedError("CLI_USAGE", `--label ${told}: write name=value`);
    }),
  );
}

/** Each time on a connection of its own, and again where a reload broke it; so `act` may run twice. */
function asked<Result>(
  parts: CommandParts,
  act: (gateways: NatsGateways, connection: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const serve = async (connection: NatsConnection) => {
    await streamInfo(connection, gatewaysStream);
    const manager = await jetstreamManager(connection);
    return act(new NatsGateways(jetstream(connection), manager), connection);
  };
  return unlessReloading(() => connected(parts, serve), parts);
}

function record(parts: GatewayParts, act: string, on: string, detail: string): Promise<void> {
  return asked(parts, (_gateways, connection) => recordAct(connection, parts, { act, on, detail }));
}

async function applyAll(parts: GatewayParts, flags: GatewayFlags): Promise<number> {
  await tellServer(parts, flags);
  await record(parts, "gateway.apply", "", flags.note);
  return 0;
}

async function one(
  parts: GatewayParts,
  request: GatewayRequest,
  flags: GatewayFlags,
): Promise<number> {
  const at = parts.clock.wallMs();
  const [outcome] = await asked(parts, (gateways) => gateways.apply([request], at));
  if (outcome === undefined || outcome.kind === "refused") throw outcome?.failure;
  const { entry, kind } = outcome;
  const detail = [entry.key ?? "", entry.note].join(" ").trim();
  if (kind === "changed") await record(parts, `gateway.${request.act}`, entry.gateway, detail);
  parts.write(flags.json ? JSON.stringify({ outcome: kind, ...entry }) : wordsOf(outcome, entry));
  // Also where nothing changed: the one before may have been broken off in between.
  await tellServer(parts, flags);
  return 0;
}

function wordsOf({ kind }: Outcome, { gateway, key, act }: GatewayEntry): string {
  const may =
    act === "revoked" ? "is revoked" : key === undefined ? "has no key yet" : "may connect";
  return `${gateway} ${may}${kind === "unchanged" ? ", as before" : ""}`;
}

async function importAll(
  parts: GatewayParts,
  file: string,
  flags: GatewayFlags & { readonly by: string },
): Promise<number> {
  const { by, note, replace = false, json = false } = flags;
  const listed = listedGateways(await textOf(file), { by, note, replace });
  const good = listed.filter((each) => typeof each.request !== "string");
  const requests = good.flatMap(({ request }) => (typeof request === "string" ? [] : [request]));
  const at = parts.clock.wallMs();
  const outcomes = await asked(parts, (gateways) => gateways.apply(requests, at));
  const counts = { changed: 0, unchanged: 0, refused: 0 };
  const refuse = (line: number, reason: string) => {
    counts.refused++;
    parts.warn(`line ${line}: ${reason}`);
  };
  for (const { line, request } of listed) if (typeof request === "string") refuse(line, request);
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.kind === "refused") refuse(good[index]?.line ?? 0, reasonOf(outcome.failure));
    else counts[outcome.kind]++;
  }
  const { changed, unchanged, refused } = counts;
  const told = `${changed} added or changed, ${unchanged} as they were, ${refused} refused`;
  await record(parts, "gateway.import", file, told);
  parts.write(json ? JSON.stringify(counts) : told);
  await tellServer(parts, flags);
  return refused > 0 ? 1 : 0;
}

async function textOf(file: string): Promise<string> {
  try {
    return file === "-" ? await text(process.stdin) : readFileSync(file, "utf8");
  } catch (failure) {
    throw new CodedError("INPUT_UNREADABLE", `${file}: ${reasonOf(failure)}`);
  }
}

/** Writes who is permitted, and has nats-server read it; a revoked gateway is cut off by that. */
async function tellServer(parts: GatewayParts, { json = false }: GatewayFlags): Promise<void> {
  const { usersFile, ...how } = parts.users;
  if (usersFile === undefined) {
    parts.warn("nats-server is not told: gateways.usersFile is not set");
    return;
  }
  await asked(parts, (gateways) => writeAll(usersFile, gateways));
  const servers = await reloadServers(parts.settings, how, parts);
  if (servers === undefined) {
    const cure = "nats-server --signal reload=PID, or set gateways.systemSeedFile";
    parts.warn(`${usersFile} is written; have nats-server read it: ${cure}`);
  } else if (!json) parts.write(`nats-server has read ${usersFile}`);
}

async function writeAll(usersFile: string, gateways: NatsGateways): Promise<void> {
  for (;;) {
    const { book, sequence } = await gateways.load();
    writeUsers(usersFile, usersText(book));
    // Another command may have written what it knew before in the meantime.
    if ((await gateways.sequence()) === sequence) return;
  }
}

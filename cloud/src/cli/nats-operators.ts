/** `causeway-cloud operators`, and what commands say of themselves there. */
import { hostname } from "node:os";
import { operateStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { OperatorsQuery } from "../operate/nats-operators-log.ts";
import { NatsOperatorsLog } from "../operate/nats-operators-log.ts";
import type { OperatorsEntry } from "../operate/operators-entry.ts";
import { entryText } from "../operate/operators-entry.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, streamInfo } from "./nats-commands.ts";
import { userName } from "./system-author.ts";

export function operators(
  parts: CommandParts,
  query: OperatorsQuery,
  asJson: boolean,
): Promise<number> {
  return connected(parts, async (connection) => {
    await streamInfo(connection, operateStream);
    const log = await logOf(connection);
    const { entries } = await log.read(query);
    for (const { sequence, ...entry } of entries)
      parts.write(asJson ? JSON.stringify({ id: `${sequence}`, ...entry }) : entryText(entry));
    return 0;
  });
}

async function logOf(connection: NatsConnection): Promise<NatsOperatorsLog> {
  return new NatsOperatorsLog(jetstream(connection), await jetstreamManager(connection));
}

/** What a command has done; that it cannot be recorded is told, and undoes nothing. */
export async function recordAct(
  connection: NatsConnection,
  { clock, warn }: Pick<CommandParts, "clock" | "warn">,
  done: Pick<OperatorsEntry, "act" | "on" | "detail">,
): Promise<void> {
  const who = userName();
  const place = { how: "cli", from: hostname(), scope: "nats" };
  const entry = { at: clock.wallMs(), who, ...place, result: "done" as const, ...done };
  try {
    await (await logOf(connection)).append(entry);
  } catch {
    warn("it is done, and not in the operators' log: a running cloud makes stream OPERATE");
  }
}

/** `causeway-cloud silence`, and `alerts ack`: what people say about alerts. */
import { hostname, userInfo } from "node:os";
import { CodedError } from "@causeway/shared/errors.ts";
import { newAcknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { newSilence, silenceState, silenceText } from "@causeway/shared/operate/silence.ts";
import { acksStream, silencesStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsOperationsStore } from "../operate/nats-operations.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, readTransitions, streamInfo } from "./nats-commands.ts";
import type { SilenceFlags } from "./silence.ts";
import { silenceRequest } from "./silence.ts";

const idDigits = 12;

/** Who sits at this machine, where no one else is named. */
function author(given: string | undefined): string {
  return given ?? `${userInfo().username}@${hostname()}`;
}

export async function operationsStore(connection: NatsConnection): Promise<NatsOperationsStore> {
  for (const stream of [silencesStream, acksStream]) await streamInfo(connection, stream);
  return new NatsOperationsStore(jetstream(connection), await jetstreamManager(connection));
}

export function addSilence(parts: CommandParts, flags: SilenceFlags): Promise<number> {
  const now = parts.clock.wallMs();
  const request = { ...silenceRequest(flags), author: author(flags.author) };
  const silence = newSilence(request, now, parts.random.hex(idDigits));
  return connected(parts, async (connection) => {
    await (await operationsStore(connection)).addSilence(silence);
    parts.write(flags.json ? JSON.stringify(silence) : silenceText(silence, now));
    return 0;
  });
}

/** Those that are over too, with `all`. */
export function listSilences(
  parts: CommandParts,
  { json, all }: Pick<SilenceFlags, "json" | "all">,
): Promise<number> {
  return connected(parts, async (connection) => {
    const now = parts.clock.wallMs();
    const { silences } = await (await operationsStore(connection)).load();
    for (const silence of silences) {
      const state = silenceState(silence, now);
      if (state === "ended" && !all) continue;
      parts.write(json ? JSON.stringify({ ...silence, state }) : silenceText(silence, now));
    }
    return 0;
  });
}

export function endSilence(parts: CommandParts, id: string): Promise<number> {
  return connected(parts, async (connection) => {
    const now = parts.clock.wallMs();
    const silence = await (await operationsStore(connection)).endSilence(id, now);
    parts.write(silenceText(silence, now));
    return 0;
  });
}

export interface AckFlags {
  readonly note: string;
  readonly by: string | undefined;
}

/** Throws ALERT_UNKNOWN where there is no such alert. */
export function acknowledge(parts: CommandParts, id: string, flags: AckFlags): Promise<number> {
  const request = { by: author(flags.by), note: flags.note };
  const own = newAcknowledgement(request, parts.clock.wallMs());
  return connected(parts, async (connection) => {
    const store = await operationsStore(connection);
    const found = await readTransitions(connection, parts, "alert.>");
    if (!found.some((transition) => transition.id === id))
      throw new CodedError("ALERT_UNKNOWN", `${id}: see causeway-cloud alerts --json`);
    await store.acknowledge(id, own);
    parts.write(`${id} is acknowledged by ${own.by}`);
    return 0;
  });
}

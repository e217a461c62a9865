/** `causeway-cloud silence`, and `alerts ack`: what people say about alerts. */
import { CodedError } from "@causeway/shared/errors.ts";
import { newAcknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { matchersText } from "@causeway/shared/operate/labels.ts";
import { newSilence, silenceState, silenceText } from "@causeway/shared/operate/silence.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { acksStream, silencesStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsOperationsStore } from "../operate/nats-operations.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, readTransitions, streamInfo } from "./nats-commands.ts";
import { recordAct } from "./nats-operators.ts";
import type { SilenceFlags } from "./silence.ts";
import { inFlags, silenceRequest, unknownLabels } from "./silence.ts";
import { author } from "./system-author.ts";

const idDigits = 12;

export async function operationsStore(connection: NatsConnection): Promise<NatsOperationsStore> {
  for (const stream of [silencesStream, acksStream]) await streamInfo(connection, stream);
  return new NatsOperationsStore(jetstream(connection), await jetstreamManager(connection));
}

/** Labels that are not in `fleet` are told, since a slip would keep nothing quiet. */
export function addSilence(
  parts: CommandParts,
  flags: SilenceFlags,
  fleet = emptyFleet,
): Promise<number> {
  const now = parts.clock.wallMs();
  const request = { ...silenceRequest(flags), author: author(flags.author) };
  const silence = inFlags(() => newSilence(request, now, parts.random.hex(idDigits)));
  return connected(parts, async (connection) => {
    await (await operationsStore(connection)).addSilence(silence);
    const on = `${silence.id} ${matchersText(silence.matchers)}`;
    await recordAct(connection, parts, { act: "silence.add", on, detail: silence.comment });
    parts.write(flags.json ? JSON.stringify(silence) : silenceText(silence, now));
    for (const label of unknownLabels(silence, fleet))
      parts.warn(`no gateway has a label ${label} so far: is it spelled right?`);
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

export function endSilence(
  parts: CommandParts,
  id: string,
  { json }: Pick<SilenceFlags, "json"> = {},
): Promise<number> {
  return connected(parts, async (connection) => {
    const now = parts.clock.wallMs();
    const silence = await (await operationsStore(connection)).endSilence(id, now);
    await recordAct(connection, parts, { act: "silence.end", on: id, detail: "" });
    parts.write(json ? JSON.stringify({ ...silence, state: "ended" }) : silenceText(silence, now));
    return 0;
  });
}

export interface AckFlags {
  readonly note: string;
  readonly by: string | undefined;
  readonly json?: boolean;
}

/** `given` may be the beginning of an id. Throws ALERT_UNKNOWN where it names no alert, or several. */
export function acknowledge(parts: CommandParts, given: string, flags: AckFlags): Promise<number> {
  const request = { by: author(flags.by), note: flags.note };
  const own = newAcknowledgement(request, parts.clock.wallMs());
  return connected(parts, async (connection) => {
    const store = await operationsStore(connection);
    const found = await readTransitions(connection, parts, "alert.>");
    const id = idOf(given, new Set(found.map((transition) => transition.id)));
    await store.acknowledge(id, own);
    await recordAct(connection, parts, { act: "alert.ack", on: id, detail: own.note });
    if (flags.json) parts.write(JSON.stringify({ id, ...own }));
    else parts.write(`${id} is acknowledged by ${own.by}`);
    return 0;
  });
}

const idDigitsMin = 4;

function idOf(given: string, ids: ReadonlySet<string>): string {
  if (ids.has(given)) return given;
  const meant = given.length < idDigitsMin ? [] : [...ids].filter((id) => id.startsWith(given));
  const [only, ...others] = meant;
  if (only !== undefined && others.length === 0) return only;
  const why = only === undefined ? "see causeway-cloud alerts" : `${meant.length} alerts begin so`;
  throw new CodedError("ALERT_UNKNOWN", `${given}: ${why}`);
}

/** The commands that look into JetStream: audit, alerts; nats-tail.ts has tail. */

import type { AlertMessage, AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { engineStream } from "@causeway/shared/subjects.ts";
import type { StreamInfo } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import { isStreamMissing } from "../ingest/nats-streams.ts";
import { loadLedgers, wholeMarks } from "../ledger/committed.ts";
import { standings, standingText } from "../operate/alert-standing.ts";
import { NatsOperationsStore } from "../operate/nats-operations.ts";
import { alertLines, alertText, idShownDigits } from "./alert-list.ts";
import { auditLines, auditText, isFinding } from "./audit.ts";

export interface CommandParts {
  readonly settings: NatsSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly write: (line: string) => void;
  /** For what is no data: it goes to stderr. */
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
}

const reopenDelayMs = 250;

/** Throws NATS_JETSTREAM_MISSING where a stream is not there. */
export async function streamInfo(
  connection: NatsConnection,
  name: string,
  options?: { readonly subjects_filter: string },
): Promise<StreamInfo> {
  const manager = await jetstreamManager(connection);
  try {
    return await manager.streams.info(name, options);
  } catch (failure) {
    const cure = "causeway-cloud run makes it";
    throw new CodedError("NATS_JETSTREAM_MISSING", `stream ${name}: ${reasonOf(failure)}; ${cure}`);
  }
}

export async function connected<Result>(
  parts: CommandParts,
  act: (connection: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const purpose = { name: "causeway-cloud command", reconnect: true };
  const connection = await connectNats(parts.settings, purpose, parts.random);
  try {
    return await act(connection);
  } finally {
    await connection.close();
  }
}

export async function engineStore(
  connection: NatsConnection,
  random: Random,
): Promise<NatsEngineStore> {
  const manager = await jetstreamManager(connection);
  return new NatsEngineStore(connection, jetstream(connection), manager, random);
}

/** 1 where an epoch that has ended was not taken to its end, or something is not explained. */
export function audit(parts: CommandParts, json: boolean): Promise<number> {
  return connected(parts, async (connection) => {
    const store = await engineStore(connection, parts.random);
    const lines = auditLines(wholeMarks(await loadLedgers(store)));
    for (const line of lines) parts.write(json ? JSON.stringify(line) : auditText(line));
    return lines.some(isFinding) ? 1 : 0;
  });
}

export interface AlertOptions {
  readonly json: boolean;
  /** Only alerts that fire now. */
  readonly openOnly: boolean;
  /** Every transition as it was decided, instead of each alert in its last state. */
  readonly transitions: boolean;
  /** Those of rules in shadow, instead of those that somebody is told of. */
  readonly shadow: boolean;
  /** Of the configuration, for silences by its labels. */
  readonly fleet?: FleetDocument;
}

export function alerts(parts: CommandParts, options: AlertOptions): Promise<number> {
  return connected(parts, async (connection) => {
    const found = await readTransitions(connection, parts, options.shadow ? "shadow.>" : "alert.>");
    if (options.transitions) {
      for (const transition of found) parts.write(JSON.stringify(transition));
      return 0;
    }
    const { fleet = emptyFleet } = options;
    const circumstances = circumstancesOf(await spokenOf(connection), fleet);
    const lines = alertLines(found);
    const open = new Set(lines.flatMap(({ id, state }) => (state === "firing" ? [id] : [])));
    const firing = found.filter(({ id, state }) => state === "firing" && open.has(id));
    const standing = standings(firing, circumstances, parts.clock.wallMs());
    for (const line of lines) {
      if (options.openOnly && line.state !== "firing") continue;
      const own = standing.get(line.id);
      const id = line.id.slice(0, idShownDigits);
      const text = `${id}  ${alertText(line)}${standingText(own)}`;
      parts.write(options.json ? JSON.stringify({ ...line, ...own }) : text);
    }
    return 0;
  });
}

/** A cloud of a former version has no buckets for it. */
async function spokenOf(connection: NatsConnection): Promise<Operations> {
  const manager = await jetstreamManager(connection);
  try {
    return await new NatsOperationsStore(jetstream(connection), manager).load();
  } catch (failure) {
    if (isStreamMissing(failure)) return new Operations();
    throw failure;
  }
}

export async function readTransitions(
  connection: NatsConnection,
  parts: CommandParts,
  filter: string,
): Promise<AlertTransition[]> {
  const texts = await readTexts(connection, parts, filter);
  return texts.flatMap(({ text, storedAt: knownAt }) => {
    // What rules in shadow would have emitted stands there too.
    const { transitions = [] } = JSON.parse(text) as Partial<AlertMessage>;
    return transitions.map((transition) => ({ ...transition, knownAt }));
  });
}

interface StoredText {
  readonly text: string;
  /** In ms. */
  readonly storedAt: number;
}

/** What stands on ENGINE; an interrupted reading goes on behind the last message. */
export async function readTexts(
  connection: NatsConnection,
  { clock, signal }: CommandParts,
  filter: string,
): Promise<readonly StoredText[]> {
  const info = await streamInfo(connection, engineStream, { subjects_filter: filter });
  let remaining = Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  const texts: StoredText[] = [];
  let next = 1;
  while (remaining > 0 && !signal.aborted) {
    const request = { stream: engineStream, subjects: [filter], from: next, signal };
    try {
      for await (const message of readJournal(connection, jetstream(connection), request)) {
        next = message.sequence + 1;
        const text = Buffer.from(message.data).toString("utf8");
        texts.push({ text, storedAt: message.storedAt });
        remaining--;
        if (remaining === 0) break;
      }
    } catch (failure) {
      if (!(failure instanceof JournalInterrupted)) throw failure;
      await sleep(clock, reopenDelayMs, signal);
    }
  }
  return texts;
}

/** The commands that look into JetStream: tail, audit, alerts, streams. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import type { StreamInfo } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { AlertMessage, AlertTransition } from "../alert/alert.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { JournalReader, loadCommitted } from "../ingest/journal-reader.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import { alertLines, alertText } from "./alert-list.ts";
import { auditLines, isIncomplete } from "./audit.ts";
import type { TailFormat, TailFrom } from "./tail.ts";
import { tailLines } from "./tail.ts";

export interface CommandParts {
  readonly settings: NatsSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly write: (line: string) => void;
  /** For what is no data: it goes to stderr. */
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface TailOptions {
  readonly from: TailFrom;
  readonly kind: string;
  readonly format: TailFormat;
  /** Ends after so long without a message, once the journal's end was reached. */
  readonly untilIdleMs: number | undefined;
}

const reopenDelayMs = 250;

/** Throws NATS_JETSTREAM_MISSING where a stream is not there. */
async function streamInfo(
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

async function connected<Result>(
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

/** Prints until the signal is aborted or the journal is idle. */
export function tail(parts: CommandParts, options: TailOptions): Promise<number> {
  return connected(parts, async (connection) => {
    const idle = new AbortController();
    const signal = AbortSignal.any([parts.signal, idle.signal]);
    const watch = watchIdle(parts.clock, options.untilIdleMs, idle);
    const printAfter = options.from === "now" ? await lastSequence(connection) : 0;
    const since =
      typeof options.from === "object" ? options.from.receivedAt : Number.NEGATIVE_INFINITY;
    const reader = await openReader(connection, parts.random);
    let next = 1;
    while (!signal.aborted) {
      const request = { stream: telemetryStream, subjects: ["tlm.>"], from: next, signal };
      try {
        for await (const message of readJournal(connection, jetstream(connection), request)) {
          watch.active();
          next = message.sequence + 1;
          const taken = reader.fold(message).flatMap(({ taken }) => taken);
          if (message.sequence <= printAfter) continue;
          for (const event of taken) {
            if (event.receivedAt < since) continue;
            for (const line of tailLines(event, options.kind, options.format)) parts.write(line);
          }
        }
      } catch (failure) {
        if (!(failure instanceof JournalInterrupted)) throw failure;
        await sleep(parts.clock, reopenDelayMs, signal);
      }
    }
    watch.end();
    if (reader.passed > 0)
      parts.warn(`the journal lost ${reader.passed} events that the engine has`);
    return 0;
  });
}

/** Under what the engine has committed; there may be no engine yet. */
async function openReader(connection: NatsConnection, random: Random): Promise<JournalReader> {
  const store = await engineStore(connection, random);
  try {
    return new JournalReader(await loadCommitted(store, () => lastSequence(connection)));
  } catch (failure) {
    if (!(failure instanceof CodedError) || failure.code !== "NATS_JETSTREAM_MISSING")
      throw failure;
    return new JournalReader({ marks: [], coveredUntil: new Map() });
  }
}

async function lastSequence(connection: NatsConnection): Promise<number> {
  return (await streamInfo(connection, telemetryStream)).state.last_seq;
}

function watchIdle(clock: Clock, untilIdleMs: number | undefined, idle: AbortController) {
  let cancel = () => {};
  const active = () => {
    cancel();
    if (untilIdleMs !== undefined) cancel = clock.after(untilIdleMs, () => idle.abort());
  };
  active();
  return { active, end: () => cancel() };
}

async function engineStore(connection: NatsConnection, random: Random): Promise<NatsEngineStore> {
  const manager = await jetstreamManager(connection);
  return new NatsEngineStore(connection, jetstream(connection), manager, random);
}

/** 1 where an epoch that has ended was not taken to its end. */
export function audit(parts: CommandParts, json: boolean): Promise<number> {
  return connected(parts, async (connection) => {
    const store = await engineStore(connection, parts.random);
    const marks = (await store.loadLast("mark.*.*")).map(({ text }) => decodeMark(text));
    let findings = 0;
    for (const line of auditLines(marks)) {
      if (isIncomplete(line)) findings++;
      const { gateway, epoch, log, through, end, stretches } = line;
      const state = isIncomplete(line) ? "INCOMPLETE" : end === null ? "open" : "complete";
      const lost = stretches.map(
        ({ from, to, state: what, reason }) => `${what} ${from}-${to} (${reason})`,
      );
      const text = [gateway, epoch, log, `through ${through}`, `end ${end ?? "-"}`, state, ...lost];
      parts.write(json ? JSON.stringify(line) : text.join("  "));
    }
    return findings === 0 ? 0 : 1;
  });
}

export interface AlertOptions {
  readonly json: boolean;
  /** Only alerts that fire now. */
  readonly openOnly: boolean;
  /** Every transition as it was decided, instead of each alert in its last state. */
  readonly transitions: boolean;
}

export function alerts(parts: CommandParts, options: AlertOptions): Promise<number> {
  return connected(parts, async (connection) => {
    const found = await readTransitions(connection, parts.signal);
    if (options.transitions) {
      for (const transition of found) parts.write(JSON.stringify(transition));
      return 0;
    }
    for (const line of alertLines(found)) {
      if (options.openOnly && line.state !== "firing") continue;
      parts.write(options.json ? JSON.stringify(line) : alertText(line));
    }
    return 0;
  });
}

async function readTransitions(
  connection: NatsConnection,
  signal: AbortSignal,
): Promise<AlertTransition[]> {
  const info = await streamInfo(connection, engineStream, { subjects_filter: "alert.>" });
  let remaining = Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  const transitions: AlertTransition[] = [];
  if (remaining === 0) return transitions;
  const request = { stream: engineStream, subjects: ["alert.>"], from: 1, signal };
  for await (const message of readJournal(connection, jetstream(connection), request)) {
    const { transitions: own } = JSON.parse(
      Buffer.from(message.data).toString("utf8"),
    ) as AlertMessage;
    transitions.push(...own);
    remaining--;
    if (remaining === 0) break;
  }
  return transitions;
}

export function streams(parts: CommandParts, json: boolean): Promise<number> {
  return connected(parts, async (connection) => {
    for (const name of [telemetryStream, engineStream]) {
      const { config, state } = await streamInfo(connection, name);
      const { messages, bytes, first_seq: first, last_seq: last } = state;
      const { max_bytes: bytesMax, num_replicas: replicas, subjects } = config;
      const line = { name, subjects, messages, bytes, bytesMax, first, last, replicas };
      const used = `${messages} messages, ${bytes} of ${bytesMax} bytes, sequences ${first} to ${last}`;
      parts.write(json ? JSON.stringify(line) : `${name.padEnd(8)}${used}, replicas ${replicas}`);
    }
    return 0;
  });
}

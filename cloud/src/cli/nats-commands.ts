/** The commands that look into JetStream: tail, audit, alerts. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { clockSubject, engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import type { StreamInfo } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { AlertMessage, AlertTransition } from "../alert/alert.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import type { JournalRange } from "../ingest/journal-reader.ts";
import { JournalReader, loadCommitted, nothingCommitted } from "../ingest/journal-reader.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import { loadLedgers, wholeMarks } from "../ledger/committed.ts";
import { alertLines, alertText } from "./alert-list.ts";
import { auditLines, auditText, isFinding } from "./audit.ts";
import type { TailFormat, TailFrom } from "./tail.ts";
import { gapLines, tailLines } from "./tail.ts";

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
    let next = 1;
    const isAtEnd = async () => {
      const { first, last } = await journalRange(connection);
      return Math.max(next, first) > last;
    };
    const watch = watchIdle(parts.clock, options.untilIdleMs, isAtEnd, idle);
    const printAfter = options.from === "now" ? (await journalRange(connection)).last : 0;
    const since =
      typeof options.from === "object" ? options.from.receivedAt : Number.NEGATIVE_INFINITY;
    const reader = await openReader(connection, parts.random);
    watch.active();
    while (!signal.aborted) {
      // Ticks show how far the journal goes: one may be its last message.
      const subjects = ["tlm.>", clockSubject];
      const request = { stream: telemetryStream, subjects, from: next, signal };
      try {
        for await (const message of readJournal(connection, jetstream(connection), request)) {
          next = message.sequence + 1;
          if (message.subject !== clockSubject) watch.active();
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
    for (const line of gapLines(reader.gaps, options.format)) parts.warn(line);
    return 0;
  });
}

/** Under what the engine has committed; there may be no engine yet. */
async function openReader(connection: NatsConnection, random: Random): Promise<JournalReader> {
  const store = await engineStore(connection, random);
  try {
    return new JournalReader(await loadCommitted(store, () => journalRange(connection)));
  } catch (failure) {
    if (!(failure instanceof CodedError) || failure.code !== "NATS_JETSTREAM_MISSING")
      throw failure;
    return new JournalReader(nothingCommitted);
  }
}

async function journalRange(connection: NatsConnection): Promise<JournalRange> {
  const { first_seq: first, last_seq: last } = (await streamInfo(connection, telemetryStream))
    .state;
  return { first, last };
}

/** Counts from the first `active`; what is slow to come is waited for, up to the journal's end. */
function watchIdle(
  clock: Clock,
  untilIdleMs: number | undefined,
  isAtEnd: () => Promise<boolean>,
  idle: AbortController,
) {
  let cancel = () => {};
  const look = async () => {
    if (await isAtEnd().catch(() => false)) idle.abort();
    else active();
  };
  const active = () => {
    cancel();
    if (untilIdleMs !== undefined) cancel = clock.after(untilIdleMs, () => void look());
  };
  return { active, end: () => cancel() };
}

async function engineStore(connection: NatsConnection, random: Random): Promise<NatsEngineStore> {
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
}

export function alerts(parts: CommandParts, options: AlertOptions): Promise<number> {
  return connected(parts, async (connection) => {
    const found = await readTransitions(connection, parts);
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

/** An interrupted reading goes on behind the last message. */
async function readTransitions(
  connection: NatsConnection,
  { clock, signal }: CommandParts,
): Promise<AlertTransition[]> {
  const info = await streamInfo(connection, engineStream, { subjects_filter: "alert.>" });
  let remaining = Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  const transitions: AlertTransition[] = [];
  let next = 1;
  while (remaining > 0 && !signal.aborted) {
    const request = { stream: engineStream, subjects: ["alert.>"], from: next, signal };
    try {
      for await (const message of readJournal(connection, jetstream(connection), request)) {
        next = message.sequence + 1;
        const text = Buffer.from(message.data).toString("utf8");
        transitions.push(...(JSON.parse(text) as AlertMessage).transitions);
        remaining--;
        if (remaining === 0) break;
      }
    } catch (failure) {
      if (!(failure instanceof JournalInterrupted)) throw failure;
      await sleep(clock, reopenDelayMs, signal);
    }
  }
  return transitions;
}

/** `causeway-cloud streams`: how full the streams are, who reads the journal, what holds it back. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import {
  acksStream,
  commandStream,
  devicesStream,
  engineStream,
  notifyStream,
  operateStream,
  readersStream,
  registryStream,
  rulesStream,
  sessionsStream,
  silencesStream,
  telemetryStream,
} from "@causeway/shared/subjects.ts";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { hardFloor } from "../retention/floor.ts";
import { holdsOf } from "../retention/holds.ts";
import type { JournalSession } from "../retention/journal-session.ts";
import { NatsJournalSession } from "../retention/nats-journal-session.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import type { ReaderStore } from "../retention/reader-store.ts";
import { retireReader } from "../retention/registered-reader.ts";
import type { FloorLine, ReaderLine, StreamLine } from "./stream-list.ts";
import { floorText, readerLine, readerText, streamText } from "./stream-list.ts";

const shown = [
  telemetryStream,
  engineStream,
  readersStream,
  rulesStream,
  notifyStream,
  commandStream,
  devicesStream,
  registryStream,
  silencesStream,
  acksStream,
  sessionsStream,
  operateStream,
] as const;

export interface StreamsParts {
  readonly settings: NatsSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly write: (line: string) => void;
}

interface Opened {
  readonly manager: JetStreamManager;
  readonly session: JournalSession;
  readonly readers: ReaderStore;
}

async function opened<Result>(
  { settings, random }: StreamsParts,
  act: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const purpose = { name: "causeway-cloud streams", reconnect: false };
  const connection = await connectNats(settings, purpose, random);
  try {
    const manager = await jetstreamManager(connection);
    const session = new NatsJournalSession(connection, manager);
    return await act({
      manager,
      session,
      readers: new NatsReaderStore(jetstream(connection), manager),
    });
  } finally {
    await connection.close();
  }
}

export function streams(parts: StreamsParts, json: boolean): Promise<number> {
  return opened(parts, async ({ manager, session, readers }) => {
    const found = new Map<string, StreamLine>();
    for (const name of shown) {
      const line = lineOf(await infoOf(manager, name));
      found.set(name, line);
      parts.write(json ? JSON.stringify(line) : streamText(line));
    }
    const { first = 0, last = 0 } = found.get(telemetryStream) ?? {};
    for (const line of await readerLines(parts, session, readers, last)) {
      parts.write(json ? JSON.stringify(line) : readerText(line));
    }
    const floor = await floorLine(session, readers, { first, last });
    parts.write(json ? JSON.stringify(floor) : floorText(floor));
    return 0;
  });
}

/** Throws NATS_JETSTREAM_MISSING where the stream is not there. */
async function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo> {
  try {
    return await manager.streams.info(name);
  } catch (failure) {
    const cure = "causeway-cloud run makes it";
    throw new CodedError("NATS_JETSTREAM_MISSING", `stream ${name}: ${reasonOf(failure)}; ${cure}`);
  }
}

function lineOf({ config, state }: StreamInfo): StreamLine {
  const { messages, bytes, first_seq: first, last_seq: last, first_ts, last_ts } = state;
  const { name, subjects, max_bytes: bytesMax, num_replicas: replicas } = config;
  const isEmpty = messages === 0;
  return {
    name,
    subjects,
    messages,
    bytes,
    bytesMax,
    percent: Math.round((bytes / bytesMax) * 1_000) / 10,
    first,
    last,
    firstAt: isEmpty ? null : Date.parse(first_ts),
    lastAt: isEmpty ? null : Date.parse(last_ts),
    replicas,
  };
}

async function readerLines(
  { clock }: StreamsParts,
  session: JournalSession,
  readers: ReaderStore,
  last: number,
): Promise<readonly ReaderLine[]> {
  const found = await readers.list();
  return Promise.all(
    found.map(async (reader) => {
      const sequence = reader.state?.places[0]?.sequence ?? 0;
      const next = sequence < last ? await session.messageAt(sequence + 1) : undefined;
      return readerLine(reader, { last, nextStoredAt: next?.storedAt, now: clock.wallMs() });
    }),
  );
}

async function floorLine(
  session: JournalSession,
  readers: ReaderStore,
  bounds: { readonly first: number; readonly last: number },
): Promise<FloorLine> {
  const holds = await holdsOf(session, await session.checkpoints(), await readers.list());
  const { sequence, heldBy } = hardFloor(holds, bounds);
  return { floor: sequence, heldBy };
}

/** Throws READER_NAME_UNKNOWN or READER_RUNNING. */
export function retire(parts: StreamsParts, name: string, force: boolean): Promise<number> {
  return opened(parts, async ({ readers }) => {
    await retireReader(readers, name, force ? undefined : parts.clock.wallMs());
    parts.write(`reader ${name} is retired; the journal is no longer kept for it`);
    return 0;
  });
}

/** What `causeway-cloud streams` prints: a line per stream, per registered reader, and the floor. */
import type { StoredReader } from "../retention/reader-store.ts";
import { sequenceOf } from "../retention/reader-store.ts";

export interface StreamLine {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly messages: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly percent: number;
  readonly first: number;
  readonly last: number;
  /** In ms; null where the stream is empty. */
  readonly firstAt: number | null;
  readonly lastAt: number | null;
  readonly replicas: number;
}

export interface ReaderLine {
  readonly reader: string;
  readonly kind: string | null;
  /** Null where it cannot be read, and holds all of the journal. */
  readonly sequence: number | null;
  readonly lagMessages: number;
  /** Age of the first message that it has not worked off; 0 where there is none. */
  readonly lagMs: number;
  /** When its place was written last, in ms. */
  readonly at: number | null;
}

export interface FloorLine {
  readonly floor: number;
  readonly heldBy: string;
}

export interface JournalNow {
  readonly last: number;
  /** Of the first message that the reader has not worked off. */
  readonly nextStoredAt: number | undefined;
  readonly now: number;
}

export function readerLine(
  { name, state }: StoredReader,
  { last, nextStoredAt, now }: JournalNow,
): ReaderLine {
  const sequence = state === undefined ? null : sequenceOf(state);
  return {
    reader: name,
    kind: state?.kind ?? null,
    sequence,
    lagMessages: Math.max(0, last - (sequence ?? 0)),
    lagMs: nextStoredAt === undefined ? 0 : Math.max(0, now - nextStoredAt),
    at: state?.at ?? null,
  };
}

export function streamText(line: StreamLine): string {
  const { name, messages, bytes, bytesMax, percent, first, last, replicas } = line;
  const used = `${messages} messages, ${bytes} of ${bytesMax} bytes (${percent} %)`;
  const from = line.firstAt === null ? "" : ` from ${time(line.firstAt)}`;
  const to = line.lastAt === null ? "" : ` to ${time(line.lastAt)}`;
  return `${name.padEnd(12)}${used}, sequences ${first} to ${last}${from}${to}, replicas ${replicas}`;
}

export function readerText({ reader, kind, sequence, lagMessages, lagMs }: ReaderLine): string {
  const lag = `${lagMessages} messages, ${Math.round(lagMs / 1_000)} s behind`;
  return sequence === null
    ? `reader ${reader}: cannot be read, and holds all of the journal`
    : `reader ${reader} (${kind}): at ${sequence}, ${lag}`;
}

export function floorText({ floor, heldBy }: FloorLine): string {
  return `the journal can be purged up to ${floor}, where it is held back by ${heldBy}`;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

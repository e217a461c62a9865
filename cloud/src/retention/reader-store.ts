/**
 * Registered readers of the journal, in the key-value bucket READERS: nothing that one of them has
 * not worked off is purged. A key is the reader's name, its value
 *
 *   { "v": 1, "sequence": everything up to here had its effect, "subject", "nonce": of the message
 *     there, "at": ms, "kind": text, "generation": n, "writer": hex,
 *     "anchors": [[sequence, subject, nonce | null], …] older places, the newest first }
 *
 * Unknown keys are skipped. A value that cannot be read holds the journal from its first message.
 */
import type { Place } from "../engine/place.ts";

export interface ReaderState {
  /** Where it is, then older places; empty where it has read nothing. */
  readonly places: readonly Place[];
  /** When it was written, in ms. */
  readonly at: number;
  readonly kind: string;
  /** Grows with every process that takes the name over. */
  readonly generation: number;
  /** Drawn by the process that took it over. */
  readonly writer: string;
}

export interface StoredReader {
  readonly name: string;
  /** What the next write expects. */
  readonly revision: number;
  /** Undefined where this build cannot read it. */
  readonly state: ReaderState | undefined;
}

export type WriteOutcome =
  | { readonly kind: "written"; readonly revision: number }
  /** Another revision is there. */
  | { readonly kind: "refused" };

/** Everything is read from the leader; rejects where there is no answer. */
export interface ReaderStore {
  load(name: string): Promise<StoredReader | undefined>;
  list(): Promise<readonly StoredReader[]>;
  /** `expected` is the revision that is there, 0 where there is none. */
  write(name: string, state: ReaderState, expected: number): Promise<WriteOutcome>;
  /** False where it was not there any more. */
  remove(name: string): Promise<boolean>;
}

export function sequenceOf({ places }: ReaderState): number {
  return places[0]?.sequence ?? 0;
}

export function encodeReader({ places, at, kind, generation, writer }: ReaderState): string {
  const [newest, ...anchors] = places;
  return JSON.stringify({
    v: 1,
    sequence: newest?.sequence ?? 0,
    subject: newest?.identity.subject ?? null,
    nonce: newest?.identity.nonce ?? null,
    at,
    kind,
    generation,
    writer,
    anchors: anchors.map(({ sequence, identity: { subject, nonce } }) => [
      sequence,
      subject,
      nonce ?? null,
    ]),
  });
}

export function decodeReader(text: string): ReaderState | undefined {
  const value = objectOf(text);
  if (value === undefined) return undefined;
  const { v, sequence, subject, nonce, at, kind, generation, writer, anchors } = value;
  if (v !== 1 || typeof at !== "number" || typeof kind !== "string") return undefined;
  if (typeof generation !== "number" || typeof writer !== "string") return undefined;
  const rows = Array.isArray(anchors) ? anchors : [];
  const places = sequence === 0 ? [] : [[sequence, subject, nonce], ...rows].map(placeOf);
  const [newest] = places;
  if (sequence !== 0 && newest === undefined) return undefined;
  const known = places.filter((place) => place !== undefined);
  return { places: known, at, kind, generation, writer };
}

function placeOf(row: unknown): Place | undefined {
  const [sequence, subject, nonce] = Array.isArray(row) ? (row as unknown[]) : [];
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 1) return undefined;
  if (typeof subject !== "string") return undefined;
  const identity = { subject, nonce: typeof nonce === "string" ? nonce : undefined };
  return { sequence: sequence as number, identity };
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

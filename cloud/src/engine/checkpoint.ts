/**
 * `ckpt.<partition>`: who may commit, and how far the last commit had read.
 *
 *   { "v": 1, "fence": n, "commit": n, "seq": journal sequence, "nonce": hex,
 *     "snap": [generation, journal sequence, subject and nonce of the message there,
 *              count of shards, hash] }
 *
 * Every write carries a fresh nonce, so that after any doubt the engine can tell its own write from
 * one that has the same numbers after a rollback.
 */
import { CodedError } from "@causeway/shared/errors.ts";

export interface Checkpoint {
  /** Grows with every take-over. */
  readonly fence: number;
  /** Grows with every commit of the partition; the marks carry it. */
  readonly commit: number;
  /** Every message up to this place in the journal was worked off. */
  readonly sequence: number;
  readonly nonce: string;
  /** Undefined where there is none, or none that this build can read. */
  readonly snapshot: SnapshotReference | undefined;
}

/** What tells one message from another at the same sequence after a rollback. */
export interface MessageIdentity {
  readonly subject: string;
  readonly nonce: string | undefined;
}

export interface SnapshotReference {
  readonly generation: string;
  /** The snapshot is the state after every message up to this one. */
  readonly sequence: number;
  readonly identity: MessageIdentity;
  readonly shards: number;
  readonly hash: string;
}

export const noCheckpoint: Checkpoint = {
  fence: 0,
  commit: 0,
  sequence: 0,
  nonce: "",
  snapshot: undefined,
};

export function encodeCheckpoint(checkpoint: Checkpoint): string {
  const { fence, commit, sequence, nonce, snapshot } = checkpoint;
  const head = { v: 1, fence, commit, seq: sequence, nonce };
  if (snapshot === undefined) return JSON.stringify(head);
  const { generation, identity, shards, hash } = snapshot;
  const { subject } = identity;
  const snap = [generation, snapshot.sequence, subject, identity.nonce ?? null, shards, hash];
  return JSON.stringify({ ...head, snap });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeCheckpoint(text: string): Checkpoint {
  const { v, fence, commit, seq, nonce, snap } = JSON.parse(text) as Record<string, unknown>;
  if (v !== 1) throw new CodedError("BATCH_VERSION_UNKNOWN", `a checkpoint of version ${v}`);
  if (typeof fence !== "number" || typeof commit !== "number" || typeof seq !== "number") {
    throw new CodedError(
      "BATCH_MALFORMED",
      `a checkpoint that cannot be read: ${text.slice(0, 80)}`,
    );
  }
  return { fence, commit, sequence: seq, nonce: String(nonce), snapshot: snapshotOf(snap) };
}

/** A snapshot that cannot be read is none: the journal is read from its start instead. */
function snapshotOf(snap: unknown): SnapshotReference | undefined {
  if (!Array.isArray(snap)) return undefined;
  const [generation, sequence, subject, nonce, shards, hash] = snap as unknown[];
  if (typeof generation !== "string" || typeof sequence !== "number") return undefined;
  if (typeof subject !== "string" || typeof shards !== "number" || typeof hash !== "string") {
    return undefined;
  }
  const identity = { subject, nonce: typeof nonce === "string" ? nonce : undefined };
  return { generation, sequence, identity, shards, hash };
}

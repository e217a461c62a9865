/**
 * `ckpt.<partition>`: who may commit, and how far the last commit had read.
 *
 *   { "v": 1, "fence": n, "commit": n, "seq": journal sequence, "nonce": hex }
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
}

export const noCheckpoint: Checkpoint = { fence: 0, commit: 0, sequence: 0, nonce: "" };

export function encodeCheckpoint({ fence, commit, sequence, nonce }: Checkpoint): string {
  return JSON.stringify({ v: 1, fence, commit, seq: sequence, nonce });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeCheckpoint(text: string): Checkpoint {
  const { v, fence, commit, seq, nonce } = JSON.parse(text) as Record<string, unknown>;
  if (v !== 1) throw new CodedError("BATCH_VERSION_UNKNOWN", `a checkpoint of version ${v}`);
  if (typeof fence !== "number" || typeof commit !== "number" || typeof seq !== "number") {
    throw new CodedError(
      "BATCH_MALFORMED",
      `a checkpoint that cannot be read: ${text.slice(0, 80)}`,
    );
  }
  return { fence, commit, sequence: seq, nonce: String(nonce) };
}

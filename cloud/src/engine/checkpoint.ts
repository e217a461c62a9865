/**
 * `ckpt.<partition>`: who may commit, and how far the last commit had read.
 *
 *   { "v": 1, "fence": n, "commit": n, "seq": journal sequence, "nonce": hex,
 *     "places": [[journal sequence, subject, nonce], …], the newest first: the message at `seq` and
 *               older ones at growing distances,
 *     "ahead": [journal sequence, subject, nonce] where marks cover some of what follows "seq",
 *     "tick": [number, time, time since which they came without a gap] of the last one seen,
 *     "rules": name of the rule set then in force,
 *     "began": name of the one by which the journal was read from its start,
 *     "snap": [generation, journal sequence, subject and nonce of the message there,
 *              count of shards, hash, name of the rule set,
 *              number and time of the last tick],
 *     "trial": [starts that came to nothing, [[journal sequence, position, tries], …] begun alone and not
 *               got over, [[journal sequence, id], …] judged no more]; absent while there is nothing }
 *
 * Every write carries a fresh nonce, so that after any doubt the engine can tell its own write from
 * one that has the same numbers after a rollback.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import type { SeenTick } from "../ticks/tick.ts";
import type { Place } from "./place.ts";
import type { Trial } from "./trial.ts";
import { trialOf, trialRow } from "./trial.ts";

export interface Checkpoint {
  /** Grows with every take-over. */
  readonly fence: number;
  /** Grows with every commit of the partition; the marks carry it. */
  readonly commit: number;
  /** Every message up to this place in the journal was worked off. */
  readonly sequence: number;
  readonly nonce: string;
  /** Messages by which the journal is known again, the newest first. */
  readonly places: readonly Place[];
  /**
   * Marks may cover messages up to this one: of a commit that had no room for the whole partition, or
   * the whole of this message.
   */
  readonly ahead: Place | undefined;
  readonly tick: SeenTick | undefined;
  /** Name of the rule set by which alerts were judged; undefined before the first tick. */
  readonly rules: string | undefined;
  /** By this rule set the journal is read from its start; fixed at the first take-over. */
  readonly began?: string | undefined;
  /** Undefined where there is none, or none that this build can read. */
  readonly snapshot: SnapshotReference | undefined;
  /** Undefined where no start came to nothing. */
  readonly trial?: Trial | undefined;
}

export interface SnapshotReference {
  readonly generation: string;
  /** The snapshot is the state after every message up to this one. */
  readonly place: Place;
  readonly shards: number;
  readonly hash: string;
  /** Name of the rule set in force; undefined before the first tick. */
  readonly rules: string | undefined;
  /** The last one up to the place. */
  readonly tick: SeenTick | undefined;
}

export const noCheckpoint: Checkpoint = {
  fence: 0,
  commit: 0,
  sequence: 0,
  nonce: "",
  places: [],
  ahead: undefined,
  tick: undefined,
  rules: undefined,
  snapshot: undefined,
};

export function encodeCheckpoint(checkpoint: Checkpoint): string {
  const { fence, commit, sequence, nonce, places, ahead, tick, rules, began } = checkpoint;
  const { snapshot, trial } = checkpoint;
  return JSON.stringify({
    v: 1,
    fence,
    commit,
    seq: sequence,
    nonce,
    places: places.map(rowOf),
    ahead: ahead && rowOf(ahead),
    tick: tick && [tick.n, tick.at, ...(tick.steadySince === undefined ? [] : [tick.steadySince])],
    rules,
    began,
    snap: snapshot && [
      snapshot.generation,
      ...rowOf(snapshot.place),
      snapshot.shards,
      snapshot.hash,
      snapshot.rules ?? null,
      snapshot.tick && [snapshot.tick.n, snapshot.tick.at],
    ],
    trial: trial && trialRow(trial),
  });
}

function rowOf({ sequence, identity: { subject, nonce } }: Place) {
  return [sequence, subject, nonce ?? null] as const;
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeCheckpoint(text: string): Checkpoint {
  const parsed = JSON.parse(text) as Record<string, unknown>;
  const { v, fence, commit, seq, nonce, places, ahead, tick, rules, began, snap, trial } = parsed;
  if (v !== 1) throw new CodedError("BATCH_VERSION_UNKNOWN", `a checkpoint of version ${v}`);
  if (typeof fence !== "number" || typeof commit !== "number" || typeof seq !== "number") {
    throw new CodedError(
      "BATCH_MALFORMED",
      `a checkpoint that cannot be read: ${text.slice(0, 80)}`,
    );
  }
  return {
    fence,
    commit,
    sequence: seq,
    nonce: String(nonce),
    places: Array.isArray(places) ? places.flatMap((row) => placeOf(row) ?? []) : [],
    ahead: placeOf(ahead),
    tick: tickOf(tick),
    rules: typeof rules === "string" ? rules : undefined,
    ...(typeof began === "string" ? { began } : {}),
    snapshot: snapshotOf(snap),
    ...(trial === undefined ? {} : { trial: trialOf(trial) }),
  };
}

function placeOf(row: unknown): Place | undefined {
  if (!Array.isArray(row)) return undefined;
  const [sequence, subject, nonce] = row as unknown[];
  if (typeof sequence !== "number" || typeof subject !== "string") return undefined;
  return { sequence, identity: { subject, nonce: typeof nonce === "string" ? nonce : undefined } };
}

function tickOf(row: unknown): SeenTick | undefined {
  if (!Array.isArray(row)) return undefined;
  const [n, at, steadySince] = row as unknown[];
  if (typeof n !== "number" || typeof at !== "number") return undefined;
  return { n, at, ...(typeof steadySince === "number" ? { steadySince } : {}) };
}

/** A snapshot that cannot be read is none: the journal is read from its start instead. */
function snapshotOf(snap: unknown): SnapshotReference | undefined {
  if (!Array.isArray(snap)) return undefined;
  const [generation, sequence, subject, nonce, shards, hash, rules, tick] = snap as unknown[];
  const place = placeOf([sequence, subject, nonce]);
  if (typeof generation !== "string" || place === undefined) return undefined;
  if (typeof shards !== "number" || typeof hash !== "string") return undefined;
  const named = typeof rules === "string" ? rules : undefined;
  return { generation, place, shards, hash, rules: named, tick: tickOf(tick) };
}

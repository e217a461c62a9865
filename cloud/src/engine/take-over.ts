/**
 * Takes partitions over: raises the fence, then loads snapshots, marks and open alerts.
 *
 *   T1  The fence is raised before anything is read, so nobody else can commit in between.
 *   T2  A snapshot counts only when its shards are those that a commit named, and when the journal
 *       still holds the message at which it was taken; else the journal is read from its start.
 */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { parseGatewaySubject, partitionCount, subjects } from "@causeway/shared/subjects.ts";
import type { Alerting } from "../alert/alerting.ts";
import type { Checkpoint, MessageIdentity, SnapshotReference } from "./checkpoint.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import type { CommitMessage, CommitOutcome, EngineStore } from "./engine-store.ts";
import type { PartitionCounters } from "./partition.ts";
import { Partition } from "./partition.ts";
import type { GatewaySnapshot } from "./snapshot.ts";
import { decodeSnapshot, snapshotHash } from "./snapshot.ts";

export interface TakeOverParts {
  readonly store: EngineStore;
  /** The message at a sequence, from the leader; undefined where there is none. */
  readonly messageAt: (sequence: number) => Promise<MessageIdentity | undefined>;
  /** The journal's last sequence, from the leader. */
  readonly lastSequence: () => Promise<number>;
  readonly alerting: Alerting;
  readonly random: Random;
  readonly log: Logger;
}

/** A partition that this engine may commit, with what it itself wrote last. */
export interface Held {
  readonly partition: Partition;
  checkpoint: Checkpoint;
  lastSequence: number;
  /** Stored, and to be named by the next whole commit. */
  snapshot: SnapshotReference | undefined;
  /** Journal message that the newest snapshot covers. */
  snapshotSequence: number;
  snapshotAtMs: number;
}

interface Fenced {
  readonly number: number;
  readonly checkpoint: Checkpoint;
  readonly lastSequence: number;
}

export async function takeOver(
  parts: TakeOverParts,
  counters: PartitionCounters,
  nowMs: number,
): Promise<ReadonlyMap<number, Held>> {
  const fenced = await raiseFence(parts);
  const journalLast = await parts.lastSequence();
  const begun = await Promise.all(
    fenced.map((own) => beginPartition(parts, own, journalLast, counters, nowMs)),
  );
  const held = new Map(begun.map((own) => [own.partition.number, own]));
  await restoreCommitted(parts.store, held);
  return held;
}

async function beginPartition(
  parts: TakeOverParts,
  { number, checkpoint, lastSequence }: Fenced,
  journalLast: number,
  counters: PartitionCounters,
  nowMs: number,
): Promise<Held> {
  // After a rollback of the journal what lies behind its end cannot be met again.
  const replayUntil = Math.min(checkpoint.sequence, journalLast);
  const partition = new Partition(number, parts.alerting, replayUntil, counters);
  const snapshot = await usableSnapshot(parts, number, checkpoint.snapshot);
  if (snapshot !== undefined) partition.restoreSnapshot(snapshot.gateways, snapshot.sequence);
  return {
    partition,
    checkpoint: { ...checkpoint, sequence: replayUntil, snapshot: snapshot && checkpoint.snapshot },
    lastSequence,
    snapshot: undefined,
    snapshotSequence: snapshot?.sequence ?? 0,
    snapshotAtMs: nowMs,
  };
}

/** T1. */
async function raiseFence({ store, random }: TakeOverParts): Promise<readonly Fenced[]> {
  const numbers = Array.from({ length: partitionCount }, (_, partition) => partition);
  const found = await store.loadCheckpoints(numbers);
  const raised = [...found].map(([number, { checkpoint, lastSequence }]) => {
    const { fence } = checkpoint;
    return {
      number,
      lastSequence,
      checkpoint: { ...checkpoint, fence: fence + 1, nonce: random.hex(16) },
    };
  });
  const messages = raised.map(({ number, checkpoint, lastSequence }) =>
    checkpointMessage(number, checkpoint, lastSequence),
  );
  const last = committedAt(await store.commit(messages), "the fence was not raised");
  const first = last - messages.length + 1;
  return raised.map((own, index) => ({ ...own, lastSequence: first + index }));
}

interface Usable {
  readonly gateways: readonly GatewaySnapshot[];
  readonly sequence: number;
}

/** T2. */
async function usableSnapshot(
  parts: TakeOverParts,
  partition: number,
  reference: SnapshotReference | undefined,
): Promise<Usable | undefined> {
  if (reference === undefined) return undefined;
  const { generation, sequence, identity } = reference;
  try {
    const there = await parts.messageAt(sequence);
    if (there?.subject !== identity.subject || there.nonce !== identity.nonce) {
      throw new CodedError("JOURNAL_ROLLED_BACK", `the journal has another message at ${sequence}`);
    }
    if (reference.shards === 0) return { gateways: [], sequence };
    const shards = await parts.store.loadShards(subjects.snapshotFilter(partition, generation));
    if (shards.length !== reference.shards || snapshotHash(shards) !== reference.hash) {
      const found = `${shards.length} shards that are not the ${reference.shards} named`;
      throw new CodedError("BATCH_MALFORMED", `snapshot ${generation} has ${found}`);
    }
    return { gateways: decodeSnapshot(shards), sequence };
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    parts.log.warn({ partition, reason: reasonOf(failure) }, "the journal is read from its start");
    return undefined;
  }
}

async function restoreCommitted(
  store: EngineStore,
  held: ReadonlyMap<number, Held>,
): Promise<void> {
  for (const { subject, text } of await store.loadLast("mark.*.*")) {
    const place = parseGatewaySubject(subject);
    if (place !== undefined) held.get(place.partition)?.partition.restoreMark(decodeMark(text));
  }
  for (const { subject, text } of await store.loadLast("open.*.*")) {
    const place = parseGatewaySubject(subject);
    if (place === undefined) continue;
    held.get(place.partition)?.partition.restoreAlerts(place.gateway, text);
  }
}

export function checkpointMessage(
  partition: number,
  checkpoint: Checkpoint,
  expectedLast: number,
): CommitMessage {
  const subject = subjects.checkpoint(partition);
  return { subject, data: encodeCheckpoint(checkpoint), rollup: true, expectedLast };
}

/** The last message's sequence; anything but a clear yes is thrown, a refusal as ENGINE_FENCED. */
export function committedAt(outcome: CommitOutcome, what: string): number {
  if (outcome.kind === "committed") return outcome.last;
  if (outcome.kind === "refused")
    throw new CodedError("ENGINE_FENCED", `${what}: ${outcome.reason}`);
  throw new Error(`${what}: ${outcome.reason}`);
}

/** A lane's state: what it has sent, how far each epoch's log is taken, and how it goes back. */
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";

export type UplinkLane = "live" | "priority";

export interface UplinkBounds {
  /** Bytes sent on live and not taken; at the bound the lane waits. */
  readonly windowBytes: number;
  /** The same for the priority lane. */
  readonly priorityWindowBytes: number;
  readonly batchBytes: number;
  /** Batches without an answer, per lane. */
  readonly inflightMax: number;
  /** A lane that is not behind gathers so long between two batches. */
  readonly gatherMs: number;
}

/** Nothing taken for so long: go back; doubles each time up to the uplink's maximum. */
export const nothingTakenMs = 60_000;

/** One log of one epoch, as the uplink sees it. */
export interface Cursor {
  readonly epoch: EpochId;
  readonly ordinal: number;
  readonly before: { readonly epoch: EpochId; readonly ends: Ends } | undefined;
  end: number | undefined;
  last: number;
  through: number;
  next: number;
}

export interface Sent {
  readonly id: number;
  readonly cursor: Cursor;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly nonce: string;
  stored: boolean;
}

export interface Lane {
  readonly name: UplinkLane;
  readonly log: Log;
  readonly cursors: Cursor[];
  /** Published and not taken, oldest first. */
  sent: Sent[];
  generation: number;
  /** A read is under way, begun in this generation. */
  reading: boolean;
  attempt: number;
  notBeforeMs: number;
  lastReadMs: number;
  gatheredBytes: number;
  batchBytes: number;
  /** Positions that a batch may hold, after one was refused or too large. */
  positionsMax: number;
  /** The event at this position was refused alone, for this reason. */
  stub: { readonly epoch: EpochId; readonly position: number; readonly reason: string } | undefined;
  behind: boolean;
  takenMs: number;
  nothingTakenMs: number;
}

export function newLane(name: UplinkLane, log: Log, bounds: UplinkBounds): Lane {
  return {
    name,
    log,
    cursors: [],
    sent: [],
    generation: 1,
    reading: false,
    attempt: 0,
    notBeforeMs: 0,
    lastReadMs: Number.NEGATIVE_INFINITY,
    gatheredBytes: 0,
    batchBytes: bounds.batchBytes,
    positionsMax: Number.POSITIVE_INFINITY,
    stub: undefined,
    behind: false,
    takenMs: 0,
    nothingTakenMs,
  };
}

/** Back to the position behind the mark; answers to earlier batches no longer count (U3, U5). */
export function goBack(lane: Lane): void {
  lane.generation++;
  lane.sent = [];
  lane.reading = false;
  for (const cursor of lane.cursors) cursor.next = cursor.through + 1;
}

/** U7. */
export function halve(lane: Lane, sent: Sent, reason: string): void {
  const from = Math.max(sent.from, sent.cursor.through + 1);
  const positions = sent.to - from + 1;
  lane.positionsMax = Math.max(1, Math.floor(positions / 2));
  if (positions > 1) return;
  lane.stub = { epoch: sent.cursor.epoch, position: from, reason };
}

export function cutOf({ positionsMax, stub }: Lane, cursor: Cursor) {
  if (stub !== undefined && stub.epoch === cursor.epoch && stub.position === cursor.next) {
    return { positionsMax: 1, stubReason: stub.reason };
  }
  return Number.isFinite(positionsMax) ? { positionsMax } : undefined;
}

/** A lane's state: what it has sent, how far each epoch's log is taken, and how it goes back. */
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Fault } from "./fault.ts";
import type { Suspect } from "./suspect.ts";
import { isAwaited, isCleared } from "./suspect.ts";
import type { EpochFacts } from "./uplink-event.ts";

export type UplinkLane = "priority" | "live" | "history";

export interface UplinkBounds {
  /** Bytes of telemetry sent and not taken; at the bound it waits. History has half of it at most. */
  readonly windowBytes: number;
  /** The same for the priority lane. */
  readonly priorityWindowBytes: number;
  readonly batchBytes: number;
  /** Batches without an answer, per lane. */
  readonly inflightMax: number;
  /** A lane that is not behind gathers so long between two batches. */
  readonly gatherMs: number;
  /** A backlog that is older goes by history, what is fresh by live (U13). */
  readonly freshAfterMs: number;
}

/** What a slow link carries soon; a fast one has grown it after a few answers. */
const batchBytesFirst = 64 * 1_024;

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
  /** Its true id rotted away with its record: what the cloud covers before others is not of it. */
  readonly isMade: boolean;
  /** Taken to its end: only a rollback concerns it any more. */
  isFinished: boolean;
}

export interface Sent {
  /** Undefined for what an earlier process sent: its answers and nonces are not known any more. */
  readonly id: number | undefined;
  readonly cursor: Cursor;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** So many were asked for; an item that spans more is sent whole. */
  readonly positionsMax: number;
  readonly nonce: string | undefined;
  readonly atMs: number;
  stored: boolean;
}

export interface Lane {
  readonly name: UplinkLane;
  readonly log: Log;
  /** Oldest first, without those that are finished; the newest is always here. */
  cursors: Cursor[];
  /** Oldest first. */
  finished: Cursor[];
  /** All of them. */
  readonly byEpoch: Map<EpochId, Cursor>;
  /** Published and not taken, oldest first. */
  sent: Sent[];
  /** How far the outbox was told that an epoch is stored (U8). */
  remembered: Map<Cursor, number>;
  storedChanged: boolean;
  generation: number;
  /** A read is under way, begun in this generation. */
  reading: boolean;
  /** The mark is read again before anything more is sent. */
  awaitsMark: boolean;
  attempt: number;
  notBeforeMs: number;
  lastReadMs: number;
  gatheredBytes: number;
  batchBytes: number;
  /** So many were too large for the server. */
  tooLargeBytes: number;
  /** What holds an item that was refused, or is too large (U7). */
  suspect: Suspect | undefined;
  behind: boolean;
  takenMs: number;
  /** While the link is down: how long nothing had been taken before. */
  waitedMs: number;
  nothingTakenMs: number;
  /** Go-backs in a row because nothing was taken. */
  vainGoBacks: number;
  trouble: Fault | undefined;
}

export function newLane(name: UplinkLane, log: Log, bounds: UplinkBounds): Lane {
  return {
    name,
    log,
    cursors: [],
    finished: [],
    byEpoch: new Map(),
    sent: [],
    remembered: new Map(),
    storedChanged: false,
    generation: 1,
    reading: false,
    awaitsMark: false,
    attempt: 0,
    notBeforeMs: 0,
    lastReadMs: Number.NEGATIVE_INFINITY,
    gatheredBytes: 0,
    batchBytes: Math.min(batchBytesFirst, bounds.batchBytes),
    tooLargeBytes: Number.POSITIVE_INFINITY,
    suspect: undefined,
    behind: false,
    takenMs: 0,
    waitedMs: 0,
    nothingTakenMs,
    vainGoBacks: 0,
    trouble: undefined,
  };
}

/** The end of an epoch is known with its successor. */
export function endEpoch(lane: Lane, { epoch, ends }: NonNullable<EpochFacts["before"]>): void {
  const cursor = lane.byEpoch.get(epoch);
  if (cursor === undefined || cursor.end !== undefined) return;
  cursor.end = ends[lane.log];
  cursor.last = cursor.end;
}

export function addEpoch(lane: Lane, facts: EpochFacts): void {
  const { log } = lane;
  const through = facts.released[log];
  const cursor: Cursor = {
    epoch: facts.id,
    ordinal: facts.ordinal,
    before: facts.before,
    end: facts.ends?.[log],
    last: facts.last[log],
    through,
    next: through + 1,
    isMade: facts.isMade ?? false,
    isFinished: false,
  };
  const isNext = lane.cursors.every(({ next, last }) => next > last);
  lane.cursors.push(cursor);
  lane.byEpoch.set(cursor.epoch, cursor);
  finish(lane);
  const stored = Math.min(facts.stored[log].position, cursor.last);
  if (!isNext || stored <= through) return;
  // U8: what an earlier process sent.
  const { bytes } = facts.stored[log];
  const place = { id: undefined, nonce: undefined, from: through + 1, to: stored, atMs: 0 };
  const positionsMax = Number.POSITIVE_INFINITY;
  lane.sent.push({ ...place, cursor, bytes, positionsMax, stored: true });
  lane.remembered.set(cursor, stored);
  cursor.next = stored + 1;
}

/** U13. With what was sent of it, which its own answers and doubts are about. */
export function moveEpoch(from: Lane, to: Lane, cursor: Cursor): void {
  from.cursors = from.cursors.filter((each) => each !== cursor);
  from.byEpoch.delete(cursor.epoch);
  to.cursors = [...to.cursors, cursor].sort(byOrdinal);
  to.byEpoch.set(cursor.epoch, cursor);
  const moved = from.sent.filter((sent) => sent.cursor === cursor);
  from.sent = from.sent.filter((sent) => sent.cursor !== cursor);
  if (moved.length > 0 && to.sent.length === 0) to.takenMs = from.takenMs;
  if (from.suspect?.cursor === cursor) {
    to.suspect ??= from.suspect;
    from.suspect = undefined;
  }
  to.sent.push(...moved);
  const remembered = from.remembered.get(cursor);
  from.remembered.delete(cursor);
  if (remembered !== undefined) to.remembered.set(cursor, remembered);
  for (const lane of [from, to]) lane.storedChanged = true;
}

/** What it sends next. History takes one epoch to its end before the next. */
export function nextCursor({ name, cursors, suspect }: Lane): Cursor | undefined {
  if (suspect !== undefined && isAwaited(suspect)) return undefined;
  if (name !== "history") return cursors.find(({ next, last }) => next <= last);
  const first = cursors.find(({ next, last, through }) => next <= last || through < last);
  return first !== undefined && first.next <= first.last ? first : undefined;
}

/** A step costs the same however many epochs were taken before. */
export function finish(lane: Lane): void {
  const newest = lane.cursors.at(-1);
  const done = lane.cursors.filter((cursor) => cursor !== newest && isTaken(cursor));
  if (done.length === 0) return;
  for (const cursor of done) cursor.isFinished = true;
  lane.cursors = lane.cursors.filter(({ isFinished }) => !isFinished);
  const isBehind = (done[0]?.ordinal ?? 0) < (lane.finished.at(-1)?.ordinal ?? 0);
  lane.finished.push(...done);
  if (isBehind) lane.finished.sort(byOrdinal);
}

/** After a rollback: what is not taken any more is looked at again. */
export function resume(lane: Lane): void {
  const again = lane.finished.filter((cursor) => !isTaken(cursor));
  if (again.length === 0) return;
  for (const cursor of again) cursor.isFinished = false;
  lane.finished = lane.finished.filter(({ isFinished }) => isFinished);
  lane.cursors = [...lane.cursors, ...again].sort(byOrdinal);
}

function isTaken({ end, last, through, next }: Cursor): boolean {
  return end !== undefined && through >= last && next > last;
}

function byOrdinal(one: Cursor, other: Cursor): number {
  return one.ordinal - other.ordinal;
}

/** U3: back to the position behind the mark; answers to earlier batches no longer count (U5). */
export function goBack(lane: Lane): void {
  lane.sent = [];
  goOn(lane);
}

/** U8: back to the first batch that was not stored; whether the later ones were counts for nothing. */
export function goOn(lane: Lane): void {
  lane.generation++;
  lane.storedChanged = true;
  lane.reading = false;
  const cut = lane.sent.findIndex(({ stored }) => !stored);
  if (cut >= 0) lane.sent = lane.sent.slice(0, cut);
  for (const cursor of lane.cursors) cursor.next = cursor.through + 1;
  for (const { cursor, to } of lane.sent) cursor.next = Math.max(cursor.next, to + 1);
}

/** The part of a sent batch that is not taken. */
export function untakenBytes({ cursor, from, to, bytes }: Sent): number {
  const left = to - Math.max(from - 1, cursor.through);
  return Math.ceil((bytes * left) / (to - from + 1));
}

export interface Remembered {
  readonly epoch: EpochId;
  readonly position: number;
  readonly bytes: number;
}

/** U8: what is stored without a gap behind the mark, where that has changed since the last call. */
export function newlyRemembered(lane: Lane): readonly Remembered[] {
  const stored = new Map<Cursor, Remembered>();
  for (const sent of lane.sent) {
    if (!sent.stored) break;
    const bytes = (stored.get(sent.cursor)?.bytes ?? 0) + untakenBytes(sent);
    stored.set(sent.cursor, { epoch: sent.cursor.epoch, position: sent.to, bytes });
  }
  const changed = [...stored].filter(
    ([cursor, { position }]) => lane.remembered.get(cursor) !== position,
  );
  const forgotten = [...lane.remembered].filter(
    ([cursor, position]) => !stored.has(cursor) && position > cursor.through,
  );
  lane.remembered = new Map([...stored].map(([cursor, { position }]) => [cursor, position]));
  return [
    ...changed.map(([, remembered]) => remembered),
    ...forgotten.map(([{ epoch, through }]) => ({ epoch, position: through, bytes: 0 })),
  ];
}

/** After progress no wait is long. */
export function ease(lane: Lane, nowMs: number): void {
  lane.attempt = 0;
  if (lane.suspect !== undefined && isCleared(lane.suspect)) lane.suspect = undefined;
  lane.takenMs = nowMs;
  lane.nothingTakenMs = nothingTakenMs;
  lane.vainGoBacks = 0;
  lane.trouble = undefined;
}

/** U7: nothing is wrong with the batch, and of what is behind it nothing would be read either. */
export function waitForUpgrade(lane: Lane, reason: string): void {
  lane.trouble = { fault: "version", reason: `the cloud is older than this gateway: ${reason}` };
}

/** One batch at a time asks whether the cloud was upgraded. */
export function isTooNew({ trouble }: Lane): boolean {
  return trouble?.fault === "version";
}

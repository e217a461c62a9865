/** How a lane follows a mark. */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import type { Cursor, Lane, Sent } from "./lane.ts";
import { finish, resume } from "./lane.ts";
import type { UplinkAction } from "./uplink-event.ts";

/** What a mark says of the epochs of one outbox. */
export interface Followed {
  readonly throughs: ReadonlyMap<EpochId, Mark["epochs"][number]["logs"]>;
  /** What is not named and comes before this ordinal is taken to its end. */
  readonly coveredBelow: number;
  /** What is not named, up to this ordinal, may stand in a page; what comes later was never taken. */
  readonly pagedUpTo: number;
}

/** U12. What the mark covers before another store's epoch says nothing of this one. */
export function followedOf(found: Mark | undefined, { byEpoch }: Lane): Followed {
  const paged = found?.paged?.ordinal ?? 0;
  let [coveredBelow, newest, pagedUpTo] = [0, 0, paged];
  const throughs = new Map<EpochId, Mark["epochs"][number]["logs"]>();
  for (const { epoch, logs, coversBefore, hasPagedNext } of found?.epochs ?? []) {
    throughs.set(epoch, logs);
    const ordinal = byEpoch.get(epoch)?.ordinal ?? 0;
    if (coversBefore) coveredBelow = Math.max(coveredBelow, ordinal);
    if (ordinal <= newest) continue;
    newest = ordinal;
    // The cloud knows of no later epoch without knowing which one came before that.
    pagedUpTo = hasPagedNext ? paged : Math.min(paged, ordinal);
  }
  return { throughs, coveredBelow, pagedUpTo };
}

/** U12. A mark is not believed beyond what this outbox holds. */
function throughIn({ throughs, coveredBelow, pagedUpTo }: Followed, lane: Lane, cursor: Cursor) {
  const { epoch, ordinal, last, end, through } = cursor;
  const row = throughs.get(epoch);
  if (row !== undefined) return Math.min(last, row[lane.log].through);
  const isCovered = ordinal < coveredBelow;
  if (isCovered && end !== undefined && !cursor.isMade) return last;
  return isCovered || ordinal <= pagedUpTo ? through : 0;
}

interface Move {
  readonly cursor: Cursor;
  readonly through: number;
}

/** The positions that a mark changes. What is finished is looked at only where it may say otherwise. */
export function movesIn(followed: Followed, lane: Lane): readonly Move[] {
  const { throughs, coveredBelow, pagedUpTo } = followed;
  const looked = [...lane.cursors];
  for (const epoch of throughs.keys()) {
    const cursor = lane.byEpoch.get(epoch);
    if (cursor?.isFinished) looked.push(cursor);
  }
  const sureBelow = Math.max(coveredBelow, pagedUpTo + 1);
  const sure = lane.finished.findLastIndex(({ ordinal }) => ordinal < sureBelow);
  looked.push(...lane.finished.slice(sure + 1).filter(({ epoch }) => !throughs.has(epoch)));
  return looked.flatMap((cursor) => {
    const through = throughIn(followed, lane, cursor);
    return through === cursor.through ? [] : [{ cursor, through }];
  });
}

/** U2. After a rollback too: what is taken no longer must not be given up as tail. */
export function follow(lane: Lane, followed: Followed, actions: UplinkAction[]) {
  const moved = { up: false, down: false };
  for (const { cursor, through } of movesIn(followed, lane)) {
    if (through > cursor.through) moved.up = true;
    else moved.down = true;
    actions.push({ kind: "release", epoch: cursor.epoch, log: lane.log, through });
    cursor.through = through;
    if (cursor.next <= through) cursor.next = through + 1;
  }
  lane.sent = lane.sent.filter((sent) => sent.to > sent.cursor.through);
  if (moved.down) resume(lane);
  if (moved.up) finish(lane);
  return moved;
}

/** U5: what an earlier process sent has no nonce any more, only its place. */
export function isAbout(doubt: Doubt, { nonce, cursor, to }: Sent, { log }: Lane): boolean {
  if (nonce !== undefined) return doubt.nonce === nonce;
  const { epoch, expected } = doubt;
  if (epoch !== cursor.epoch || doubt.log !== log) return false;
  return expected > cursor.through && expected <= to;
}

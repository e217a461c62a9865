/** The lanes of one gateway: which epoch goes by which, and how much each may send. */
import type { Cursor, Lane, Sent, UplinkBounds, UplinkLane } from "./lane.ts";
import { addEpoch, endEpoch, finish, isTooNew, moveEpoch, newLane, untakenBytes } from "./lane.ts";
import type { EpochFacts, LaneBacklog, UplinkEvent } from "./uplink-event.ts";

/** So much later than the soonest, a batch was too large for the link; or less: too small. */
const slowMs = 1_000;
const quickMs = 250;
export const batchBytesMin = 4 * 1_024;
/** Nothing taken for so long is told as trouble. */
const nothingTakenToldMs = 60_000;

export class Lanes {
  readonly priority: Lane;
  readonly live: Lane;
  readonly history: Lane;
  /** In the order in which they have their turn. */
  readonly all: readonly [Lane, Lane, Lane];
  readonly #bounds: UplinkBounds;
  /** The soonest answer of this connection. */
  #soonestMs = Number.POSITIVE_INFINITY;
  /** The last answer was late: what is under way is as much as the link carries. */
  #isSlow = false;

  constructor(bounds: UplinkBounds) {
    this.#bounds = bounds;
    this.priority = newLane("priority", "priority", bounds);
    this.live = newLane("live", "telemetry", bounds);
    this.history = newLane("history", "telemetry", bounds);
    this.all = [this.priority, this.live, this.history];
  }

  /** A new epoch is live, whatever becomes of it. */
  add(facts: EpochFacts): void {
    const { before } = facts;
    for (const lane of this.all) if (before !== undefined) endEpoch(lane, before);
    addEpoch(this.priority, facts);
    addEpoch(this.live, facts);
    finish(this.history);
  }

  /** U13. */
  moveToHistory(cursor: Cursor): void {
    moveEpoch(this.live, this.history, cursor);
    finish(this.history);
  }

  linkUp(): void {
    this.#soonestMs = Number.POSITIVE_INFINITY;
    for (const lane of this.all) lane.tooLargeBytes = Number.POSITIVE_INFINITY;
  }

  find(batchId: number): { readonly lane: Lane; readonly sent: Sent } | undefined {
    for (const lane of this.all) {
      const sent = lane.sent.find(({ id }) => id === batchId);
      if (sent !== undefined) return { lane, sent };
    }
    return undefined;
  }

  appended({ epoch, log, last, bytes }: Extract<UplinkEvent, { kind: "appended" }>): void {
    for (const lane of this.all) {
      const cursor = lane.log === log ? lane.byEpoch.get(epoch) : undefined;
      if (cursor === undefined) continue;
      cursor.last = Math.max(cursor.last, last);
      lane.gatheredBytes += bytes;
    }
  }

  /** Something older than what goes by live is not taken. */
  get olderWaits(): boolean {
    return this.history.cursors.some(({ through, last }) => through < last);
  }

  /** U4, U14: bytes that the lane may send. */
  room(lane: Lane): number {
    const { windowBytes, priorityWindowBytes, inflightMax } = this.#bounds;
    const isHistory = lane === this.history;
    if (isTooNew(lane) && lane.sent.length > 0) return 0;
    const unanswered = lane.sent.filter((sent) => !sent.stored).length;
    const historyMax = this.#isSlow ? 1 : Math.max(1, inflightMax >> 1);
    if (unanswered >= (isHistory ? historyMax : inflightMax)) return 0;
    if (lane === this.priority) return priorityWindowBytes - untakenOf(lane);
    const left = windowBytes - untakenOf(this.live) - untakenOf(this.history);
    return isHistory ? Math.min(left, Math.floor(windowBytes / 2) - untakenOf(lane)) : left;
  }

  /** U14: batches are such that nothing fresh waits for one for long. */
  answered(lane: Lane, { bytes, atMs }: Sent, nowMs: number): void {
    const tookMs = nowMs - atMs;
    this.#soonestMs = Math.min(this.#soonestMs, tookMs);
    const lateMs = tookMs - this.#soonestMs;
    this.#isSlow = lateMs > slowMs;
    if (this.#isSlow) lane.batchBytes = Math.max(batchBytesMin, lane.batchBytes >> 1);
    // A small one that was quick says nothing of larger ones.
    if (lateMs > quickMs || bytes * 2 < lane.batchBytes) return;
    const doubled = Math.min(this.#bounds.batchBytes, lane.batchBytes * 2);
    if (doubled < lane.tooLargeBytes) lane.batchBytes = doubled;
  }

  /** U7. One item that is larger than what was asked for says nothing of batches. */
  tooLarge(lane: Lane, { bytes }: Sent): void {
    if (bytes > lane.batchBytes) return;
    lane.tooLargeBytes = bytes;
    lane.batchBytes = Math.max(batchBytesMin, bytes >> 1);
  }

  /** What keeps events from being taken, in words. */
  troubles(nowMs: number): string[] {
    const troubles: string[] = [];
    for (const { name, trouble, sent, takenMs } of this.all) {
      if (trouble !== undefined) troubles.push(`${name} ${trouble.fault}: ${trouble.reason}`);
      const forMs = nowMs - takenMs;
      if (sent.length > 0 && forMs >= nothingTakenToldMs) {
        troubles.push(`${name}: nothing taken for ${Math.floor(forMs / 1_000)} s`);
      }
    }
    return troubles;
  }

  backlog(): Readonly<Record<UplinkLane, LaneBacklog>> {
    const { priority, live, history } = this;
    return { priority: backlogOf(priority), live: backlogOf(live), history: backlogOf(history) };
  }
}

function untakenOf({ sent }: Lane): number {
  return sent.reduce((bytes, each) => bytes + untakenBytes(each), 0);
}

function backlogOf({ cursors }: Lane): LaneBacklog {
  let [unsentEvents, untakenEvents] = [0, 0];
  for (const { last, next, through } of cursors) {
    unsentEvents += Math.max(0, last - next + 1);
    untakenEvents += Math.max(0, last - through);
  }
  return { unsentEvents, untakenEvents };
}

/**
 * The uplink decides what goes to the cloud next. It is a pure state machine: `step` takes what
 * happened and the time, and answers with what to do. JetStream in between may lose, repeat or roll
 * back; the mark alone says what was taken.
 *
 *   U1  Per (epoch, log) batches are sent in order; of a lane, the older epoch to its last position first.
 *   U2  Events are released only when a mark covers them; a PubAck only paces.
 *   U3  On a doubt named in the mark, on a rollback, and when nothing was taken for 1, 2, 4… min, the
 *       lane goes back to the position behind the mark: always safe. After any failure the mark is
 *       read again before more is sent.
 *   U4  At most `windowBytes` are sent and not taken, at most `inflightMax` batches unanswered.
 *   U5  A batch's nonce holds the lane's generation; only a doubt about a batch sent since the last
 *       go-back is answered, or about what an earlier process left as stored.
 *   U6  A lower position under a higher commit number is a rollback at once. A lower commit number, or
 *       the same with a lower position, is doubted for `doubtMs` first, since a stale replica may have
 *       answered; meanwhile no tail is given up. The newest commit number outlives the process.
 *   U7  A batch that the cloud refuses, or that is too large, goes again in halves, down to one item,
 *       which then goes as a stub; behind it batches are whole again.
 *   U8  What is stored without a gap behind the mark is remembered, over failures, connections and
 *       restarts: it is not sent again, and the window counts it, until U3 says otherwise.
 *   U9  A connection on which requests stay unanswered, or nothing is taken after several go-backs,
 *       is broken and dialled anew, ever more seldom.
 *   U10 Beyond its budget (budget.ts) a lane waits: so many bytes a second, by the gateway's own setting
 *       and by a cap that the mark names, so many a day, and hours for history.
 *   U11 A mark beyond the last position of the open epoch says that another branch appends to it: the
 *       epoch is left.
 *   U12 An epoch that the mark does not name is taken to its end where a named one of this store covers
 *       what came before. Else, where it may stand in a page, nothing of it moves: what is sent next
 *       makes the mark name it. Only beyond that does it count as 0.
 *   U13 A backlog older than `freshAfterMs`, or of unknown age, makes what is fresh wait on no lane: its
 *       epoch goes by history, and if it is the open one a new epoch is begun, once a minute at most.
 *       While all that waits is younger, or fits one batch, it goes by live in its order.
 *   U14 History takes one epoch to its end before the next, and only while live has nothing to read; it
 *       has half of the window and what the cap leaves. Batches are such that a second carries them.
 */

import { unreachable } from "@causeway/shared/assert.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { Budget, freeBudget } from "./budget.ts";
import type { Fault } from "./fault.ts";
import { schedules, Told } from "./fault.ts";
import type { Followed } from "./follow.ts";
import { follow, followedOf, isAbout, movesIn } from "./follow.ts";
import { Jumps } from "./jump.ts";
import type { Cursor, Lane, UplinkBounds } from "./lane.ts";
import {
  ease,
  goBack,
  goOn,
  isTooNew,
  newlyRemembered,
  nextCursor,
  waitForUpgrade,
} from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { MarkAsking, markSoonMs } from "./mark-asking.ts";
import { cutOf, suspectIn } from "./suspect.ts";
import type {
  Batch,
  Found,
  UplinkAction,
  UplinkEvent,
  UplinkStart,
  UplinkStatus,
} from "./uplink-event.ts";
import { Watchdog } from "./watchdog.ts";

export type { UplinkBounds, UplinkLane } from "./lane.ts";
export type {
  Batch,
  EpochFacts,
  UplinkAction,
  UplinkEvent,
  UplinkStart,
  UplinkStatus,
} from "./uplink-event.ts";

export const defaultUplinkBounds: UplinkBounds = {
  windowBytes: 8 * 1_024 * 1_024,
  priorityWindowBytes: 256 * 1_024,
  batchBytes: 512 * 1_024,
  inflightMax: 4,
  gatherMs: 50,
  freshAfterMs: 30_000,
};

const doubtMs = 5_000;
/** So often a lane that a cap holds back asks whether the cap still holds. */
const markUnderCapMs = 30_000;
/** Nothing taken for so long: go back; doubles each time up to the maximum. */
const nothingTakenMaxMs = 16 * 60_000;
const tellFaultEveryMs = 10 * 60_000;

export class Uplink {
  readonly #bounds: UplinkBounds;
  readonly #random: Random;
  readonly #lanes: Lanes;
  readonly #jumps: Jumps;
  readonly #budget: Budget;
  readonly #watchdog = new Watchdog();
  readonly #told = new Told(tellFaultEveryMs);
  #link: "down" | "asking" | "up" = "down";
  #downReason = "not dialled yet";
  #markTrouble: Fault | undefined;
  #commit: number;
  #doubtSinceMs: number | undefined;
  #tailIsHeld = false;
  readonly #asking = new MarkAsking();
  #ids = 0;
  #reads = new Map<number, { lane: Lane; cursor: Cursor; generation: number; last: number }>();
  #takenAtBootMs: number | undefined;
  #left: Cursor | undefined;
  #goBacks = 0;
  #rollbacks = 0;

  constructor(bounds: UplinkBounds, random: Random, start: UplinkStart) {
    this.#bounds = bounds;
    this.#random = random;
    this.#lanes = new Lanes(bounds);
    this.#jumps = new Jumps(bounds.freshAfterMs);
    this.#budget = start.budget ?? new Budget(freeBudget, bounds.batchBytes);
    this.#commit = start.markCommit;
    for (const epoch of start.epochs) this.#lanes.add(epoch);
  }

  status(nowMs: number): UplinkStatus {
    const lanes = this.#lanes.backlog();
    const { priority, live, history } = lanes;
    return {
      link: this.#link,
      lanes,
      unsentEvents: priority.unsentEvents + live.unsentEvents + history.unsentEvents,
      untakenEvents: priority.untakenEvents + live.untakenEvents + history.untakenEvents,
      jumps: this.#jumps.count,
      takenAtBootMs: this.#takenAtBootMs,
      goBacks: this.#goBacks,
      rollbacks: this.#rollbacks,
      redials: this.#watchdog.redials,
      budget: this.#budget.status(nowMs),
      troubles: this.#troubles(nowMs),
    };
  }

  #troubles(nowMs: number): string[] {
    if (this.#link === "down") return [`link down: ${this.#downReason}`];
    const troubles: string[] = [];
    const mark = this.#markTrouble;
    if (mark !== undefined) troubles.push(`mark ${mark.fault}: ${mark.reason}`);
    if (this.#doubtSinceMs !== undefined) troubles.push("the mark is older than one known before");
    return [...troubles, ...this.#lanes.troubles(nowMs)];
  }

  step(event: UplinkEvent, nowMs: number): readonly UplinkAction[] {
    const actions: UplinkAction[] = [];
    this.#take(event, nowMs, actions);
    for (const lane of this.#lanes.all) {
      this.#advance(lane, nowMs, actions);
      this.#remember(lane, actions);
    }
    if (this.#asking.begin(nowMs)) actions.push({ kind: "ask-mark" });
    actions.push(...this.#budget.orders(nowMs));
    const wakeAtMs = this.#wakeAtMs(nowMs);
    if (wakeAtMs !== undefined) actions.push({ kind: "wake", atMs: wakeAtMs });
    return actions;
  }

  #take(event: UplinkEvent, nowMs: number, actions: UplinkAction[]): void {
    switch (event.kind) {
      case "link-up":
        return this.#linkUp(nowMs);
      case "link-down":
        return this.#linkDown(event.reason ?? "closed", nowMs);
      case "epoch-opened":
        return this.#lanes.add(event.epoch);
      case "appended":
        if (event.log === "telemetry") this.#budget.appended(event.bytes, nowMs);
        return this.#lanes.appended(event);
      case "read":
        return this.#read(event, nowMs, actions);
      case "sent":
        return this.#sent(event, nowMs);
      case "carried":
        return this.#budget.spendOther(event.bytes, nowMs);
      case "stored":
        return this.#stored(event.batchId, nowMs);
      case "failed":
        return this.#failed(event, nowMs, actions);
      case "mark":
        return this.#marked(event.mark, nowMs, actions);
      case "mark-failed":
        return this.#markFailed(event, nowMs, actions);
      case "wake":
        return;
      default:
        unreachable(event);
    }
  }

  #linkUp(nowMs: number): void {
    this.#link = "asking";
    this.#asking.linkUp(nowMs);
    this.#watchdog.connectionChanged();
    this.#lanes.linkUp();
    for (const lane of this.#lanes.all) {
      goOn(lane);
      lane.attempt = 0;
      lane.notBeforeMs = nowMs;
      lane.takenMs = nowMs - lane.waitedMs;
      lane.trouble = undefined;
    }
  }

  #linkDown(reason: string, nowMs: number): void {
    this.#downReason = reason;
    if (this.#link === "down") return;
    this.#link = "down";
    this.#asking.linkDown();
    this.#markTrouble = undefined;
    // The next connection may meet another replica: its doubt begins anew, and the tail stays held.
    this.#doubtSinceMs = undefined;
    this.#watchdog.connectionChanged();
    for (const lane of this.#lanes.all) {
      goOn(lane);
      lane.waitedMs = lane.sent.length > 0 ? nowMs - lane.takenMs : 0;
    }
  }

  #advance(lane: Lane, nowMs: number, actions: UplinkAction[]): void {
    if (this.#isHeldBack(lane) || nowMs < lane.notBeforeMs) return;
    if (lane.sent.length > 0 && nowMs - lane.takenMs >= lane.nothingTakenMs) {
      return this.#nothingTaken(lane, nowMs, actions);
    }
    const room = Math.min(this.#lanes.room(lane), this.#budget.bytesAtOnce(lane, nowMs));
    if (room <= 0) return;
    const cursor = nextCursor(lane);
    if (cursor === undefined || nowMs < this.#gatheredAtMs(lane)) return;
    if (nowMs < this.#budget.freeAtMs(lane, nowMs)) {
      if (this.#budget.waitsForCap(lane, nowMs)) this.#asking.by(nowMs + markUnderCapMs);
      return;
    }
    this.#beginRead(lane, cursor, room, nowMs, actions);
  }

  #isHeldBack(lane: Lane): boolean {
    const { live, history } = this.#lanes;
    if (lane === history && live.reading) return true;
    return this.#link !== "up" || lane.reading || lane.awaitsMark;
  }

  /** U3, U9. */
  #nothingTaken(lane: Lane, nowMs: number, actions: UplinkAction[]): void {
    const reason = `nothing taken for ${lane.nothingTakenMs} ms`;
    goBack(lane);
    this.#wentBack(lane, reason, nowMs, actions);
    this.#awaitMark(lane);
    lane.takenMs = nowMs;
    lane.nothingTakenMs = Math.min(nothingTakenMaxMs, lane.nothingTakenMs * 2);
    const redial = this.#watchdog.wentBackInVain(++lane.vainGoBacks, nowMs);
    if (redial === undefined) return;
    lane.vainGoBacks = 0;
    this.#redial(redial, actions);
  }

  #redial(reason: string, actions: UplinkAction[]): void {
    actions.push({ kind: "report", what: "redial", lane: undefined, reason, times: 1 });
    actions.push({ kind: "redial" });
  }

  #gatheredAtMs(lane: Lane): number {
    const enough = lane.behind || lane.gatheredBytes >= lane.batchBytes;
    return enough ? lane.lastReadMs : lane.lastReadMs + this.#bounds.gatherMs;
  }

  #beginRead(
    lane: Lane,
    cursor: Cursor,
    bytesMax: number,
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    const readId = ++this.#ids;
    lane.reading = true;
    lane.lastReadMs = nowMs;
    lane.gatheredBytes = 0;
    this.#reads.set(readId, { lane, cursor, generation: lane.generation, last: cursor.last });
    actions.push({
      kind: "read",
      readId,
      epoch: cursor.epoch,
      log: lane.log,
      from: cursor.next,
      bytesMax,
      cut: cutOf(lane.suspect, cursor),
    });
  }

  #read(
    event: Extract<UplinkEvent, { kind: "read" }>,
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    const read = this.#reads.get(event.readId);
    this.#reads.delete(event.readId);
    if (read === undefined || read.generation !== read.lane.generation) return;
    const { lane, cursor } = read;
    lane.reading = false;
    const { found } = event;
    if (found === undefined || found.to < cursor.next) {
      return this.#backOff(lane, "retry", nowMs);
    }
    const cut = cutOf(lane.suspect, cursor);
    const isFull = cut !== undefined || found.bytes >= this.#budget.bytesAtOnce(lane, nowMs);
    lane.behind = isFull && found.to < cursor.last;
    // What came while it was read is no backlog.
    const isLast = found.to >= read.last && lane.cursors.at(-1) === cursor;
    if (!isLast && this.#stepsAside(lane, cursor, found.ageMs, nowMs, actions)) return;
    if (lane.sent.length === 0) lane.takenMs = nowMs;
    cursor.next = found.to + 1;
    const id = event.readId;
    const batch = this.#batch(id, lane, cursor, found);
    const { positionsMax = Number.POSITIVE_INFINITY } = cut ?? {};
    const { from, to, bytes } = found;
    const piece = { from, to, bytes, positionsMax, atMs: nowMs };
    lane.sent.push({ id, cursor, ...piece, nonce: batch.nonce, stored: false });
    this.#budget.reserve(bytes, nowMs);
    actions.push({ kind: "publish", readId: id, batch });
  }

  /** U13. */
  #stepsAside(
    lane: Lane,
    cursor: Cursor,
    ageMs: number,
    nowMs: number,
    actions: UplinkAction[],
  ): boolean {
    if (lane !== this.#lanes.live) return false;
    const step = this.#jumps.stepAside({ ageMs, isOpen: cursor.end === undefined }, nowMs);
    if (step === "stay") return false;
    this.#lanes.moveToHistory(cursor);
    lane.behind = true;
    if (step === "move") return true;
    const reason = `fresh data first: ${cursor.epoch} goes by history from ${cursor.next} on`;
    actions.push({ kind: "leave-epoch", reason });
    actions.push({ kind: "report", what: "jump", lane: undefined, reason, times: 1 });
    return true;
  }

  #batch(id: number, lane: Lane, cursor: Cursor, found: Found): Batch {
    return {
      id,
      lane: lane.name,
      epoch: cursor.epoch,
      log: lane.log,
      from: found.from,
      to: found.to,
      end: cursor.end,
      before: cursor.before,
      nonce: `${lane.generation}.${this.#random.hex(8)}`,
      olderWaits: this.#lanes.olderWaits,
    };
  }

  #sent({ batchId, bytes }: Extract<UplinkEvent, { kind: "sent" }>, nowMs: number): void {
    const found = this.#lanes.find(batchId);
    if (found !== undefined) this.#budget.spend(found.lane.name, bytes, found.sent.bytes, nowMs);
  }

  #stored(batchId: number, nowMs: number): void {
    this.#watchdog.answered("publish");
    const found = this.#lanes.find(batchId);
    if (found === undefined) return;
    found.sent.stored = true;
    this.#lanes.answered(found.lane, found.sent, nowMs);
    found.lane.storedChanged = true;
    if (!isTooNew(found.lane)) found.lane.trouble = undefined;
    this.#asking.by(nowMs + markSoonMs);
  }

  #failed(
    { batchId, fault, reason }: Extract<UplinkEvent, { kind: "failed" }>,
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    const found = this.#lanes.find(batchId);
    if (found === undefined) return;
    const { lane, sent } = found;
    if (fault === "split") {
      this.#lanes.tooLarge(lane, sent);
      lane.suspect = suspectIn(sent, "larger than the server takes");
    }
    if (fault === "no-answer") this.#lanes.answered(lane, sent, nowMs);
    goOn(lane);
    this.#goBacks++;
    this.#backOff(lane, fault, nowMs);
    this.#awaitMark(lane);
    lane.trouble = { fault, reason };
    this.#reportFault(lane, lane.trouble, nowMs, actions);
    const redial = this.#watchdog.failed("publish", fault, nowMs);
    if (redial !== undefined) this.#redial(redial, actions);
  }

  #markFailed(
    { fault, reason }: Extract<UplinkEvent, { kind: "mark-failed" }>,
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    if (this.#link === "down") return;
    this.#asking.failed(fault, nowMs, this.#random);
    this.#markTrouble = { fault, reason };
    this.#reportFault(undefined, this.#markTrouble, nowMs, actions);
    const redial = this.#watchdog.failed("mark", fault, nowMs);
    if (redial !== undefined) this.#redial(redial, actions);
  }

  #reportFault(
    lane: Lane | undefined,
    { fault, reason }: Fault,
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    const times = this.#told.tell(`${lane?.name} ${fault}`, nowMs);
    if (times === undefined) return;
    const about = lane === undefined ? "the mark cannot be read" : "a publish failed";
    const text = `${about} (${fault}): ${reason}`;
    actions.push({ kind: "report", what: "fault", lane: lane?.name, reason: text, times });
  }

  #wentBack(
    lane: Lane,
    reason: string,
    nowMs: number,
    actions: UplinkAction[],
    fault: Fault["fault"] = "retry",
  ): void {
    this.#goBacks++;
    this.#backOff(lane, fault, nowMs);
    actions.push({ kind: "report", what: "go-back", lane: lane.name, reason, times: 1 });
  }

  /** U3: the mark is read again before anything is sent again. */
  #awaitMark(lane: Lane): void {
    lane.awaitsMark = true;
    this.#asking.by(lane.notBeforeMs);
  }

  #backOff(lane: Lane, fault: Fault["fault"], nowMs: number): void {
    lane.attempt++;
    lane.notBeforeMs = nowMs + retryDelayMs(schedules[fault], lane.attempt, this.#random);
  }

  #remember(lane: Lane, actions: UplinkAction[]): void {
    if (!lane.storedChanged) return;
    lane.storedChanged = false;
    for (const remembered of newlyRemembered(lane)) {
      actions.push({ kind: "remember", log: lane.log, ...remembered });
    }
  }

  #marked(found: Mark | undefined, nowMs: number, actions: UplinkAction[]): void {
    if (this.#link === "down") return;
    this.#asking.answered();
    this.#markTrouble = undefined;
    this.#watchdog.answered("mark");
    // Priority knows them all.
    const followed = followedOf(found, this.#lanes.priority);
    const isDoubtful = this.#isDoubtful(found, followed);
    if (isDoubtful && !this.#doubtIsOver(nowMs)) {
      this.#holdTail(true, actions);
      this.#asking.again(nowMs);
      return;
    }
    this.#doubtSinceMs = undefined;
    const hasProgressed = this.#applyMark(found, followed, nowMs, actions);
    this.#holdTail(false, actions);
    this.#link = "up";
    this.#budget.cap(found?.cap, nowMs);
    for (const lane of this.#lanes.all) lane.awaitsMark = false;
    const isWaiting = this.#lanes.all.some((lane) => lane.sent.length > 0);
    this.#asking.settled({ hasProgressed, isWaiting }, nowMs);
  }

  /** U6. */
  #isDoubtful(found: Mark | undefined, followed: Followed): boolean {
    const commit = found?.commit ?? 0;
    if (commit !== this.#commit) return commit < this.#commit;
    return this.#lanes.all.some((lane) =>
      movesIn(followed, lane).some(({ cursor, through }) => through < cursor.through),
    );
  }

  #holdTail(isHeld: boolean, actions: UplinkAction[]): void {
    if (isHeld !== this.#tailIsHeld) actions.push({ kind: "hold-tail", isHeld });
    this.#tailIsHeld = isHeld;
  }

  #doubtIsOver(nowMs: number): boolean {
    this.#doubtSinceMs ??= nowMs;
    return nowMs - this.#doubtSinceMs >= doubtMs;
  }

  /** Whether anything more was taken than was known. */
  #applyMark(
    found: Mark | undefined,
    followed: Followed,
    nowMs: number,
    actions: UplinkAction[],
  ): boolean {
    let progressed = false;
    let rolledBack = false;
    for (const lane of this.#lanes.all) {
      this.#checkForFork(lane, followed, actions);
      const moved = follow(lane, followed, actions);
      if (moved.up) {
        ease(lane, nowMs);
        this.#takenAtBootMs = nowMs;
        this.#watchdog.progressed();
      }
      if (moved.down) {
        goBack(lane);
        lane.suspect = undefined;
      } else this.#answerDoubts(lane, found?.doubts ?? [], nowMs, actions);
      rolledBack ||= moved.down;
      progressed ||= moved.up;
    }
    const commit = found?.commit ?? 0;
    if (commit !== this.#commit) actions.push({ kind: "marked", commit });
    this.#commit = commit;
    if (rolledBack) {
      this.#rollbacks++;
      const reason = `the cloud went back to commit ${commit}`;
      actions.push({ kind: "report", what: "rollback", lane: undefined, reason, times: 1 });
    }
    return progressed;
  }

  /** U11. */
  #checkForFork(lane: Lane, { throughs }: Followed, actions: UplinkAction[]): void {
    const open = lane.cursors.at(-1);
    if (open === undefined || open.end !== undefined || open === this.#left) return;
    const through = throughs.get(open.epoch)?.[lane.log].through ?? 0;
    if (through <= open.last) return;
    this.#left = open;
    const reason = `${open.epoch} ${lane.log} is taken through ${through}, ${open.last} is its last`;
    actions.push({ kind: "leave-epoch", reason });
    actions.push({ kind: "report", what: "fork", lane: lane.name, reason, times: 1 });
  }

  /** U5: one answer for each generation; the engine tells what it could not take. */
  #answerDoubts(
    lane: Lane,
    doubts: readonly Doubt[],
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    for (const doubt of doubts) {
      const sent = lane.sent.find((candidate) => isAbout(doubt, candidate, lane));
      if (sent === undefined) continue;
      const { epoch, expected, kind, reason } = doubt;
      if (kind === "refused" && sent.id !== undefined) lane.suspect = suspectIn(sent, reason);
      goBack(lane);
      const text = `the cloud expects ${epoch} ${expected} (${kind} ${reason})`;
      this.#wentBack(lane, text, nowMs, actions, kind === "version" ? kind : "retry");
      if (kind === "version") return waitForUpgrade(lane, reason);
      // Another batch is no repeat: only what was refused alone is waited for.
      if (lane.suspect !== undefined && lane.suspect.stubReason === undefined) {
        lane.notBeforeMs = nowMs;
      }
      return;
    }
  }

  #wakeAtMs(nowMs: number): number | undefined {
    if (this.#link === "down") return undefined;
    const { wakeAtMs } = this.#asking;
    const times: number[] = wakeAtMs === undefined ? [] : [wakeAtMs];
    for (const lane of this.#lanes.all) {
      if (this.#isHeldBack(lane)) continue;
      if (lane.sent.length > 0) {
        times.push(Math.max(lane.notBeforeMs, lane.takenMs + lane.nothingTakenMs));
      }
      if (nextCursor(lane) === undefined || this.#lanes.room(lane) <= 0) continue;
      const { notBeforeMs } = lane;
      times.push(
        Math.max(notBeforeMs, this.#gatheredAtMs(lane), this.#budget.freeAtMs(lane, nowMs)),
      );
    }
    return times.length === 0 ? undefined : Math.max(nowMs, Math.min(...times));
  }
}

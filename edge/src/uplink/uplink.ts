/**
 * The uplink decides what goes to the cloud next. It is a pure state machine: `step` takes what
 * happened and the time, and answers with what to do. JetStream in between may lose, repeat or roll
 * back; the mark alone says what was taken.
 *
 *   U1  Per (epoch, log) batches are sent in order, the older epoch to its last position first.
 *   U2  Events are released only when a mark covers them; a PubAck only paces.
 *   U3  After any failure or doubt the lane goes back to the position behind the mark: always safe.
 *   U4  At most `windowBytes` are sent and not taken, at most `inflightMax` batches unanswered.
 *   U5  A batch's nonce holds the lane's go-back generation; only a doubt about a batch sent since
 *       the last go-back is answered. Others were, or are what an earlier process left in the mark.
 *   U6  A lower position under a higher commit number is a rollback at once; a lower commit number
 *       is doubted for `doubtMs` first, since a stale replica may have answered.
 *   U7  A batch that the cloud refuses, or that is too large, goes again in halves, down to one event,
 *       which then goes as a stub; after progress batches are whole again.
 */

import { unreachable } from "@causeway/shared/assert.ts";
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { Cursor, Lane, UplinkBounds, UplinkLane } from "./lane.ts";
import { cutOf, goBack, halve, newLane, nothingTakenMs } from "./lane.ts";

export type { UplinkBounds, UplinkLane } from "./lane.ts";

export const defaultUplinkBounds: UplinkBounds = {
  windowBytes: 8 * 1_024 * 1_024,
  priorityWindowBytes: 256 * 1_024,
  batchBytes: 512 * 1_024,
  inflightMax: 4,
  gatherMs: 50,
};

const doubtMs = 5_000;
const markSoonMs = 250;
const markIntervalMaxMs = 5_000;
/** Nothing taken for so long: go back; doubles each time up to the maximum. */
const nothingTakenMaxMs = 16 * 60_000;
const retry = { firstMs: 500, maxMs: 30_000, factor: 2 };
const batchBytesMin = 4 * 1_024;

export interface Batch {
  readonly id: number;
  readonly lane: UplinkLane;
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly end: number | undefined;
  readonly before: { readonly epoch: EpochId; readonly ends: Ends } | undefined;
  readonly nonce: string;
}

export type UplinkEvent =
  | { readonly kind: "link-up" }
  | { readonly kind: "link-down" }
  | { readonly kind: "epoch-opened"; readonly epoch: EpochFacts }
  | {
      readonly kind: "appended";
      readonly epoch: EpochId;
      readonly log: Log;
      readonly last: number;
      readonly bytes: number;
    }
  | { readonly kind: "read"; readonly readId: number; readonly found: Found | undefined }
  | { readonly kind: "stored"; readonly batchId: number }
  | { readonly kind: "failed"; readonly batchId: number; readonly fault: PublishFault }
  | { readonly kind: "mark"; readonly mark: Mark | undefined }
  | { readonly kind: "mark-failed" }
  | { readonly kind: "wake" };

/** `too-large` makes batches smaller; every other fault is waited out (facts: 10077, 503, timeout). */
export type PublishFault = "retry" | "too-large";

/** What a read found: consecutive blocks from the position asked for. */
export interface Found {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

export interface EpochFacts {
  readonly id: EpochId;
  readonly ordinal: number;
  readonly before: { readonly epoch: EpochId; readonly ends: Ends } | undefined;
  readonly ends: Ends | undefined;
  readonly last: Readonly<Record<Log, number>>;
  readonly released: Readonly<Record<Log, number>>;
}

export type UplinkAction =
  | { readonly kind: "ask-mark" }
  | {
      readonly kind: "read";
      readonly readId: number;
      readonly epoch: EpochId;
      readonly log: Log;
      readonly from: number;
      readonly bytesMax: number;
      /** Undefined for whole blocks; with a reason the one event at `from` goes as a stub. */
      readonly cut: { readonly positionsMax: number; readonly stubReason?: string } | undefined;
    }
  /** Publishes what the read of the same id found. */
  | { readonly kind: "publish"; readonly readId: number; readonly batch: Batch }
  | {
      readonly kind: "release";
      readonly epoch: EpochId;
      readonly log: Log;
      readonly through: number;
    }
  | { readonly kind: "wake"; readonly atMs: number }
  | {
      readonly kind: "report";
      readonly what: "rollback" | "go-back";
      readonly lane: UplinkLane;
      readonly reason: string;
    };

export interface UplinkStatus {
  readonly link: "down" | "asking" | "up";
  readonly unsentEvents: number;
  readonly untakenEvents: number;
  readonly takenAtBootMs: number | undefined;
  readonly goBacks: number;
  readonly rollbacks: number;
}

export class Uplink {
  readonly #bounds: UplinkBounds;
  readonly #random: Random;
  readonly #lanes: readonly [Lane, Lane];
  #link: "down" | "asking" | "up" = "down";
  #commit = 0;
  #doubtSinceMs: number | undefined;
  #askPending = false;
  #askAtMs: number | undefined;
  #askIntervalMs = markSoonMs;
  #askAttempt = 0;
  #ids = 0;
  #reads = new Map<number, { lane: Lane; cursor: Cursor; generation: number }>();
  #takenAtBootMs: number | undefined;
  #goBacks = 0;
  #rollbacks = 0;

  constructor(bounds: UplinkBounds, random: Random, epochs: readonly EpochFacts[]) {
    this.#bounds = bounds;
    this.#random = random;
    this.#lanes = [newLane("priority", "priority", bounds), newLane("live", "telemetry", bounds)];
    for (const epoch of epochs) this.#addEpoch(epoch);
  }

  status(): UplinkStatus {
    let [unsentEvents, untakenEvents] = [0, 0];
    for (const cursor of this.#lanes.flatMap((lane) => lane.cursors)) {
      unsentEvents += Math.max(0, cursor.last - cursor.next + 1);
      untakenEvents += Math.max(0, cursor.last - cursor.through);
    }
    return {
      link: this.#link,
      unsentEvents,
      untakenEvents,
      takenAtBootMs: this.#takenAtBootMs,
      goBacks: this.#goBacks,
      rollbacks: this.#rollbacks,
    };
  }

  step(event: UplinkEvent, nowMs: number): readonly UplinkAction[] {
    const actions: UplinkAction[] = [];
    this.#take(event, nowMs, actions);
    for (const lane of this.#lanes) this.#advance(lane, nowMs, actions);
    this.#askWhenDue(nowMs, actions);
    const wakeAtMs = this.#wakeAtMs(nowMs);
    if (wakeAtMs !== undefined) actions.push({ kind: "wake", atMs: wakeAtMs });
    return actions;
  }

  #take(event: UplinkEvent, nowMs: number, actions: UplinkAction[]): void {
    switch (event.kind) {
      case "link-up":
        return this.#linkUp(nowMs);
      case "link-down":
        this.#link = "down";
        this.#askPending = false;
        this.#askAtMs = undefined;
        for (const lane of this.#lanes) goBack(lane);
        return;
      case "epoch-opened":
        return this.#addEpoch(event.epoch);
      case "appended":
        return this.#appended(event);
      case "read":
        return this.#read(event, nowMs, actions);
      case "stored":
        return this.#stored(event.batchId, nowMs);
      case "failed":
        return this.#failed(event.batchId, event.fault, nowMs, actions);
      case "mark":
        return this.#marked(event.mark, nowMs, actions);
      case "mark-failed":
        this.#askPending = false;
        this.#askAttempt++;
        this.#askAtMs = nowMs + markSoonMs + retryDelayMs(retry, this.#askAttempt, this.#random);
        return;
      case "wake":
        return;
      default:
        unreachable(event);
    }
  }

  #linkUp(nowMs: number): void {
    this.#link = "asking";
    this.#askPending = false;
    this.#askAtMs = nowMs;
    for (const lane of this.#lanes) {
      goBack(lane);
      lane.attempt = 0;
      lane.notBeforeMs = nowMs;
      lane.takenMs = nowMs;
      lane.nothingTakenMs = nothingTakenMs;
    }
  }

  #addEpoch(facts: EpochFacts): void {
    for (const lane of this.#lanes) {
      const previous = lane.cursors.at(-1);
      if (previous !== undefined && facts.before?.epoch === previous.epoch) {
        previous.end = facts.before.ends[lane.log];
        previous.last = previous.end;
      }
      lane.cursors.push({
        epoch: facts.id,
        ordinal: facts.ordinal,
        before: facts.before,
        end: facts.ends?.[lane.log],
        last: facts.last[lane.log],
        through: facts.released[lane.log],
        next: facts.released[lane.log] + 1,
      });
    }
  }

  #appended(event: Extract<UplinkEvent, { kind: "appended" }>): void {
    const lane = this.#lanes.find((candidate) => candidate.log === event.log);
    const cursor = lane?.cursors.findLast((candidate) => candidate.epoch === event.epoch);
    if (lane === undefined || cursor === undefined) return;
    cursor.last = Math.max(cursor.last, event.last);
    lane.gatheredBytes += event.bytes;
  }

  #advance(lane: Lane, nowMs: number, actions: UplinkAction[]): void {
    if (this.#link !== "up" || lane.reading || nowMs < lane.notBeforeMs) return;
    if (lane.sent.length > 0 && nowMs - lane.takenMs >= lane.nothingTakenMs) {
      this.#goBackWith(lane, `nothing taken for ${lane.nothingTakenMs} ms`, nowMs, actions);
      lane.takenMs = nowMs;
      lane.nothingTakenMs = Math.min(nothingTakenMaxMs, lane.nothingTakenMs * 2);
      return;
    }
    const room = this.#room(lane);
    if (room <= 0) return;
    const cursor = lane.cursors.find((candidate) => candidate.next <= candidate.last);
    if (cursor === undefined || nowMs < this.#gatheredAtMs(lane)) return;
    this.#beginRead(lane, cursor, Math.min(room, lane.batchBytes), nowMs, actions);
  }

  #room(lane: Lane): number {
    if (lane.sent.filter((sent) => !sent.stored).length >= this.#bounds.inflightMax) return 0;
    const { windowBytes, priorityWindowBytes } = this.#bounds;
    const window = lane.name === "live" ? windowBytes : priorityWindowBytes;
    return window - lane.sent.reduce((bytes, sent) => bytes + sent.bytes, 0);
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
    this.#reads.set(readId, { lane, cursor, generation: lane.generation });
    actions.push({
      kind: "read",
      readId,
      epoch: cursor.epoch,
      log: lane.log,
      from: cursor.next,
      bytesMax,
      cut: cutOf(lane, cursor),
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
      this.#backOff(lane, nowMs);
      return;
    }
    lane.behind = found.bytes >= lane.batchBytes && found.to < cursor.last;
    if (lane.sent.length === 0) lane.takenMs = nowMs;
    cursor.next = found.to + 1;
    const id = event.readId;
    const batch = this.#batch(id, lane, cursor, found);
    const { nonce } = batch;
    lane.sent.push({
      id,
      cursor,
      from: found.from,
      to: found.to,
      bytes: found.bytes,
      nonce,
      stored: false,
    });
    actions.push({ kind: "publish", readId: id, batch });
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
    };
  }

  #stored(batchId: number, nowMs: number): void {
    for (const lane of this.#lanes) {
      const sent = lane.sent.find((candidate) => candidate.id === batchId);
      if (sent === undefined) continue;
      sent.stored = true;
      this.#askBy(nowMs + markSoonMs);
    }
  }

  #failed(batchId: number, fault: PublishFault, nowMs: number, actions: UplinkAction[]): void {
    const lane = this.#lanes.find(({ sent }) => sent.some((candidate) => candidate.id === batchId));
    if (lane === undefined) return;
    const sent = lane.sent.find((candidate) => candidate.id === batchId);
    if (fault === "too-large" && sent !== undefined) {
      lane.batchBytes = Math.max(batchBytesMin, lane.batchBytes >> 1);
      halve(lane, sent, "larger than the server takes");
    }
    this.#goBackWith(lane, `a publish failed (${fault})`, nowMs, actions);
  }

  /** U3: the mark is read again before anything is sent again. */
  #goBackWith(lane: Lane, reason: string, nowMs: number, actions: UplinkAction[]): void {
    goBack(lane);
    this.#goBacks++;
    this.#backOff(lane, nowMs);
    if (this.#link === "up") this.#link = "asking";
    this.#askBy(lane.notBeforeMs);
    actions.push({ kind: "report", what: "go-back", lane: lane.name, reason });
  }

  #backOff(lane: Lane, nowMs: number): void {
    lane.attempt++;
    lane.notBeforeMs = nowMs + retryDelayMs(retry, lane.attempt, this.#random);
  }

  #marked(found: Mark | undefined, nowMs: number, actions: UplinkAction[]): void {
    this.#askPending = false;
    this.#askAttempt = 0;
    if (this.#link === "down") return;
    const commit = found?.commit ?? 0;
    if (commit < this.#commit && !this.#doubtIsOver(nowMs)) {
      this.#askAtMs = nowMs + markSoonMs;
      return;
    }
    this.#doubtSinceMs = undefined;
    const progressed = this.#applyMark(found, commit, nowMs, actions);
    this.#link = "up";
    this.#askIntervalMs = progressed
      ? markSoonMs
      : Math.min(markIntervalMaxMs, this.#askIntervalMs * 2);
    this.#askAtMs = undefined;
    if (this.#lanes.some((lane) => lane.sent.length > 0)) this.#askBy(nowMs + this.#askIntervalMs);
  }

  #doubtIsOver(nowMs: number): boolean {
    this.#doubtSinceMs ??= nowMs;
    return nowMs - this.#doubtSinceMs >= doubtMs;
  }

  /** Whether anything more was taken than was known. */
  #applyMark(
    found: Mark | undefined,
    commit: number,
    nowMs: number,
    actions: UplinkAction[],
  ): boolean {
    const throughs = new Map(found?.epochs.map((epoch) => [epoch.epoch, epoch.logs]) ?? []);
    let progressed = false;
    let rolledBack = false;
    for (const lane of this.#lanes) {
      let laneRolledBack = false;
      let laneProgressed = false;
      for (const cursor of lane.cursors) {
        const through = Math.min(cursor.last, throughs.get(cursor.epoch)?.[lane.log].through ?? 0);
        laneRolledBack ||= through < cursor.through;
        laneProgressed ||= through > cursor.through;
        // After a rollback too: what is taken no longer must not be given up as tail.
        if (through !== cursor.through) {
          actions.push({ kind: "release", epoch: cursor.epoch, log: lane.log, through });
        }
        cursor.through = through;
        if (cursor.next <= through) cursor.next = through + 1;
      }
      lane.sent = lane.sent.filter((sent) => sent.to > sent.cursor.through);
      if (laneProgressed) {
        lane.attempt = 0;
        lane.positionsMax = Number.POSITIVE_INFINITY;
        lane.stub = undefined;
        lane.batchBytes = this.#bounds.batchBytes;
        lane.takenMs = nowMs;
        lane.nothingTakenMs = nothingTakenMs;
        this.#takenAtBootMs = nowMs;
      }
      if (laneRolledBack) goBack(lane);
      else this.#answerDoubts(lane, found?.doubts ?? [], nowMs, actions);
      rolledBack ||= laneRolledBack;
      progressed ||= laneProgressed;
    }
    this.#commit = commit;
    if (rolledBack) {
      this.#rollbacks++;
      const reason = `the cloud went back to commit ${commit}`;
      actions.push({ kind: "report", what: "rollback", lane: "live", reason });
    }
    return progressed;
  }

  /** U5: one answer for each generation; the engine tells what it could not take. */
  #answerDoubts(
    lane: Lane,
    doubts: readonly Doubt[],
    nowMs: number,
    actions: UplinkAction[],
  ): void {
    const doubt = doubts.find(({ nonce }) => lane.sent.some((sent) => sent.nonce === nonce));
    if (doubt === undefined) return;
    const sent = lane.sent.find(({ nonce }) => nonce === doubt.nonce);
    if (doubt.kind === "refused" && sent !== undefined) halve(lane, sent, doubt.reason);
    goBack(lane);
    this.#goBacks++;
    this.#backOff(lane, nowMs);
    const reason = `the cloud expects ${doubt.epoch} ${doubt.expected} (${doubt.kind} ${doubt.reason})`;
    actions.push({ kind: "report", what: "go-back", lane: lane.name, reason });
  }

  #askBy(atMs: number): void {
    if (this.#askAtMs === undefined || atMs < this.#askAtMs) this.#askAtMs = atMs;
  }

  #askWhenDue(nowMs: number, actions: UplinkAction[]): void {
    if (this.#link === "down" || this.#askPending || this.#askAtMs === undefined) return;
    if (nowMs < this.#askAtMs) return;
    this.#askPending = true;
    this.#askAtMs = undefined;
    actions.push({ kind: "ask-mark" });
  }

  #wakeAtMs(nowMs: number): number | undefined {
    if (this.#link === "down") return undefined;
    // An answer that is awaited wakes by itself.
    const times: number[] = this.#askAtMs === undefined || this.#askPending ? [] : [this.#askAtMs];
    for (const lane of this.#lanes) {
      if (this.#link !== "up" || lane.reading) continue;
      if (lane.sent.length > 0) {
        times.push(Math.max(lane.notBeforeMs, lane.takenMs + lane.nothingTakenMs));
      }
      if (!lane.cursors.some((cursor) => cursor.next <= cursor.last)) continue;
      if (this.#room(lane) > 0) times.push(Math.max(lane.notBeforeMs, this.#gatheredAtMs(lane)));
    }
    return times.length === 0 ? undefined : Math.max(nowMs, Math.min(...times));
  }
}

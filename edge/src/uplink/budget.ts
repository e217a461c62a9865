/**
 * What the uplink may send, over all connections and restarts.
 *
 *   B1  `bytesPerSecond` and the cap that the mark names hold for all lanes together, the lower of the
 *       two. Priority does not wait for them, yet what it sends is paid for.
 *   B2  A day's bytes are counted on the disk ahead of what is sent, so that neither a restart nor a
 *       power cut gives the day anew. Nor does a clock that goes back.
 *   B3  Live stops at `telemetryShare` of the day's bytes, so that priority has the rest; priority goes on
 *       beyond the whole, and stops at `priorityShare`.
 *   B4  History goes in its hours, with what live will not need until midnight, as live went of late.
 *   B5  While nobody knows the time the day goes on, and no hours begin.
 *
 * What counts is what goes over the wire: compressed batches, their headers, the answers, marks, and
 * what TLS and TCP/IP add, as near as can be told from here (wire-bytes.ts).
 */
import { dayMs, dayOf, momentOf } from "@causeway/shared/day.ts";
import type { Hours } from "@causeway/shared/hours.ts";
import { Gate } from "@causeway/shared/hours.ts";
import { lowestCap } from "@causeway/shared/mark.ts";
import { planMs } from "./budget-plan.ts";
import type { Lane, UplinkLane } from "./lane.ts";
import { atOnceBytesMin, Pace } from "./pace.ts";
import { Rate } from "./rate.ts";

type PayingLane = Pick<Lane, "name" | "batchBytes">;

export interface BudgetSettings {
  readonly bytesPerSecond?: number | undefined;
  readonly bytesPerDay?: number | undefined;
  /** Of history. */
  readonly hours?: Hours | undefined;
  /** Whose midnight begins a day. */
  readonly zone: string;
}

export const noBudget: BudgetSettings = { zone: "UTC" };

export type Spender = UplinkLane | "other";
export const spenders = ["priority", "live", "history", "other"] as const;

/** As it is kept on the disk. */
export interface DayUse {
  /** Since 1970; undefined while no time was known yet. */
  readonly day: number | undefined;
  readonly bytes: Readonly<Record<Spender, number>>;
  /** May have been sent beyond that. */
  readonly aheadBytes: number;
  /** It was told that the day's bytes are used up. */
  readonly isTold: boolean;
}

export const noUse: DayUse = {
  day: undefined,
  bytes: { priority: 0, live: 0, history: 0, other: 0 },
  aheadBytes: 0,
  isTold: false,
};

/**
 *   day    its share of the day's bytes is used up
 *   hours  they have not begun
 *   live   live will need what is left of the day's bytes
 */
export type Why = "day" | "hours" | "live";

export interface Hold {
  readonly why: Why;
  /** In ms since 1970; undefined where that cannot be told. */
  readonly until: number | undefined;
  readonly waitsMs: number | undefined;
}

export interface BudgetStatus {
  /** What the cloud allows; undefined is as much as the link carries. */
  readonly capBytesPerSecond: number | undefined;
  /** The lower of that and of the gateway's own. */
  readonly bytesPerSecond: number | undefined;
  readonly zone: string;
  /** Undefined where a day has no bound. */
  readonly day:
    | {
        readonly usedBytes: number;
        readonly bytesMax: number;
        readonly used: Readonly<Record<Spender, number>>;
        /** Ms since 1970; undefined while nobody knows the time. */
        readonly endsAt: number | undefined;
      }
    | undefined;
  readonly holds: Readonly<Partial<Record<UplinkLane, Hold>>>;
}

export interface BudgetStart {
  readonly settings: BudgetSettings;
  readonly use: DayUse;
  /** Real time in ms at a time since the boot; undefined while it is not known. */
  readonly presentMs: (nowMs: number) => number | undefined;
}

export const freeBudget: BudgetStart = {
  settings: noBudget,
  use: noUse,
  presentMs: () => undefined,
};

export type BudgetOrder =
  | { readonly kind: "keep-use"; readonly use: DayUse }
  | { readonly kind: "notice"; readonly name: string; readonly detail: string };

/** B3. */
export const telemetryShare = 0.9;
export const priorityShare = 1.25;
/** B2. So far is counted ahead; in bytes, or a share of the day. */
const aheadBytesMax = 64 * 1_024;
const aheadShare = 0.002;
/** B4. History begins again with so much at hand, so that it goes in batches worth it. */
const historyBytesMin = 32 * 1_024;
const historyShareMin = 0.005;
/** B4. What live needs is known after so long. */
const liveKnownMs = 60_000;
/** It may become more. */
const liveMargin = 1.2;
/** The clock may have been set meanwhile. */
const lookAgainMs = 60_000;
/** B2. */
const backDaysMax = 2;
/** Of bytes on the disk that go over the wire, until it is known. */
const wireShareFirst = 0.3;
const wireShareWeight = 0.1;

export class Budget {
  readonly #settings: BudgetSettings;
  readonly #presentMs: BudgetStart["presentMs"];
  readonly #pace: Pace;
  readonly #live = new Rate();
  readonly #gate: Gate | undefined;
  #cap: number | undefined;
  #day: number | undefined;
  #endsAt: number | undefined;
  #bytes: Record<Spender, number>;
  /** Up to here it is counted on the disk. */
  #countedBytes: number;
  #isTold: boolean;
  #isKept = false;
  #wireShare = wireShareFirst;
  #sinceMs: number | undefined;

  constructor({ settings, use, presentMs }: BudgetStart, burstBytes: number) {
    this.#settings = settings;
    this.#presentMs = presentMs;
    this.#pace = new Pace(burstBytes);
    this.#day = use.day;
    this.#bytes = { ...use.bytes, other: use.bytes.other + use.aheadBytes };
    this.#countedBytes = this.#usedBytes;
    this.#isTold = use.isTold;
    this.#gate = settings.hours === undefined ? undefined : new Gate(settings.hours);
    this.#pace.limit(settings.bytesPerSecond, 0);
  }

  /** B1. */
  cap(bytesPerSecond: number | undefined, nowMs: number): void {
    this.#cap = bytesPerSecond;
    this.#pace.limit(lowestCap(bytesPerSecond, this.#settings.bytesPerSecond), nowMs);
  }

  /** So many bytes of telemetry came onto the disk. */
  appended(bytes: number, nowMs: number): void {
    this.#live.note(bytes, nowMs);
  }

  /** Blocks are paid for whole, as nobody knows yet what they measure on the wire. */
  reserve(bytes: number, nowMs: number): void {
    this.#pace.spend(bytes, nowMs);
  }

  /** What was reserved measures so much. */
  spend(lane: UplinkLane, bytes: number, reserved: number, nowMs: number): void {
    this.#pace.spend(bytes - reserved, nowMs);
    if (reserved > 0) {
      const share = Math.min(1, bytes / reserved);
      this.#wireShare += (share - this.#wireShare) * wireShareWeight;
    }
    this.#count(lane, bytes, nowMs);
  }

  /** Marks and what else goes over the wire beside batches. */
  spendOther(bytes: number, nowMs: number): void {
    this.#count("other", bytes, nowMs);
  }

  /** Bytes of blocks that one batch of the lane may hold. */
  bytesAtOnce({ name, batchBytes }: PayingLane, nowMs: number): number {
    const { bytesPerSecond = Number.POSITIVE_INFINITY } = this.#pace;
    const most = name === "history" ? bytesPerSecond : this.#pace.burstBytes;
    const paced = name === "priority" ? batchBytes : Math.min(batchBytes, most);
    if (name === "priority" || this.#settings.bytesPerDay === undefined) return paced;
    return Math.min(paced, Math.max(atOnceBytesMin, Math.floor(this.#leftBytes(name, nowMs))));
  }

  /**
   * When the lane may send; in the past where it may now. What would make live wait for its payment
   * is left to live.
   */
  freeAtMs(lane: PayingLane, nowMs: number): number {
    const hold = this.#holdOf(lane.name, nowMs);
    if (hold !== undefined) return nowMs + Math.min(lookAgainMs, hold.waitsMs ?? lookAgainMs);
    if (lane.name === "priority") return Number.NEGATIVE_INFINITY;
    return this.#pace.freeAtMs(lane.name === "history" ? this.bytesAtOnce(lane, nowMs) : 1);
  }

  /** Whether it is the cloud's cap that the lane waits for: asking the cloud again may help. */
  waitsForCap({ name }: PayingLane, nowMs: number): boolean {
    return this.#cap !== undefined && this.#holdOf(name, nowMs) === undefined;
  }

  /** What is to be done after a step. */
  orders(nowMs: number): readonly BudgetOrder[] {
    const { bytesPerDay } = this.#settings;
    if (bytesPerDay === undefined) return [];
    this.#turn(nowMs);
    const orders: BudgetOrder[] = [];
    if (!this.#isTold && this.#leftBytes("live", nowMs) <= 0) {
      this.#isTold = true;
      this.#isKept = false;
      orders.push({ kind: "notice", name: "budget-used", detail: this.#usedText(bytesPerDay) });
    }
    const aheadBytes = Math.min(aheadBytesMax, bytesPerDay * aheadShare);
    const isNear = this.#countedBytes - this.#usedBytes < aheadBytes / 2;
    if (this.#isKept && !isNear) return orders;
    this.#countedBytes = this.#usedBytes + aheadBytes;
    this.#isKept = true;
    return [...orders, { kind: "keep-use", use: this.#use(aheadBytes) }];
  }

  /** For the disk, once nothing more is sent. */
  close(): DayUse | undefined {
    return this.#settings.bytesPerDay === undefined ? undefined : this.#use(0);
  }

  status(nowMs: number): BudgetStatus {
    this.#turn(nowMs);
    const { bytesPerDay: bytesMax, zone } = this.#settings;
    const holds: Partial<Record<UplinkLane, Hold>> = {};
    for (const lane of ["priority", "live", "history"] as const) {
      const hold = this.#holdOf(lane, nowMs);
      if (hold !== undefined) holds[lane] = hold;
    }
    const used = { ...this.#bytes };
    const counted = { usedBytes: this.#usedBytes, used, endsAt: this.#endsAt };
    return {
      ...{ capBytesPerSecond: this.#cap, bytesPerSecond: this.#pace.bytesPerSecond, zone, holds },
      day: bytesMax === undefined ? undefined : { ...counted, bytesMax },
    };
  }

  /**
   * Milliseconds until a backlog of so many bytes on the disk is sent, for all that the budget allows;
   * undefined where that is never, or later than anyone plans.
   */
  drainMs(backlogBytes: number, nowMs: number): number | undefined {
    this.#turn(nowMs);
    const present = this.#presentMs(nowMs);
    const { bytesPerDay, hours, zone } = this.#settings;
    const telemetryPerDay = bytesPerDay === undefined ? undefined : bytesPerDay * telemetryShare;
    const isTimeNeeded = telemetryPerDay !== undefined || hours !== undefined;
    if (present === undefined && isTimeNeeded) return undefined;
    return planMs(backlogBytes * this.#wireShare, {
      ...{ at: present ?? nowMs, hours, zone },
      bytesPerMs: (this.#pace.bytesPerSecond ?? Number.POSITIVE_INFINITY) / 1_000,
      livePerMs: (this.#live.perMs(nowMs) ?? 0) * this.#wireShare,
      bytesPerDay: telemetryPerDay ?? Number.POSITIVE_INFINITY,
      usedBytes: this.#usedBytes,
    });
  }

  #count(spender: Spender, bytes: number, nowMs: number): void {
    if (this.#settings.bytesPerDay === undefined) return;
    this.#turn(nowMs);
    this.#bytes[spender] += bytes;
  }

  #use(aheadBytes: number): DayUse {
    return { day: this.#day, bytes: { ...this.#bytes }, aheadBytes, isTold: this.#isTold };
  }

  get #usedBytes(): number {
    return spenders.reduce((sum, spender) => sum + this.#bytes[spender], 0);
  }

  /** B2, B5: looks whether another day has begun. */
  #turn(nowMs: number): void {
    this.#sinceMs ??= nowMs;
    const { bytesPerDay, zone } = this.#settings;
    if (bytesPerDay === undefined) return;
    const present = this.#presentMs(nowMs);
    if (present === undefined) return;
    if (this.#endsAt !== undefined && present < this.#endsAt) return;
    const day = dayOf(present, zone);
    const known = this.#day ?? day;
    if (day > known) {
      this.#bytes = { ...noUse.bytes };
      this.#countedBytes = 0;
      this.#isTold = false;
    }
    // A clock that was years ahead must not make anybody wait for them.
    const isBack = day < known && day >= known - backDaysMax;
    if (day !== this.#day) this.#isKept = false;
    this.#day = isBack ? known : day;
    this.#endsAt = momentOf(this.#day + 1, 0, zone);
  }

  /** B3, B4. */
  #leftBytes(lane: UplinkLane, nowMs: number): number {
    const { bytesPerDay } = this.#settings;
    if (bytesPerDay === undefined) return Number.POSITIVE_INFINITY;
    if (lane === "priority") return bytesPerDay * priorityShare - this.#usedBytes;
    const left = bytesPerDay * telemetryShare - this.#usedBytes;
    return lane === "history" ? left - this.#liveNeeds(nowMs) : left;
  }

  #liveNeeds(nowMs: number): number {
    const present = this.#presentMs(nowMs);
    const isKnown = present !== undefined && this.#endsAt !== undefined;
    const restMs = isKnown ? Math.max(0, (this.#endsAt ?? 0) - present) : dayMs;
    return (this.#live.perMs(nowMs) ?? 0) * this.#wireShare * restMs * liveMargin;
  }

  #holdOf(lane: UplinkLane, nowMs: number): Hold | undefined {
    const { bytesPerDay } = this.#settings;
    if (bytesPerDay === undefined && this.#gate === undefined) return undefined;
    this.#turn(nowMs);
    const isHistory = lane === "history";
    const present = this.#presentMs(nowMs);
    if (this.#leftBytes(isHistory ? "live" : lane, nowMs) <= 0) {
      return holdOf("day", this.#endsAt, present);
    }
    if (!isHistory) return undefined;
    const opens = present === undefined ? undefined : this.#gate?.opensAt(present);
    const isOpen = opens !== undefined && present !== undefined && opens <= present;
    if (this.#gate !== undefined && !isOpen) return holdOf("hours", opens, present);
    if (bytesPerDay === undefined) return undefined;
    const wantedBytes = Math.min(historyBytesMin, bytesPerDay * historyShareMin);
    const isLiveKnown = nowMs - (this.#sinceMs ?? nowMs) >= liveKnownMs;
    if (isLiveKnown && this.#leftBytes(lane, nowMs) >= wantedBytes) return undefined;
    return holdOf("live", undefined, present);
  }

  #usedText(bytesPerDay: number): string {
    const megabytes = (bytesPerDay / 1e6).toLocaleString("en-US");
    return (
      `the day's ${megabytes} MB are used up but for what alarms may need: live data waits until ` +
      `midnight (${this.#settings.zone})`
    );
  }
}

function holdOf(why: Why, until: number | undefined, present: number | undefined): Hold {
  if (until === undefined || present === undefined) return { why, until, waitsMs: undefined };
  return { why, until, waitsMs: Math.max(1, until - present) };
}

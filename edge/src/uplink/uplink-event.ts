/** What the uplink hears, what it answers with, and what it tells of itself. */
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import type { Budget, BudgetOrder, BudgetStatus } from "./budget.ts";
import type { PublishFault } from "./fault.ts";
import type { UplinkLane } from "./lane.ts";

export interface EpochFacts {
  readonly id: EpochId;
  readonly ordinal: number;
  readonly before: { readonly epoch: EpochId; readonly ends: Ends } | undefined;
  readonly ends: Ends | undefined;
  readonly last: Readonly<Record<Log, number>>;
  readonly released: Readonly<Record<Log, number>>;
  /** It goes under an id that was made here, since its own is lost. */
  readonly isMade?: boolean;
  /** What was remembered (U8). */
  readonly stored: Readonly<Record<Log, { readonly position: number; readonly bytes: number }>>;
}

/** What the outbox kept of an earlier process. */
export interface UplinkStart {
  readonly epochs: readonly EpochFacts[];
  readonly markCommit: number;
  /** Undefined where nothing bounds it but the cloud's cap. */
  readonly budget?: Budget | undefined;
}

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
  /** What is older than this is not all taken: it goes by history. */
  readonly olderWaits: boolean;
}

export type UplinkEvent =
  | { readonly kind: "link-up" }
  | { readonly kind: "link-down"; readonly reason?: string | undefined }
  | { readonly kind: "epoch-opened"; readonly epoch: EpochFacts }
  | {
      readonly kind: "appended";
      readonly epoch: EpochId;
      readonly log: Log;
      readonly last: number;
      readonly bytes: number;
    }
  | { readonly kind: "read"; readonly readId: number; readonly found: Found | undefined }
  /** What the batch measures on the wire. */
  | { readonly kind: "sent"; readonly batchId: number; readonly bytes: number }
  /** What else went over the wire. */
  | { readonly kind: "carried"; readonly bytes: number }
  | { readonly kind: "stored"; readonly batchId: number }
  | {
      readonly kind: "failed";
      readonly batchId: number;
      readonly fault: PublishFault;
      readonly reason: string;
    }
  | { readonly kind: "mark"; readonly mark: Mark | undefined }
  | { readonly kind: "mark-failed"; readonly fault: PublishFault; readonly reason: string }
  | { readonly kind: "wake" };

/** What a read found: consecutive blocks from the position asked for. */
export interface Found {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** Of the oldest; infinite where no clock tells. */
  readonly ageMs: number;
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
  /** The mark that the releases beside it follow. */
  | { readonly kind: "marked"; readonly commit: number }
  | {
      readonly kind: "remember";
      readonly epoch: EpochId;
      readonly log: Log;
      readonly position: number;
      readonly bytes: number;
    }
  | { readonly kind: "hold-tail"; readonly isHeld: boolean }
  | { readonly kind: "leave-epoch"; readonly reason: string }
  /** Breaks the connection; a new one is dialled. */
  | { readonly kind: "redial" }
  | { readonly kind: "wake"; readonly atMs: number }
  | BudgetOrder
  | {
      readonly kind: "report";
      readonly what: "rollback" | "go-back" | "fault" | "redial" | "fork" | "jump";
      readonly lane: UplinkLane | undefined;
      readonly reason: string;
      /** How often since it was last reported. */
      readonly times: number;
    };

export interface LaneBacklog {
  readonly unsentEvents: number;
  readonly untakenEvents: number;
}

export interface UplinkStatus {
  readonly link: "down" | "asking" | "up";
  readonly lanes: Readonly<Record<UplinkLane, LaneBacklog>>;
  /** Times that fresh data went ahead of a backlog (U13). */
  readonly jumps: number;
  readonly unsentEvents: number;
  readonly untakenEvents: number;
  readonly takenAtBootMs: number | undefined;
  readonly goBacks: number;
  readonly rollbacks: number;
  readonly redials: number;
  readonly budget: BudgetStatus;
  /** What keeps events from being taken, in words; empty while all is well. */
  readonly troubles: readonly string[];
}

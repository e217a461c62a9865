/**
 * Who was told what: of one receiver, as the notifier sees it. nats-ledger.ts is the real one.
 *
 *   L1  A commit is taken whole, and only where nobody has committed since the revision it names.
 *   L2  Where it is too large for one batch, notifications are written before the head that counts
 *       them, and the rest of the state behind it: after a crash between the two, something is told
 *       twice under one key, never lost.
 */
import type { Notification } from "./notification.ts";
import type { LedgerHead } from "./plan-codec.ts";
import {
  decodeHead,
  decodeNotification,
  decodeState,
  headRecord,
  toldRecord,
} from "./plan-codec.ts";
import type { PlanState } from "./plan-state.ts";

export interface StoredRecords {
  /** Of the head; 0 where there is none. */
  readonly revision: number;
  readonly records: ReadonlyMap<string, string>;
}

export interface LedgerCommit {
  readonly head: string;
  readonly told: ReadonlyMap<string, string>;
  readonly state: ReadonlyMap<string, string>;
}

/** Everything is read from the leader; rejects where there is no answer. */
export interface LedgerStore {
  load(): Promise<StoredRecords>;
  /** The new revision; undefined where the head is another than expected. */
  commit(commit: LedgerCommit, expected: number): Promise<number | undefined>;
}

export interface Ledger {
  revision: number;
  /** Undefined where this receiver was never told anything. */
  head: LedgerHead | undefined;
  readonly state: PlanState;
  /** By number, in order. */
  readonly outstanding: Map<number, Notification>;
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function ledgerOf({ revision, records }: StoredRecords): Ledger {
  const text = records.get(headRecord) ?? "";
  const state = decodeState(records);
  const outstanding = new Map<number, Notification>();
  if (text === "") return { revision, head: undefined, state, outstanding };
  const head = decodeHead(text);
  for (let number = head.first; number < head.next; number++) {
    const told = records.get(toldRecord(number)) ?? "";
    if (told !== "") outstanding.set(number, decodeNotification(told));
  }
  return { revision, head, state, outstanding };
}

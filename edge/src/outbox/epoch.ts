/** One epoch of the outbox: what its record says, and how far its logs are written and released. */
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { EpochRecord } from "./layout.ts";
import { encodeEpoch, epochKey } from "./layout.ts";
import type { Change } from "./store.ts";

export interface EpochView {
  readonly id: EpochId;
  readonly ordinal: number;
  readonly before: EpochRecord["before"];
  /** Undefined while the epoch is open. */
  readonly ends: Ends | undefined;
  /** Last durable positions. */
  readonly last: Readonly<Record<Log, number>>;
  readonly released: Readonly<Record<Log, number>>;
}

export interface Epoch {
  record: EpochRecord;
  readonly last: Record<Log, number>;
  readonly released: Record<Log, number>;
  /** Below this nothing is kept; remembered, so that no read walks over deleted keys. */
  readonly kept: Record<Log, number>;
  /** The record is on disk; it goes with the first append. */
  written: boolean;
}

export function newEpoch(record: EpochRecord, written: boolean): Epoch {
  const zero = () => ({ telemetry: 0, priority: 0 });
  return { record, last: zero(), released: zero(), kept: { telemetry: 1, priority: 1 }, written };
}

export function viewOf(epoch: Epoch): EpochView {
  const { id, ordinal, before, ends } = epoch.record;
  return { id, ordinal, before, ends, last: { ...epoch.last }, released: { ...epoch.released } };
}

export function epochChange(record: EpochRecord): Change {
  return { kind: "put", key: epochKey(record.ordinal), value: encodeEpoch(record) };
}

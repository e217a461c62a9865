/** One epoch of the outbox: what its record says, and how far its logs are written and released. */
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { EpochRecord } from "./layout.ts";
import { cursorKey, encodeEpoch, encodeRecord, epochKey } from "./layout.ts";
import type { Change } from "./store.ts";

export interface EpochView {
  readonly id: EpochId;
  readonly ordinal: number;
  readonly before: EpochRecord["before"];
  /** Undefined while the epoch is open. */
  readonly ends: Ends | undefined;
  /** Its true id is lost. */
  readonly isMade: boolean;
  /** Last durable positions. */
  readonly last: Readonly<Record<Log, number>>;
  readonly released: Readonly<Record<Log, number>>;
  /** Positions beyond were never published; what was may be thinned no more. */
  readonly published: Readonly<Record<Log, number>>;
  readonly stored: Readonly<Record<Log, StoredThrough>>;
}

/** What JetStream answered for and no mark covered yet: up to `position`, some `bytes` of blocks. */
export interface StoredThrough {
  readonly position: number;
  readonly bytes: number;
}

export interface Epoch {
  record: EpochRecord;
  readonly last: Record<Log, number>;
  readonly released: Record<Log, number>;
  /** Below this nothing is kept; remembered, so that no read walks over deleted keys. */
  readonly kept: Record<Log, number>;
  /** O7: up to here may be published, as the cursor record says or is about to. */
  readonly published: Record<Log, number>;
  /** The same, synced. */
  readonly publishable: Record<Log, number>;
  readonly stored: Record<Log, StoredThrough>;
  /** How far each step of thinning went; only a hint, which saves looking again. */
  readonly thinned: Record<Log, number[]>;
  readonly guard: Record<Log, Guard>;
  /** The record is on disk; it goes with the first append. */
  written: boolean;
}

/** Between those who read blocks in order to send them and those who replace what was never sent. */
export interface Guard {
  /** Up to here was read in order to be sent. */
  claimed: number;
  /** How often blocks were replaced. */
  replacements: number;
  /** While it is not known whether they were. */
  replacing: Promise<void> | undefined;
  /** Looked at, with nothing to give. */
  passed: number;
}

/** As many steps as thinning has. */
export const thinSteps = 3;

export function newEpoch(record: EpochRecord, written: boolean): Epoch {
  const zero = () => ({ telemetry: 0, priority: 0 });
  const nothing = { position: 0, bytes: 0 };
  const steps = () => new Array<number>(thinSteps).fill(0);
  const guard = (): Guard => ({ claimed: 0, replacements: 0, replacing: undefined, passed: 0 });
  return {
    record,
    last: zero(),
    released: zero(),
    kept: { telemetry: 1, priority: 1 },
    published: zero(),
    publishable: zero(),
    stored: { telemetry: nothing, priority: nothing },
    thinned: { telemetry: steps(), priority: steps() },
    guard: { telemetry: guard(), priority: guard() },
    written,
  };
}

export function viewOf(epoch: Epoch): EpochView {
  const { id, ordinal, before, ends, isMade = false } = epoch.record;
  const { last, released, published, stored } = epoch;
  return {
    id,
    ordinal,
    before,
    ends,
    isMade,
    last: { ...last },
    released: { ...released },
    published: {
      telemetry: Math.min(published.telemetry, last.telemetry),
      priority: Math.min(published.priority, last.priority),
    },
    stored: { ...stored },
  };
}

export function epochChange(record: EpochRecord): Change {
  return { kind: "put", key: epochKey(record.ordinal), value: encodeEpoch(record) };
}

/** Up to here blocks are as they were sent, or as they are about to be. */
export function sentThrough({ published, released, guard }: Epoch, log: Log): number {
  return Math.max(published[log], released[log], guard[log].claimed);
}

export function cursorChange({ record, ...epoch }: Epoch): Change {
  const { released, kept, published, stored, thinned } = epoch;
  const value = encodeRecord({ ...released, kept, published, stored, thinned });
  return { kind: "put", key: cursorKey(record.ordinal), value };
}

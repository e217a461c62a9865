/**
 * The epochs that a store holds. A record that rotted is made again from what others say: a successor
 * names its predecessor's id and ends. Blocks that no record knows get an epoch of their own, under an
 * id made from them, for the true one is lost; no ordinal that was used is ever given again.
 */
import { epochId, epochOrdinal } from "@causeway/shared/batch-codec.ts";
import { blockVersion, frameBytes } from "@causeway/shared/block-codec.ts";
import { crc32c } from "@causeway/shared/checksum.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { readable } from "./continuity.ts";
import type { Epoch, StoredThrough } from "./epoch.ts";
import { cursorChange, epochChange, newEpoch, thinSteps } from "./epoch.ts";
import type { EpochRecord } from "./layout.ts";
import {
  allEpochs,
  blockPosition,
  blockRange,
  decodeEpoch,
  decodeRecord,
  epochKey,
  logRange,
} from "./layout.ts";
import type { Change, Entry, Store } from "./store.ts";

export interface FoundEpochs {
  /** Oldest first, all of them closed. */
  readonly epochs: Epoch[];
  /** What the store must be told, so that it says the same the next time. */
  readonly changes: Change[];
  /** What rotted, in words. */
  readonly faults: string[];
}

/** More records than a process start every minute makes in a year. */
export const recordsMax = 1_000_000;
/** As many epochs in a row as may have lost their records. */
const ordinalsLostMax = 10_000;
const allCursors = { from: Buffer.from("c"), until: Buffer.from("d") };

type Cursor = Readonly<Record<string, unknown>>;

/** Throws OUTBOX_VERSION_UNKNOWN. */
export async function findEpochs(store: Store): Promise<FoundEpochs> {
  const faults: string[] = [];
  const { records, rotten } = await readRecords(store, faults);
  const changed = addNamed(records, faults);
  const cursors = await readCursors(store, faults);
  const orphans = await findOrphans(store, records, cursors, rotten);
  for (const [ordinal, id] of orphans) {
    faults.push(`the record of epoch ${ordinal} is lost: what is left of it goes as ${id}`);
    records.set(ordinal, { id, ordinal, before: undefined, ends: undefined, isMade: true });
    changed.add(ordinal);
  }
  const epochs: Epoch[] = [];
  for (const record of acknowledged(records, changed)) {
    const epoch = newEpoch(record, true);
    const cursor = cursors.get(record.ordinal);
    if (cursor !== undefined) applyCursor(epoch, cursor);
    else countAsPublished(epoch, Number.MAX_SAFE_INTEGER);
    const ends = record.ends ?? (await foundEnds(store, epoch));
    if (record.ends === undefined) changed.add(record.ordinal);
    const before = changed.has(record.ordinal) ? (record.before ?? end(epochs)) : record.before;
    epoch.record = { ...record, ends, before };
    Object.assign(epoch.last, ends);
    epochs.push(epoch);
  }
  const written = epochs.filter(({ record }) => changed.has(record.ordinal));
  const changes = written.map(({ record }) => epochChange(record));
  for (const ordinal of rotten) {
    if (!records.has(ordinal)) changes.push({ kind: "delete", key: epochKey(ordinal) });
  }
  return { epochs, changes, faults };
}

function end(epochs: readonly Epoch[]): EpochRecord["before"] {
  const last = epochs.at(-1)?.record;
  return last?.ends && { epoch: last.id, ends: last.ends };
}

async function readRecords(store: Store, faults: string[]) {
  const records = new Map<number, EpochRecord>();
  const rotten: number[] = [];
  for (const [key, value] of await store.scan({ ...allEpochs, countMax: recordsMax })) {
    const sound = soundRecord(value);
    const record = sound === undefined ? undefined : decodeEpoch(sound);
    if (record !== undefined && epochKey(record.ordinal).equals(key)) {
      records.set(record.ordinal, record);
    } else if (key.length === 5) {
      faults.push("an epoch's record is unreadable");
      rotten.push(ordinalAt(key, 1));
    }
  }
  return { records, rotten };
}

/** Adds what successors know of their predecessors; answers with the ordinals it changed. */
function addNamed(records: Map<number, EpochRecord>, faults: string[]): Set<number> {
  const changed = new Set<number>();
  for (const { before } of [...records.values()]) {
    if (before === undefined) continue;
    const ordinal = epochOrdinal(before.epoch);
    if (ordinal === undefined) continue;
    const known = records.get(ordinal);
    if (known?.ends !== undefined || (known !== undefined && known.id !== before.epoch)) continue;
    faults.push(`the record of epoch ${before.epoch} is made again from its successor's`);
    const { epoch: id, ends } = before;
    records.set(ordinal, { id, ordinal, before: known?.before, ends });
    changed.add(ordinal);
  }
  return changed;
}

/** Ordinals that were used and have no record, with the id to go on under. */
async function findOrphans(
  store: Store,
  records: ReadonlyMap<number, EpochRecord>,
  cursors: ReadonlyMap<number, Cursor>,
  rotten: readonly number[],
) {
  const witnesses = new Map<number, Uint8Array>();
  for (const ordinal of rotten) witnesses.set(ordinal, epochKey(ordinal));
  for (const [ordinal, cursor] of cursors) {
    // An epoch whose first write failed may have left a cursor, but never a released position.
    const released = logs.some((log) => Number(cursor[log] ?? 0) > 0);
    if (released) witnesses.set(ordinal, Buffer.from(JSON.stringify(cursor)));
  }
  for (const log of logs) {
    for (let ordinal = 0; ; ordinal++) {
      // Blocks of epochs that are known are no news, however many epochs there are.
      while (records.has(ordinal)) ordinal++;
      const { from } = logRange(log, ordinal);
      const { until } = logRange(log, 2 ** 32 - 1);
      const [entry] = await store.scan({ from, until, countMax: 1 });
      if (entry === undefined) break;
      ordinal = ordinalAt(entry[0], 2);
      if (entry[0].length === from.length && readable(entry) !== undefined) {
        witnesses.set(ordinal, entry[1]);
      }
    }
  }
  // Beyond that it is not an ordinal but a key that rotted.
  const ordinalMax =
    [...records.keys()].reduce((most, one) => Math.max(most, one), 0) + ordinalsLostMax;
  return [...witnesses]
    .filter(([ordinal]) => ordinal > 0 && ordinal <= ordinalMax && !records.has(ordinal))
    .map(([ordinal, bytes]) => {
      const id = epochId(ordinal, crc32c(bytes).toString(16).padStart(8, "0"));
      return [ordinal, id] as const;
    });
}

function ordinalAt(key: Uint8Array, offset: number): number {
  return key.length < offset + 4 ? 0 : Buffer.from(key).readUInt32BE(offset);
}

/**
 * In order, without epochs of which only failed bytes appeared late: such a one is open, and its
 * successor, which knows its predecessor, is another's.
 */
function acknowledged(
  records: ReadonlyMap<number, EpochRecord>,
  remade: ReadonlySet<number>,
): EpochRecord[] {
  const ordered = [...records.values()].sort((one, other) => one.ordinal - other.ordinal);
  return ordered.filter(({ ends }, at) => {
    const next = ordered[at + 1];
    const isNextSure = next !== undefined && (!remade.has(next.ordinal) || next.before);
    return ends !== undefined || !isNextSure;
  });
}

async function readCursors(store: Store, faults: string[]): Promise<Map<number, Cursor>> {
  const cursors = new Map<number, Cursor>();
  for (const [key, value] of await store.scan({ ...allCursors, countMax: recordsMax })) {
    const sound = soundRecord(value);
    if (sound === undefined || key.length !== 5) faults.push("a cursor is unreadable");
    else cursors.set(ordinalAt(key, 1), decodeRecord(sound, "a cursor"));
  }
  return cursors;
}

/** A rebuilt store may hold a cursor of before: what was published since is not known any more. */
export async function countAllAsPublished(store: Store): Promise<void> {
  const { epochs } = await findEpochs(store);
  for (const epoch of epochs) countAsPublished(epoch, Number.MAX_SAFE_INTEGER);
  await store.write(epochs.map(cursorChange), { sync: true });
}

/** Also where the cursor is lost: it was written with the epoch's first events. */
function countAsPublished(epoch: Epoch, through: number): void {
  for (const log of logs) {
    epoch.published[log] = through;
    epoch.publishable[log] = through;
  }
}

function applyCursor(epoch: Epoch, cursor: Cursor): void {
  const kept = (cursor["kept"] ?? {}) as Partial<Record<Log, number>>;
  const published = cursor["published"] as Partial<Record<Log, number>> | undefined;
  const stored = (cursor["stored"] ?? {}) as Partial<Record<Log, StoredThrough>>;
  const thinned = (cursor["thinned"] ?? {}) as Partial<Record<Log, number[]>>;
  for (const log of logs) {
    epoch.released[log] = Number(cursor[log] ?? 0);
    epoch.kept[log] = Number(kept[log] ?? 1);
    // A record that does not say so leaves everything as published.
    const bound = Number(published?.[log] ?? Number.MAX_SAFE_INTEGER);
    epoch.published[log] = bound;
    epoch.publishable[log] = bound;
    epoch.stored[log] = stored[log] ?? epoch.stored[log];
    const steps = thinned[log] ?? [];
    for (let step = 0; step < thinSteps; step++) {
      epoch.thinned[log][step] = Number(steps[step] ?? 0);
    }
  }
}

/** The last process did not close its epoch: its ends are what is found now, stated once (O4). */
async function foundEnds(store: Store, epoch: Epoch): Promise<Record<Log, number>> {
  const [telemetry, priority] = [
    await lastWritten(store, "telemetry", epoch),
    await lastWritten(store, "priority", epoch),
  ];
  return { telemetry, priority };
}

/** Last blocks that rotted were acknowledged like any other, and have to be stated as a loss. */
async function lastWritten(store: Store, log: Log, { record, released, kept }: Epoch) {
  const { from, until } = logRange(log, record.ordinal);
  const rotten: Entry[] = [];
  // What was taken and given up is gone, and yet it was there.
  let last = Math.max(released[log], kept[log] - 1);
  for (let before: Uint8Array = until; ; ) {
    const found = await store.scan({ from, until: before, countMax: 1, reverse: true });
    const [entry] = found;
    const block = entry && readable(entry);
    if (block !== undefined) last = Math.max(last, block.to);
    if (entry === undefined || block !== undefined) break;
    if (entry[0].length === from.length) rotten.unshift(entry);
    before = entry[0];
  }
  let bytes = 0;
  for (const entry of rotten) {
    bytes += entry[1].length;
    // Further away than what rotted can bridge it is a key that rotted.
    if (blockPosition(entry[0]) <= last + bytes) last = Math.max(last, rottenEnd(entry));
  }
  return last;
}

/** As its head says, if that agrees with its key; else its first position, which the key says. */
function rottenEnd([key, bytes]: Entry): number {
  const position = blockPosition(key);
  try {
    const { from, to } = blockRange(bytes);
    return from === position ? Math.max(position, to) : position;
  } catch (failure) {
    if (failure instanceof CodedError) return position;
    throw failure;
  }
}

/** The record, mended where only its version rotted; undefined where its checksum fails. */
export function soundRecord(record: Uint8Array): Uint8Array | undefined {
  if (record.length < frameBytes) return undefined;
  const bytes = Buffer.from(record);
  bytes[0] = blockVersion;
  try {
    decodeRecord(bytes, "a record");
    return bytes;
  } catch (failure) {
    if (failure instanceof CodedError || failure instanceof SyntaxError) return undefined;
    throw failure;
  }
}

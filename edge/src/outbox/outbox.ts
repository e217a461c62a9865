/**
 * The outbox keeps events on disk, in order, until the cloud has taken them.
 *
 *   O1  An append settles without failure only when it is synced; appends settle in call order.
 *   O2  Positions within (epoch, log) follow call order, without holes, and are never given twice.
 *   O3  A process that opens the outbox begins a new epoch, and so does a failed write: nothing is
 *       ever appended to an epoch that somebody else may have written to.
 *   O4  An epoch's ends, once stated, never change; bytes beyond them are ignored.
 *   O5  A failed write poisons the store: what waits fails, the store is closed and reopened.
 *   O6  Blocks are given up only when released, and only while the store is beyond its tail bound.
 *
 * A group commit is one synced write; while one is under way the next group gathers, so no timer
 * is needed and one sync serves all connections.
 */
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import { epochId } from "@causeway/shared/batch-codec.ts";
import { BlockBuilder, unframe } from "@causeway/shared/block-codec.ts";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { EpochRecord } from "./layout.ts";
import {
  allBlocks,
  allEpochs,
  blockKey,
  blockPosition,
  blockRange,
  bootKey,
  cursorKey,
  decodeEpoch,
  decodeRecord,
  encodeEpoch,
  encodeRecord,
  epochKey,
  identityKey,
  layoutVersion,
  logRange,
} from "./layout.ts";
import type { Change, Entry, Store } from "./store.ts";

export interface OutboxBounds {
  /** At the bound the released tail gives way; beyond it appends fail with OUTBOX_FULL. */
  readonly bytesMax: number;
  /** Released blocks kept for a cloud that rolls back. */
  readonly tailBytesMax: number;
  /** Appends waiting for their sync; beyond it they fail with OUTBOX_FULL. */
  readonly pendingBytesMax: number;
}

/** A block is closed at this size, so that a batch can be cut between blocks. */
const blockBytesMax = 128 * 1_024;
/** Reserve for what an event costs beyond its payload. */
const eventOverheadBytes = 128;
const maintainEveryMs = 10_000;
/** Blocks given up in one turn, so that a turn stays short. */
const giveUpBlocksMax = 256;
const reopenSchedule = { firstMs: 250, maxMs: 30_000, factor: 2 };

export type Settle = (failure: CodedError | undefined) => void;

/** Called in order, after the appends they name have settled. */
export interface OutboxListener {
  epochOpened(epoch: EpochView): void;
  appended(epoch: EpochId, log: Log, last: number, bytes: number): void;
  poisoned(failure: CodedError): void;
}

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

export interface StoredBlock {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

export interface OutboxUsage {
  readonly bytes: number;
  readonly pendingBytes: number;
  readonly appended: number;
  readonly groups: number;
  readonly poisonings: number;
}

export interface OutboxParts {
  readonly gateway: string;
  readonly openStore: () => Promise<Store>;
  readonly clock: Clock;
  readonly random: Random;
  readonly bounds: OutboxBounds;
  readonly log: Logger;
}

interface Epoch {
  record: EpochRecord;
  readonly last: Record<Log, number>;
  readonly released: Record<Log, number>;
  /** Below this nothing is kept; remembered, so that no read walks over deleted keys. */
  readonly kept: Record<Log, number>;
  /** The record is on disk; it goes with the first append. */
  written: boolean;
}

interface Group {
  readonly blocks: { readonly log: Log; readonly builder: BlockBuilder }[];
  readonly settles: Settle[];
  bytes: number;
}

export class Outbox {
  readonly #parts: OutboxParts;
  #store: Store;
  #epochs: Epoch[];
  readonly #offsets: Map<string, number>;
  #group: Group = emptyGroup();
  #writing: Promise<void> | undefined;
  #scheduled = false;
  #state: "open" | "poisoned" | "closed" = "open";
  #listener: OutboxListener | undefined;
  #storedBytes: number;
  #dirtyCursors = new Set<Epoch>();
  #maintenance: Cancel | undefined;
  #pendingBytes = 0;
  #counters = { appended: 0, groups: 0, poisonings: 0 };

  private constructor(parts: OutboxParts, store: Store, opened: Opened) {
    this.#parts = parts;
    this.#store = store;
    this.#epochs = opened.epochs;
    this.#offsets = opened.offsets;
    this.#storedBytes = opened.bytes;
    this.#beginEpoch();
    this.#scheduleMaintenance();
  }

  /** Opens or creates; closes the last epoch and begins a new one in memory (O3). */
  static async open(parts: OutboxParts): Promise<Outbox> {
    const store = await parts.openStore();
    try {
      return new Outbox(parts, store, await readStore(store, parts));
    } catch (failure) {
      await store.close();
      throw failure;
    }
  }

  listen(listener: OutboxListener): void {
    this.#listener = listener;
  }

  /** The epoch that appends go to. */
  get run(): EpochId {
    return this.#current.record.id;
  }

  epochs(): readonly EpochView[] {
    return this.#epochs.filter((epoch) => epoch.written).map(viewOf);
  }

  usage(): OutboxUsage {
    return { bytes: this.#storedBytes, pendingBytes: this.#pendingBytes, ...this.#counters };
  }

  /** The offset of a boot to real time in ms; undefined while it was never synchronised. */
  bootOffset(bootId: string): number | undefined {
    return this.#offsets.get(bootId);
  }

  /** Fixes a boot's offset, once and for ever; durable when it resolves. */
  async fixBootOffset(bootId: string, offsetMs: number): Promise<void> {
    if (this.#offsets.has(bootId)) return;
    const change = {
      kind: "put",
      key: bootKey(bootId),
      value: encodeRecord({ offsetMs }),
    } as const;
    await this.#store.write([change], { sync: true });
    this.#offsets.set(bootId, offsetMs);
  }

  /** O1, O2. `settle` is called once: OUTBOX_FULL, OUTBOX_POISONED, or undefined when durable. */
  append(log: Log, event: Event, settle: Settle): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) return settle(refusal);
    const group = this.#group;
    const block = group.blocks.findLast((candidate) => candidate.log === log);
    const full = block === undefined || block.builder.size >= blockBytesMax;
    const builder = full ? new BlockBuilder(this.#parts.clock.bootId) : block.builder;
    if (full) group.blocks.push({ log, builder });
    const before = builder.size;
    builder.add(event);
    const bytes = builder.size - before + eventOverheadBytes;
    group.bytes += bytes;
    this.#pendingBytes += bytes;
    group.settles.push(settle);
    this.#schedule();
  }

  /** Blocks of (epoch, log) from the one that holds position `from` on, about `bytesMax` of them. */
  async read(epoch: EpochId, log: Log, from: number, bytesMax: number): Promise<StoredBlock[]> {
    const found = this.#epochs.find((candidate) => candidate.record.id === epoch);
    if (found === undefined || from > found.last[log]) return [];
    const { ordinal } = found.record;
    const start = await this.#blockHolding(log, ordinal, from);
    const entries = await this.#store.scan({
      from: start,
      until: blockKey(log, ordinal, found.last[log] + 1),
      countMax: 10_000,
      bytesMax,
    });
    return entries.map(([, bytes]) => ({ ...blockRange(bytes), bytes }));
  }

  /** The cloud has taken everything up to `through`; the blocks become tail (O6). */
  release(epoch: EpochId, log: Log, through: number): void {
    const found = this.#epochs.find((candidate) => candidate.record.id === epoch);
    if (found === undefined) return;
    found.released[log] = Math.min(through, found.last[log]);
    this.#dirtyCursors.add(found);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    while (this.#writing !== undefined || this.#group.settles.length > 0) {
      if (this.#writing === undefined) this.#flush();
      await this.#writing;
    }
    this.#maintenance?.();
    const poisoned = this.#state === "poisoned";
    this.#state = "closed";
    if (!poisoned && this.#dirtyCursors.size > 0) {
      await this.#store.write(this.#cursorChanges(), { sync: false });
    }
    await this.#store.close();
  }

  get #current(): Epoch {
    return this.#epochs.at(-1) as Epoch;
  }

  #refusal(): CodedError | undefined {
    if (this.#state !== "open") {
      return new CodedError("OUTBOX_POISONED", "the outbox is being reopened after a failed write");
    }
    const { bytesMax, pendingBytesMax } = this.#parts.bounds;
    if (this.#pendingBytes >= pendingBytesMax) {
      return new CodedError("OUTBOX_FULL", `${this.#pendingBytes} bytes wait for the disk already`);
    }
    if (this.#storedBytes < bytesMax) return undefined;
    const cure = "the cloud takes nothing, or raise outbox.bytesMax";
    return new CodedError(
      "OUTBOX_FULL",
      `${this.#storedBytes} of ${bytesMax} bytes are used: ${cure}`,
    );
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing !== undefined) return;
    this.#scheduled = true;
    this.#parts.clock.soon(() => {
      this.#scheduled = false;
      if (this.#writing === undefined) this.#flush();
    });
  }

  #flush(): void {
    const group = this.#group;
    if (group.settles.length === 0 || this.#state !== "open") return;
    this.#group = emptyGroup();
    this.#writing = this.#commit(group).finally(() => {
      this.#writing = undefined;
      if (this.#group.settles.length > 0) this.#flush();
    });
  }

  async #commit(group: Group): Promise<void> {
    const epoch = this.#current;
    const next = { ...epoch.last };
    const changes: Change[] = epoch.written ? [] : [epochChange(epoch.record)];
    const appended: { log: Log; last: number; bytes: number }[] = [];
    for (const { log, builder } of group.blocks) {
      const from = next[log] + 1;
      const value = builder.finish(from);
      changes.push({ kind: "put", key: blockKey(log, epoch.record.ordinal, from), value });
      next[log] += builder.positions;
      appended.push({ log, last: next[log], bytes: value.length });
    }
    changes.push(...this.#cursorChanges());
    try {
      await this.#store.write(changes, { sync: true });
    } catch (failure) {
      this.#pendingBytes -= group.bytes;
      this.#poison(group, failure);
      return;
    }
    this.#settle(epoch, group, next, appended);
  }

  #settle(
    epoch: Epoch,
    group: Group,
    next: Record<Log, number>,
    appended: readonly { log: Log; last: number; bytes: number }[],
  ): void {
    const opened = !epoch.written;
    epoch.written = true;
    Object.assign(epoch.last, next);
    this.#pendingBytes -= group.bytes;
    this.#counters.groups++;
    this.#counters.appended += group.settles.length;
    for (const { bytes } of appended) this.#storedBytes += bytes;
    for (const settle of group.settles) settle(undefined);
    if (opened) this.#listener?.epochOpened(viewOf(epoch));
    for (const { log, last, bytes } of appended) {
      this.#listener?.appended(epoch.record.id, log, last, bytes);
    }
  }

  /** O5: whether the failed bytes reached the disk is unknown, so nobody may build on them. */
  #poison(group: Group, failure: unknown): void {
    const told = new CodedError("OUTBOX_POISONED", `a write failed: ${reasonOf(failure)}`, {
      cause: failure,
    });
    this.#state = "poisoned";
    this.#counters.poisonings++;
    const waiting = this.#group;
    this.#group = emptyGroup();
    this.#pendingBytes -= waiting.bytes;
    for (const settle of [...group.settles, ...waiting.settles]) settle(told);
    this.#listener?.poisoned(told);
    this.#reopen().catch((fault) => {
      this.#parts.log.error({ reason: reasonOf(fault) }, "outbox stays closed");
    });
  }

  async #reopen(): Promise<void> {
    const { clock, random, log, openStore } = this.#parts;
    for (let attempt = 1; this.#state === "poisoned"; attempt++) {
      await sleep(clock, retryDelayMs(reopenSchedule, attempt, random));
      try {
        await this.#store.close();
        this.#store = await openStore();
        await this.#closeCurrentEpoch();
      } catch (failure) {
        log.error(
          { attempt, reason: reasonOf(failure) },
          "outbox could not be reopened, trying again",
        );
        continue;
      }
      this.#beginEpoch();
      this.#state = "open";
      log.warn({ epoch: this.run }, "outbox reopened under a new epoch");
    }
  }

  /** States the ends by what was acknowledged, and takes the failed bytes away (O4). */
  async #closeCurrentEpoch(): Promise<void> {
    const epoch = this.#current;
    if (!epoch.written) {
      this.#epochs.pop();
      return;
    }
    const closed = { ...epoch.record, ends: { ...epoch.last } };
    const changes: Change[] = [epochChange(closed)];
    for (const log of logs) {
      const from = blockKey(log, epoch.record.ordinal, epoch.last[log] + 1);
      const { until } = logRange(log, epoch.record.ordinal);
      const beyond = await this.#store.scan({ from, until, countMax: 1_000 });
      for (const [key] of beyond) changes.push({ kind: "delete", key });
    }
    await this.#store.write(changes, { sync: true });
    epoch.record = closed;
  }

  #beginEpoch(): void {
    const last = this.#epochs.at(-1);
    const ordinal = (last?.record.ordinal ?? 0) + 1;
    const ends = last?.record.ends;
    const before =
      last === undefined || ends === undefined ? undefined : { epoch: last.record.id, ends };
    const id = epochId(ordinal, this.#parts.random.hex(8));
    this.#epochs.push(newEpoch({ id, ordinal, before, ends: undefined }, false));
  }

  async #blockHolding(log: Log, ordinal: number, position: number): Promise<Uint8Array> {
    const { from } = logRange(log, ordinal);
    const until = blockKey(log, ordinal, position + 1);
    const [entry] = await this.#store.scan({ from, until, countMax: 1, reverse: true });
    return entry === undefined ? blockKey(log, ordinal, position) : entry[0];
  }

  #cursorChanges(): Change[] {
    const changes = [...this.#dirtyCursors].map(
      ({ record, released }): Change => ({
        kind: "put",
        key: cursorKey(record.ordinal),
        value: encodeRecord(released),
      }),
    );
    this.#dirtyCursors.clear();
    return changes;
  }

  #scheduleMaintenance(): void {
    this.#maintenance = this.#parts.clock.after(maintainEveryMs, () => {
      this.#maintain()
        .catch((failure) =>
          this.#parts.log.warn({ reason: reasonOf(failure) }, "outbox maintenance failed"),
        )
        .finally(() => {
          if (this.#state !== "closed") this.#scheduleMaintenance();
        });
    });
  }

  /** Gives up the oldest released blocks while the store is beyond its bounds (O6). */
  async #maintain(): Promise<void> {
    if (this.#state !== "open") return;
    this.#storedBytes = await this.#store.size(allBlocks.from, allBlocks.until);
    const { bytesMax, tailBytesMax } = this.#parts.bounds;
    for (const epoch of this.#epochs) {
      for (const log of logs) {
        const tail = await this.#tailBytes(epoch, log);
        const over = Math.max(tail - tailBytesMax, this.#storedBytes - bytesMax * 0.9);
        if (tail > 0 && over > 0) await this.#giveUp(epoch, log, over);
      }
    }
  }

  #tailBytes(epoch: Epoch, log: Log): Promise<number> | number {
    if (epoch.released[log] < epoch.kept[log]) return 0;
    const { ordinal } = epoch.record;
    return this.#store.size(
      blockKey(log, ordinal, epoch.kept[log]),
      blockKey(log, ordinal, epoch.released[log] + 1),
    );
  }

  async #giveUp(epoch: Epoch, log: Log, bytes: number): Promise<void> {
    const { ordinal } = epoch.record;
    const from = blockKey(log, ordinal, epoch.kept[log]);
    const until = blockKey(log, ordinal, epoch.released[log] + 1);
    const entries = await this.#store.scan({
      from,
      until,
      countMax: giveUpBlocksMax,
      bytesMax: bytes,
    });
    const whole = entries.filter(([, block]) => blockRange(block).to <= epoch.released[log]);
    const last = whole.at(-1);
    if (last === undefined) return;
    await this.#store.write(
      whole.map(([key]) => ({ kind: "delete", key })),
      { sync: false },
    );
    epoch.kept[log] = blockRange(last[1]).to + 1;
    await this.#store.compact(from, until);
    this.#storedBytes = await this.#store.size(allBlocks.from, allBlocks.until);
  }
}

function emptyGroup(): Group {
  return { blocks: [], settles: [], bytes: 0 };
}

function newEpoch(record: EpochRecord, written: boolean): Epoch {
  const zero = () => ({ telemetry: 0, priority: 0 });
  return { record, last: zero(), released: zero(), kept: { telemetry: 1, priority: 1 }, written };
}

function viewOf(epoch: Epoch): EpochView {
  const { id, ordinal, before, ends } = epoch.record;
  return { id, ordinal, before, ends, last: { ...epoch.last }, released: { ...epoch.released } };
}

function epochChange(record: EpochRecord): Change {
  return { kind: "put", key: epochKey(record.ordinal), value: encodeEpoch(record) };
}

interface Opened {
  readonly epochs: Epoch[];
  readonly offsets: Map<string, number>;
  readonly bytes: number;
}

/** More epochs than a process start every minute makes in a year. */
const epochsMax = 1_000_000;

async function readStore(store: Store, parts: OutboxParts): Promise<Opened> {
  await checkIdentity(store, parts.gateway);
  const records = await store.scan({ ...allEpochs, countMax: epochsMax });
  const epochs = records.map(([, record]) => newEpoch(decodeEpoch(record), true));
  for (const epoch of epochs) await readCursor(store, epoch);
  const last = epochs.at(-1);
  if (last !== undefined && last.record.ends === undefined) await closeFound(store, last);
  for (const { record, last: positions } of epochs) Object.assign(positions, record.ends);
  return {
    epochs,
    offsets: await readOffsets(store),
    bytes: await store.size(allBlocks.from, allBlocks.until),
  };
}

async function checkIdentity(store: Store, gateway: string): Promise<void> {
  const found = await store.get(identityKey);
  if (found === undefined) {
    const value = encodeRecord({ v: layoutVersion, gateway });
    return store.write([{ kind: "put", key: identityKey, value }], { sync: true });
  }
  const identity = decodeRecord(found, "the outbox identity");
  if (identity["v"] !== layoutVersion) {
    throw new CodedError(
      "OUTBOX_VERSION_UNKNOWN",
      `the outbox has layout ${identity["v"]}, known is ${layoutVersion}`,
    );
  }
  if (identity["gateway"] !== gateway) {
    const whose = `the data folder belongs to gateway ${identity["gateway"]}, not to ${gateway}`;
    throw new CodedError(
      "CONFIG_INVALID",
      `${whose}: set another dataDir, or the gateway's own name`,
    );
  }
}

async function readCursor(store: Store, epoch: Epoch): Promise<void> {
  const found = await store.get(cursorKey(epoch.record.ordinal));
  if (found === undefined) return;
  const cursor = decodeRecord(found, "a cursor");
  for (const log of logs) epoch.released[log] = Number(cursor[log] ?? 0);
}

/** The last process did not close its epoch: its ends are what is readable now, stated once (O4). */
async function closeFound(store: Store, epoch: Epoch): Promise<void> {
  const ends = { telemetry: 0, priority: 0 };
  for (const log of logs) ends[log] = await lastReadable(store, log, epoch.record.ordinal);
  epoch.record = { ...epoch.record, ends };
  await store.write([epochChange(epoch.record)], { sync: true });
}

async function lastReadable(store: Store, log: Log, ordinal: number): Promise<number> {
  let { from, until } = logRange(log, ordinal);
  for (;;) {
    const [entry] = await store.scan({ from, until, countMax: 1, reverse: true });
    if (entry === undefined) return 0;
    if (isReadable(entry)) return blockRange(entry[1]).to;
    until = blockKey(log, ordinal, blockPosition(entry[0]));
  }
}

function isReadable([, block]: Entry): boolean {
  try {
    unframe(block);
    return true;
  } catch {
    return false;
  }
}

async function readOffsets(store: Store): Promise<Map<string, number>> {
  const entries = await store.scan({
    from: Buffer.from("o"),
    until: Buffer.from("p"),
    countMax: epochsMax,
  });
  return new Map(
    entries.map(([key, value]) => {
      const bootId = Buffer.from(key).toString("utf8").slice(1);
      return [bootId, Number(decodeRecord(value, "a boot offset")["offsetMs"])];
    }),
  );
}

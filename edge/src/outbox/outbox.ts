/**
 * The outbox keeps events on disk, in order, until the cloud has taken them.
 *
 *   O1  An append settles without failure only when it is synced; appends settle in call order,
 *       those that are refused too.
 *   O2  Positions within (epoch, log) follow call order, without holes, and are never given twice.
 *   O3  A process that opens the outbox begins a new epoch, and so does a failed write: nothing is
 *       ever appended to an epoch that somebody else may have written to.
 *   O4  An epoch's ends, once stated, never change; bytes beyond them are ignored.
 *   O5  A failed write, synced or not, poisons the store: what waits fails, the store is closed and
 *       reopened. A torn record in LevelDB's log may cost every record behind it.
 *   O6  Blocks are given up only when released, and only while the store is beyond its tail bound.
 *   O7  A position is published only once it is synced that it may be. The bound rides ahead in group
 *       commits, so that hardly ever a publish waits; beyond it nothing was ever published.
 *   O8  A process that may be an image of one that ran on, or runs beside it, begins a new epoch
 *       with its next append.
 *   O9  What is full gives way in a stated order (relief.ts). What was sent, or read in order to be
 *       sent, stays as it is; what was never sent is replaced in one synced write by a roll-up or a
 *       loss over exactly its positions.
 *   O10 Beyond its bound in bytes, or with less of the disk free than is reserved, a log admits
 *       nothing; each log has a bound of its own, so that telemetry cannot crowd out priority.
 *
 * A group commit is one synced write; while one is under way the next group gathers, so no timer
 * is needed and one sync serves all connections.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { ShapedEvent } from "@causeway/shared/block-codec.ts";
import { BlockBuilder } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { Ages } from "./age.ts";
import type { Backlog } from "./backlog.ts";
import type { Companion } from "./companions.ts";
import { Companions } from "./companions.ts";
import type { StoredBlock } from "./continuity.ts";
import type { Piece } from "./cursors.ts";
import { Cursors, raiseBound } from "./cursors.ts";
import type { Epoch, EpochView, StoredThrough } from "./epoch.ts";
import { epochChange, viewOf } from "./epoch.ts";
import { Epochs } from "./epochs.ts";
import type { GivenWay } from "./given.ts";
import { blockKey, bootKey, encodeRecord } from "./layout.ts";
import { Moved } from "./moved.ts";
import type { Opened } from "./opening.ts";
import { openAndRead } from "./opening.ts";
import type { Wanted } from "./reading.ts";
import { readUnreplaced } from "./reading.ts";
import type { FreeBytes, OutboxBounds } from "./space.ts";
import { Space } from "./space.ts";
import type { Change, Store } from "./store.ts";
import { Upkeep } from "./upkeep.ts";

export type { OutboxBounds, WhenFull } from "./space.ts";

/** A block is closed at this size, so that a batch can be cut between blocks. */
const blockBytesMax = 128 * 1_024;
/** Reserve for what an event costs beyond its payload. */
const eventOverheadBytes = 128;
/** How far the bound of what may be published rides ahead (O7); less in a small outbox. */
const aheadBytesMax = 4 * 1_024 * 1_024;
const aheadShareMax = 1 / 16;
const reopenSchedule = { firstMs: 250, maxMs: 30_000, factor: 2 };

/** Several go in one write. */
export type Appended = Event | ShapedEvent | readonly Event[];
export type Settle = (failure: CodedError | undefined) => void;

/** Called in order, after the appends they name have settled. */
export interface OutboxListener {
  epochOpened(epoch: EpochView): void;
  appended(epoch: EpochId, log: Log, last: number, bytes: number): void;
  poisoned(failure: CodedError): void;
}

export interface OutboxUsage {
  readonly bytes: number;
  readonly pendingBytes: number;
  readonly appended: number;
  /** Bytes of blocks written. */
  readonly writtenBytes: number;
  readonly groups: number;
  readonly poisonings: number;
  /** Appends that were not admitted. */
  readonly refused: number;
  readonly logs: Readonly<Record<Log, { readonly bytes: number; readonly bytesMax: number }>>;
  /** Undefined where no reserve is kept. */
  readonly freeBytes: number | undefined;
  readonly given: GivenWay;
  readonly backlog: Backlog;
  /** Milliseconds until all is taken, as it goes now. */
  readonly drainMs: number | undefined;
  /** Why readings are not acknowledged now. */
  readonly obstacle: string | undefined;
}

export interface OutboxParts {
  readonly gateway: string;
  readonly openStore: () => Promise<Store>;
  readonly clock: Clock;
  readonly random: Random;
  readonly bounds: OutboxBounds;
  /** Bytes free on the disk; nobody looks where it is left out. */
  readonly freeBytes?: FreeBytes;
  readonly log: Logger;
}

interface Group {
  readonly blocks: { readonly log: Log; readonly builder: BlockBuilder }[];
  /** The newest block of each log. */
  readonly open: Partial<Record<Log, BlockBuilder>>;
  readonly settles: Settle[];
  bytes: number;
  /** Someone waits for the cursors, though there may be no blocks. */
  withCursors: boolean;
}

export class Outbox {
  readonly #parts: OutboxParts;
  /** What others keep in the same store. */
  readonly records: Companions;
  #store: Store;
  readonly #epochs: Epochs;
  readonly #offsets: Map<string, number>;
  #group: Group = emptyGroup();
  #inFlight: Group | undefined;
  #writing: Promise<void> | undefined;
  #scheduled = false;
  #state: "open" | "poisoned" | "closed" = "open";
  #listener: OutboxListener | undefined;
  readonly #space: Space;
  readonly #upkeep: Upkeep;
  readonly #cursors: Cursors;
  readonly #moved: Moved;
  #leaveReason: string | undefined;
  #tailIsHeld = false;
  #reopening: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #pendingBytes = 0;
  #counters = { appended: 0, writtenBytes: 0, groups: 0, poisonings: 0 };

  private constructor(parts: OutboxParts, store: Store, opened: Opened) {
    this.#parts = parts;
    this.#store = store;
    this.#epochs = new Epochs(parts.clock, parts.random, opened.epochs);
    this.#offsets = opened.offsets;
    const { bounds, clock, freeBytes, log } = parts;
    this.#space = new Space(bounds, opened.bytes, clock, freeBytes);
    this.#cursors = new Cursors(opened.markCommit);
    this.#moved = new Moved(parts.clock);
    this.records = new Companions({
      clock: parts.clock,
      scan: (range) => this.#store.scan(range),
      refusal: () => this.#stateRefusal(),
      settleWithGroup: (settle) => this.#settleWithGroup(settle),
    });
    this.#epochs.begin();
    const upkeep = {
      clock,
      bounds,
      space: this.#space,
      ages: new Ages(clock, this.#offsets),
      store: () => this.#store,
      epochs: () => this.#epochs.all,
      write: this.#write.bind(this),
      isHeld: () => this.#tailIsHeld,
      isOpen: () => this.#state === "open",
      log,
    };
    this.#upkeep = new Upkeep(upkeep, opened.given);
  }

  /** Opens or creates; closes the last epoch and begins a new one in memory (O3). */
  static async open(parts: OutboxParts): Promise<Outbox> {
    const { store, opened } = await openAndRead(parts.openStore, parts.gateway, parts.log);
    return new Outbox(parts, store, opened);
  }

  listen(listener: OutboxListener): void {
    this.#listener = listener;
  }

  /** The epoch that appends go to. */
  get run(): EpochId {
    return this.#epochs.current.record.id;
  }

  epochs(): readonly EpochView[] {
    return this.#epochs.all.filter((epoch) => epoch.written).map(viewOf);
  }

  usage(): OutboxUsage {
    const { bytes, free: freeBytes, refused } = this.#space;
    const { given, backlog, drainMs } = this.#upkeep;
    const each = { telemetry: this.#space.of("telemetry"), priority: this.#space.of("priority") };
    const now = { bytes, pendingBytes: this.#pendingBytes, refused, logs: each, freeBytes };
    const obstacle = this.obstacle("telemetry");
    return { ...now, ...this.#counters, given, backlog, drainMs, obstacle };
  }

  /** The offset of a boot to real time in ms; undefined while it was never synchronised. */
  bootOffset(bootId: string): number | undefined {
    return this.#offsets.get(bootId);
  }

  /** Fixes a boot's offset, once and for ever; durable when it resolves. */
  async fixBootOffset(bootId: string, offsetMs: number): Promise<void> {
    if (this.#offsets.has(bootId)) return;
    const [key, value] = [bootKey(bootId), encodeRecord({ offsetMs })];
    await this.#write([{ kind: "put", key, value }], { sync: true });
    this.#offsets.set(bootId, offsetMs);
  }

  /** Why an append would not be admitted now; undefined where it would. */
  obstacle(log: Log): string | undefined {
    return this.#stateRefusal()?.message ?? this.#space.whyNot(log, this.#pendingBytes);
  }

  /** O1, O2. `settle` is called once: OUTBOX_FULL, OUTBOX_POISONED, or undefined when durable. */
  append(log: Log, event: Appended, settle: Settle, companion?: Companion): void {
    const refusal = this.#refusal(log);
    if (refusal !== undefined) return this.#refuse(refusal, settle);
    if (companion !== undefined) this.#count(this.records.join(companion));
    if (Array.isArray(event)) for (const each of event) this.#add(log, each);
    else this.#add(log, event as Event | ShapedEvent);
    this.#settleWithGroup(settle);
  }

  /**
   * Consecutive blocks of (epoch, log) from the one that holds position `from` on, about `bytesMax`
   * of them; what is no longer there is stated as a loss at its place. O9: they are to be sent.
   */
  read(epoch: EpochId, log: Log, from: number, bytesMax: number): Promise<StoredBlock[]> {
    return this.#read(epoch, { log, from, bytesMax, toSend: true });
  }

  /** The same for one who only looks. */
  peek(epoch: EpochId, log: Log, from: number, bytesMax: number): Promise<StoredBlock[]> {
    return this.#read(epoch, { log, from, bytesMax, toSend: false });
  }

  async #read(epoch: EpochId, wanted: Omit<Wanted, "epoch">): Promise<StoredBlock[]> {
    const found = this.#epochs.find(epoch);
    if (found === undefined) return [];
    return readUnreplaced(() => this.#store, { ...wanted, epoch: found }, this.#parts.clock);
  }

  /**
   * O7: resolves once these blocks may be published, which is at once unless the bound has fallen
   * behind. Rejects with OUTBOX_POISONED.
   */
  async publishing(epoch: EpochId, log: Log, piece: Piece): Promise<void> {
    const found = this.#epochs.find(epoch);
    if (found === undefined) return;
    const aheadBytes = Math.min(aheadBytesMax, this.#parts.bounds.bytesMax * aheadShareMax);
    const { raised, left } = raiseBound(found, log, piece, aheadBytes);
    if (raised) this.#cursors.changed(found);
    if (left === "free") return;
    const synced = this.#syncCursors();
    // With some room left nobody waits; a failure poisons the store and is told there.
    if (left === "near") return;
    const failure = await synced;
    if (failure !== undefined) throw failure;
  }

  /** What JetStream answered for, and no mark covers yet; kept so that a restart need not repeat it. */
  remember(epoch: EpochId, log: Log, stored: StoredThrough): void {
    const found = this.#epochs.find(epoch);
    if (found === undefined) return;
    found.stored[log] = stored;
    this.#cursors.changed(found);
  }

  /** The commit number of the newest mark that was followed; written with the releases it caused. */
  get markCommit(): number {
    return this.#cursors.markCommit;
  }

  set markCommit(commit: number) {
    this.#cursors.markCommit = commit;
  }

  /** While held only what would else refuse appends is given up: the cloud may have rolled back. */
  holdTail(isHeld: boolean): void {
    this.#tailIsHeld = isHeld;
  }

  /** O8: the next append begins a new epoch. */
  leaveEpoch(reason: string): void {
    this.#leaveReason = reason;
  }

  /** The cloud has taken everything up to `through`; the blocks become tail (O6). */
  release(epoch: EpochId, log: Log, through: number): void {
    const found = this.#epochs.find(epoch);
    if (found === undefined) return;
    found.released[log] = Math.min(through, found.last[log]);
    this.#cursors.changed(found);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    while (this.#writing !== undefined || this.#group.settles.length > 0) {
      if (this.#writing === undefined) this.#flush();
      await this.#writing;
    }
    const poisoned = this.#state === "poisoned";
    this.#state = "closed";
    this.records.close();
    this.#closing.abort();
    await Promise.allSettled([this.#upkeep.close(), this.#reopening]);
    try {
      const changes = [...this.#cursors.take().changes, ...this.records.take()];
      if (!poisoned && changes.length > 0) await this.#store.write(changes, { sync: false });
    } finally {
      await this.#store.close();
    }
  }

  #stateRefusal(): CodedError | undefined {
    if (this.#state === "open") return undefined;
    const why = this.#state === "closed" ? "closed" : "being reopened after a failed write";
    return new CodedError("OUTBOX_POISONED", `the outbox is ${why}`);
  }

  #add(log: Log, event: Event | ShapedEvent): void {
    const { open, blocks } = this.#group;
    let builder = open[log];
    if (builder === undefined || builder.size >= blockBytesMax) {
      builder = open[log] = new BlockBuilder(this.#parts.clock.bootId);
      blocks.push({ log, builder });
    }
    const before = builder.size;
    builder.add(event);
    this.#count(builder.size - before + eventOverheadBytes);
  }

  #count(bytes: number): void {
    this.#group.bytes += bytes;
    this.#pendingBytes += bytes;
  }

  /** O10. */
  #refusal(log: Log): CodedError | undefined {
    const state = this.#stateRefusal();
    if (state !== undefined) return state;
    const refusal = this.#space.refusal(log, this.#pendingBytes);
    if (refusal !== undefined) this.#upkeep.hurry();
    return refusal;
  }

  /** Behind the appends that wait, so that settles keep the order of the calls (O1). */
  #refuse(refusal: CodedError, settle: Settle): void {
    if (this.#inFlight === undefined && this.#group.settles.length === 0) return settle(refusal);
    this.#settleWithGroup(() => settle(refusal));
  }

  /** A write beside the groups; it poisons the store like any other (O5). */
  async #write(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void> {
    const [store, refusal] = [this.#store, this.#stateRefusal()];
    if (refusal !== undefined) throw refusal;
    try {
      await store.write(changes, options);
    } catch (failure) {
      if (this.#state === "open" && store === this.#store) this.#poison(failure);
      throw failure;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing !== undefined) return;
    this.#scheduled = true;
    this.#parts.clock.soon(() => {
      this.#scheduled = false;
      if (this.#writing === undefined) this.#flush();
    });
  }

  /** What hinders it, once a group has carried the cursors to the disk. */
  #syncCursors(): Promise<CodedError | undefined> {
    return new Promise((resolve) => {
      const refusal = this.#stateRefusal();
      if (refusal !== undefined) return resolve(refusal);
      this.#group.withCursors = true;
      this.#settleWithGroup(resolve);
    });
  }

  #settleWithGroup(settle: Settle): void {
    this.#group.settles.push(settle);
    this.#schedule();
  }

  #flush(): void {
    const group = this.#group;
    if (group.settles.length === 0 || this.#state !== "open") return;
    if (this.#space.isStale) return this.#checkDisk();
    if (group.blocks.length > 0) this.#leaveWhereDue();
    this.#group = emptyGroup();
    this.#inFlight = group;
    this.#writing = this.#commit(group).finally(() => {
      this.#writing = undefined;
      if (this.#group.settles.length > 0) this.#flush();
    });
  }

  /** What was admitted already is still written: the reserve pays for it. */
  #checkDisk(): void {
    this.#writing = this.#space.check().then(() => {
      this.#writing = undefined;
      if (this.#space.isTight()) this.#upkeep.hurry();
      this.#flush();
    });
  }

  /** O8. Nothing is under way, so the ends are what was acknowledged. */
  #leaveWhereDue(): void {
    const reason = this.#moved.sign() ?? this.#leaveReason;
    if (reason === undefined) return;
    this.#leaveReason = undefined;
    this.#parts.log.warn({ epoch: this.run, reason }, "a new epoch begins");
    this.#epochs.leave();
  }

  async #commit(group: Group): Promise<void> {
    const epoch = this.#epochs.current;
    const next = { ...epoch.last };
    const hasBlocks = group.blocks.length > 0;
    const records = this.records.take();
    const isNeeded = hasBlocks || records.length > 0;
    if (!epoch.written && hasBlocks) this.#cursors.changed(epoch);
    if (!isNeeded && !group.withCursors) return this.#settle(epoch, group, next, []);
    const cursors = this.#cursors.take();
    if (!isNeeded && cursors.changes.length === 0) return this.#settle(epoch, group, next, []);
    const changes = this.#epochs.statements();
    if (!epoch.written && hasBlocks) changes.push(epochChange(epoch.record));
    const appended: { log: Log; last: number; bytes: number }[] = [];
    for (const { log, builder } of group.blocks) {
      const from = next[log] + 1;
      const value = builder.finish(from);
      changes.push({ kind: "put", key: blockKey(log, epoch.record.ordinal, from), value });
      next[log] += builder.positions;
      appended.push({ log, last: next[log], bytes: value.length });
    }
    changes.push(...cursors.changes, ...records);
    try {
      await this.#store.write(changes, { sync: true });
    } catch (failure) {
      this.#cursors.retake(cursors);
      if (this.#inFlight === group) this.#poison(failure);
      return;
    }
    // Another write failed meanwhile, and this one may be lost behind it.
    if (this.#inFlight !== group) return this.#cursors.retake(cursors);
    this.#epochs.stated();
    this.#cursors.synced(cursors);
    this.#settle(epoch, group, next, appended);
  }

  #settle(
    epoch: Epoch,
    group: Group,
    next: Record<Log, number>,
    appended: readonly { log: Log; last: number; bytes: number }[],
  ): void {
    const opened = !epoch.written && appended.length > 0;
    epoch.written ||= opened;
    this.#counters.groups += appended.length > 0 ? 1 : 0;
    for (const log of logs) this.#counters.appended += next[log] - epoch.last[log];
    Object.assign(epoch.last, next);
    this.#inFlight = undefined;
    this.records.written();
    this.#pendingBytes -= group.bytes;
    for (const { log, bytes } of appended) this.#added(log, bytes);
    for (const settle of group.settles) settle(undefined);
    if (opened) this.#listener?.epochOpened(viewOf(epoch));
    for (const { log, last, bytes } of appended) {
      this.#listener?.appended(epoch.record.id, log, last, bytes);
    }
  }

  #added(log: Log, bytes: number): void {
    this.#space.added(log, bytes);
    this.#counters.writtenBytes += bytes;
    if (this.#space.isTight()) this.#upkeep.hurry();
  }

  /** O5: whether the failed bytes reached the disk is unknown, so nobody may build on them. */
  #poison(failure: unknown): void {
    const told = new CodedError("OUTBOX_POISONED", `a write failed: ${reasonOf(failure)}`, {
      cause: failure,
    });
    this.#state = "poisoned";
    this.#counters.poisonings++;
    const groups = [this.#inFlight ?? emptyGroup(), this.#group];
    this.#inFlight = undefined;
    this.#group = emptyGroup();
    this.records.failed();
    for (const { bytes } of groups) this.#pendingBytes -= bytes;
    for (const settle of groups.flatMap(({ settles }) => settles)) settle(told);
    this.#listener?.poisoned(told);
    this.#reopening = this.#reopen().catch((fault) => {
      this.#parts.log.error({ reason: reasonOf(fault) }, "outbox stays closed");
    });
  }

  async #reopen(): Promise<void> {
    const { clock, random, log, openStore } = this.#parts;
    const { signal } = this.#closing;
    for (let attempt = 1; !signal.aborted; attempt++) {
      await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
      if (signal.aborted) return;
      try {
        await this.#writing;
        await this.#store.close();
        this.#store = await openStore();
        const restored = [...this.#upkeep.restore(), ...this.records.restore()];
        await this.#epochs.closeCurrent(this.#store, restored);
        this.#upkeep.restored();
        this.records.restored();
      } catch (failure) {
        log.error(
          { attempt, reason: reasonOf(failure) },
          "outbox could not be reopened, trying again",
        );
        continue;
      }
      if (signal.aborted) return;
      this.#epochs.begin();
      this.#state = "open";
      log.warn({ epoch: this.run }, "outbox reopened under a new epoch");
      return;
    }
  }
}

function emptyGroup(): Group {
  return { blocks: [], open: {}, settles: [], bytes: 0, withCursors: false };
}

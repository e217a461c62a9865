/**
 * Goal: the outbox keeps O1-O6 on a disk that fails, loses what was not synced and brings failed
 * bytes back later. The same on LevelDB with SIGKILL is outbox.integration.test.ts.
 */
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { CodedError } from "@causeway/shared/errors.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { describe, expect, test } from "vitest";
import { encodeRecord, epochKey, identityKey, layoutVersion } from "./layout.ts";
import { MemoryDisk } from "./memory-store.ts";
import type { OutboxBounds } from "./outbox.ts";
import { Outbox } from "./outbox.ts";
import type { Change, Store } from "./store.ts";

const mebibyte = 1_024 * 1_024;
const wide: OutboxBounds = {
  bytesMax: 1_024 * mebibyte,
  tailBytesMax: 1_024 * mebibyte,
  pendingBytesMax: 16 * mebibyte,
};

function eventOf(tag: number, characters = 0): Event {
  const detail = "x".repeat(characters);
  return {
    kind: "system",
    device: null,
    topic: null,
    bootMs: 1,
    observedAt: null,
    name: `n${tag}`,
    detail,
  };
}

/** One process's life on a disk: settled appends with their positions, from the listener. */
class Life {
  readonly clock = new VirtualClock();
  readonly outbox: Outbox;
  readonly settled: { tag: number; failure: CodedError | undefined }[] = [];
  readonly acked: { tag: number; epoch: string; log: Log; position: number }[] = [];
  readonly #waiting: Record<Log, number[]> = { telemetry: [], priority: [] };
  readonly #last = new Map<string, number>();
  readonly told: string[] = [];

  private constructor(outbox: Outbox, clock: VirtualClock) {
    this.clock = clock;
    this.outbox = outbox;
    outbox.listen({
      epochOpened: ({ id }) => this.told.push(`opened ${id}`),
      appended: (epoch, log, last) => {
        const from = (this.#last.get(`${epoch} ${log}`) ?? 0) + 1;
        this.#last.set(`${epoch} ${log}`, last);
        for (let position = from; position <= last; position++) {
          const tag = this.#waiting[log].shift();
          if (tag === undefined) throw new Error("a position that no append asked for");
          this.acked.push({ tag, epoch, log, position });
        }
      },
      poisoned: ({ code }) => this.told.push(`poisoned ${code}`),
    });
  }

  static async begin(
    disk: MemoryDisk,
    options: {
      bounds?: Partial<OutboxBounds>;
      openStore?: () => Promise<Store>;
      gateway?: string;
      seed?: string;
    } = {},
  ): Promise<Life> {
    const clock = new VirtualClock();
    const life = disk.life;
    const outbox = await Outbox.open({
      gateway: options.gateway ?? "gw",
      openStore:
        options.openStore ??
        (async () => {
          if (disk.life !== life) throw new Error("this process is dead");
          return disk.open();
        }),
      clock,
      random: seededRandom(options.seed ?? `life ${life}`),
      bounds: { ...wide, ...options.bounds },
      log: silentLogger,
    });
    return new Life(outbox, clock);
  }

  append(tag: number, log: Log = "telemetry", characters = 0): void {
    this.outbox.append(log, eventOf(tag, characters), (failure) => {
      this.settled.push({ tag, failure });
      if (failure === undefined) this.#waiting[log].push(tag);
    });
  }

  async appendAll(tags: readonly number[], log: Log = "telemetry"): Promise<void> {
    for (const tag of tags) this.append(tag, log);
    await this.clock.advance(1);
  }

  /** One turn of maintenance; its many reads take more than one settling of the clock. */
  async maintained(): Promise<void> {
    await this.clock.advance(10_000);
    for (let turn = 0; turn < 50; turn++) await this.clock.advance(0);
  }

  codes(): (string | undefined)[] {
    return this.settled.map(({ failure }) => failure?.code);
  }

  async tags(epoch: string, log: Log): Promise<Map<number, number>> {
    return tagsOf(this.outbox, epoch, log);
  }

  get epochs() {
    return this.outbox.epochs();
  }
}

/** Everything readable of one log: position to tag; fails on a gap. */
async function tagsOf(outbox: Outbox, epoch: string, log: Log): Promise<Map<number, number>> {
  const last = outbox.epochs().find(({ id }) => id === epoch)?.last[log] ?? 0;
  const tags = new Map<number, number>();
  for (let next = 1; next <= last; ) {
    const blocks = await outbox.read(epoch, log, next, 4_096);
    expect(blocks[0]?.from, `${epoch} ${log} at ${next}`).toBe(next);
    for (const { bytes, from, to } of blocks) {
      expect(from).toBe(next);
      for (const item of decodeBlock(bytes).items) {
        if (item.event?.kind !== "system") throw new Error(`unreadable at ${item.from}`);
        tags.set(item.from, Number(item.event.name.slice(1)));
      }
      next = to + 1;
    }
  }
  expect(tags.size).toBe(last);
  return tags;
}

/** A disk whose writes can be counted, held and looked at. */
function watched(disk: MemoryDisk) {
  const writes: { changes: readonly Change[]; sync: boolean }[] = [];
  const gate = { held: Promise.resolve(), release: () => {} };
  const openStore = async (): Promise<Store> => {
    const store = disk.open();
    return {
      write: async (changes, options) => {
        await gate.held;
        writes.push({ changes, sync: options.sync });
        await store.write(changes, options);
      },
      get: (key) => store.get(key),
      scan: (range) => store.scan(range),
      size: (from, until) => store.size(from, until),
      compact: (from, until) => store.compact(from, until),
      close: () => store.close(),
    };
  };
  const hold = () => {
    gate.held = new Promise((resolve) => {
      gate.release = resolve;
    });
  };
  return { openStore, writes, hold, release: () => gate.release() };
}

const failure = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });

describe("O1 settled means synced, in call order", () => {
  test("nothing settles while the write is held, then all settle in order", async () => {
    const disk = new MemoryDisk();
    const { openStore, hold, release } = watched(disk);
    const life = await Life.begin(disk, { openStore });
    hold();
    await life.appendAll([1, 2, 3]);
    await life.appendAll([4, 5]);
    expect(life.settled).toEqual([]);
    release();
    await life.clock.advance(1);
    expect(life.settled.map(({ tag }) => tag)).toEqual([1, 2, 3, 4, 5]);
    expect(life.codes()).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  test("an append that settled is there after a power cut", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2, 3]);
    const [epoch] = life.epochs;
    disk.crash();
    const next = await Life.begin(disk);
    expect([...(await next.tags(epoch?.id ?? "", "telemetry")).values()]).toEqual([1, 2, 3]);
  });

  test("a refused append settles behind those that wait for the disk", async () => {
    const disk = new MemoryDisk();
    const { openStore, hold, release } = watched(disk);
    const life = await Life.begin(disk, { openStore, bounds: { pendingBytesMax: 500 } });
    hold();
    for (const tag of [1, 2, 3]) life.append(tag, "telemetry", 200);
    expect(life.settled, "3 is refused, yet 1 and 2 still wait").toEqual([]);
    release();
    await life.clock.advance(1);
    expect(life.settled.map(({ tag }) => tag)).toEqual([1, 2, 3]);
    expect(life.codes()).toEqual([undefined, undefined, "OUTBOX_FULL"]);
    expect(life.outbox.usage()).toMatchObject({ appended: 2, pendingBytes: 0 });
  });

  test("many appends while one write is under way become one write", async () => {
    const disk = new MemoryDisk();
    const { openStore, writes, hold, release } = watched(disk);
    const life = await Life.begin(disk, { openStore });
    hold();
    await life.appendAll([0]);
    const before = writes.length;
    await life.appendAll(Array.from({ length: 500 }, (_, index) => index + 1));
    release();
    await life.clock.advance(1);
    expect(writes.length - before).toBe(2);
    expect(writes.every(({ sync }) => sync)).toBe(true);
    expect(life.outbox.usage().groups).toBe(2);
    expect(life.settled).toHaveLength(501);
  });

  test("a block ends near 128 KB, so that a batch can be cut between blocks", async () => {
    const disk = new MemoryDisk();
    const { openStore, writes } = watched(disk);
    const life = await Life.begin(disk, { openStore });
    for (let tag = 0; tag < 1_000; tag++) life.append(tag, "telemetry", 1_000);
    await life.clock.advance(1);
    const sizes = writes.flatMap(({ changes }) =>
      changes.flatMap((change) =>
        change.kind === "put" && change.key[0] === 0x62 ? [change.value.length] : [],
      ),
    );
    expect(sizes.length).toBeGreaterThan(7);
    expect(Math.max(...sizes)).toBeLessThan(132 * 1_024);
  });
});

describe("O2 positions", () => {
  test("each log counts from 1 without holes, in call order", async () => {
    const life = await Life.begin(new MemoryDisk());
    await life.appendAll([1, 2], "telemetry");
    await life.appendAll([10], "priority");
    await life.appendAll([3], "telemetry");
    expect(life.acked.map(({ tag, log, position }) => [tag, log, position])).toEqual([
      [1, "telemetry", 1],
      [2, "telemetry", 2],
      [10, "priority", 1],
      [3, "telemetry", 3],
    ]);
  });

  test("a read from the middle of a block answers with the block that holds it", async () => {
    const life = await Life.begin(new MemoryDisk());
    await life.appendAll([1, 2, 3]);
    await life.appendAll([4, 5, 6]);
    const epoch = life.outbox.run;
    expect(await life.outbox.read(epoch, "telemetry", 5, 10_000)).toMatchObject([
      { from: 4, to: 6 },
    ]);
    expect(await life.outbox.read(epoch, "telemetry", 7, 10_000)).toEqual([]);
    expect(await life.outbox.read("9-ffffffff", "telemetry", 1, 10_000)).toEqual([]);
    expect(await life.outbox.read(epoch, "telemetry", 1, 1)).toMatchObject([{ from: 1, to: 3 }]);
  });

  test("a block whose bytes rotted is an error and never a wrong value", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2, 3]);
    for (const [key, value] of disk.contents) {
      if (!key.startsWith("b")) continue;
      const rotten = Buffer.from(value);
      rotten[rotten.length - 8] = (rotten[rotten.length - 8] ?? 0) ^ 1;
      disk.corrupt(Buffer.from(key, "latin1"), rotten);
    }
    await expect(life.outbox.read(life.outbox.run, "telemetry", 1, 1)).rejects.toMatchObject({
      code: "OUTBOX_CORRUPT",
    });
  });
});

describe("O3 epochs", () => {
  test("every opening begins a new epoch that names its predecessor and its ends", async () => {
    const disk = new MemoryDisk();
    const first = await Life.begin(disk);
    await first.appendAll([1, 2]);
    const firstRun = first.outbox.run;
    await first.outbox.close();
    const second = await Life.begin(disk);
    await second.appendAll([3], "priority");
    expect(second.epochs.map(({ id, before, ends }) => ({ id, before, ends }))).toEqual([
      { id: firstRun, before: undefined, ends: { telemetry: 2, priority: 0 } },
      {
        id: second.outbox.run,
        before: { epoch: firstRun, ends: { telemetry: 2, priority: 0 } },
        ends: undefined,
      },
    ]);
  });

  test("an epoch without events leaves no trace", async () => {
    const disk = new MemoryDisk();
    for (let start = 0; start < 3; start++) await (await Life.begin(disk)).outbox.close();
    expect((await Life.begin(disk)).epochs).toEqual([]);
  });

  test("the epoch is told before its first events", async () => {
    const life = await Life.begin(new MemoryDisk());
    await life.appendAll([1]);
    await life.appendAll([2]);
    expect(life.told).toEqual([`opened ${life.outbox.run}`]);
  });
});

describe("O4 ends", () => {
  test("stated ends hold although the failed bytes appear when the disk is opened again", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2]);
    const failed = life.outbox.run;
    disk.failedBytes = "appear-later";
    disk.failure = failure;
    await life.appendAll([3, 4]);
    disk.failure = undefined;
    await life.clock.advance(60_000);
    await life.appendAll([5]);
    expect(life.epochs[0]).toMatchObject({ id: failed, ends: { telemetry: 2, priority: 0 } });
    disk.crash();
    const next = await Life.begin(disk);
    expect(next.epochs[0]).toMatchObject({ id: failed, ends: { telemetry: 2, priority: 0 } });
    expect([...(await next.tags(failed, "telemetry")).values()]).toEqual([1, 2]);
    expect(next.epochs).toHaveLength(2);
  });

  test("failed bytes of an epoch's first write mix with no later epoch", async () => {
    // Keys hold the ordinal only: a second use of it would join two epochs' blocks.
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    disk.failedBytes = "appear-later";
    disk.failure = failure;
    for (const tag of [1, 2, 3]) life.append(tag, "telemetry", 100_000);
    await life.appendAll([4], "priority");
    disk.failure = undefined;
    await life.clock.advance(60_000);
    await life.appendAll([5]);
    expect(life.settled.map(({ failure: why }) => why?.code)).toEqual([
      ...Array(4).fill("OUTBOX_POISONED"),
      undefined,
    ]);
    const run = life.outbox.run;
    disk.crash();
    const next = await Life.begin(disk);
    expect(next.epochs.map(({ id, ends }) => [id, ends])).toEqual([
      [run, { telemetry: 1, priority: 0 }],
    ]);
    expect([...(await next.tags(run, "telemetry")).values()]).toEqual([5]);
  });

  test("an open epoch record that appears behind a successor is nobody's", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1]);
    await life.outbox.close();
    const second = await Life.begin(disk, { seed: "second" });
    await second.appendAll([2]);
    await second.outbox.close();
    const [one, two] = second.epochs;
    const ghost = { v: layoutVersion, id: one?.id, before: null, ends: null };
    disk.corrupt(epochKey(one?.ordinal ?? 0), encodeRecord(ghost));
    const third = await Life.begin(disk, { seed: "third" });
    expect(third.epochs.map(({ id }) => id)).toEqual([two?.id]);
  });

  test("the ends of an epoch that a power cut closed are what is readable, stated once", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2, 3]);
    disk.crash();
    for (let start = 0; start < 3; start++) {
      const next = await Life.begin(disk, { seed: `${start}` });
      expect(next.epochs[0]?.ends).toEqual({ telemetry: 3, priority: 0 });
      disk.crash();
    }
  });
});

describe("O5 a failed write poisons", () => {
  test("what was in the write and what waits behind it fail in order; later ones at once", async () => {
    const disk = new MemoryDisk();
    const { openStore, hold, release } = watched(disk);
    const life = await Life.begin(disk, { openStore });
    hold();
    await life.appendAll([1, 2]);
    await life.appendAll([3]);
    disk.failure = failure;
    release();
    await life.clock.advance(0);
    life.append(4);
    expect(life.settled.map(({ tag }) => tag)).toEqual([1, 2, 3, 4]);
    expect(new Set(life.codes())).toEqual(new Set(["OUTBOX_POISONED"]));
    expect(life.told).toEqual(["poisoned OUTBOX_POISONED"]);
    expect(life.outbox.usage()).toMatchObject({ pendingBytes: 0, poisonings: 1, appended: 0 });
  });

  test("it opens again under a new epoch once the disk is good, and not before", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2]);
    const failed = life.outbox.run;
    disk.failure = failure;
    await life.appendAll([3]);
    await life.clock.advance(120_000);
    await life.appendAll([4]);
    expect(life.codes().slice(2)).toEqual(["OUTBOX_POISONED", "OUTBOX_POISONED"]);
    disk.failure = undefined;
    await life.clock.advance(30_000);
    await life.appendAll([5]);
    expect(life.codes().at(-1)).toBeUndefined();
    expect(life.epochs).toMatchObject([
      { id: failed, ends: { telemetry: 2, priority: 0 } },
      { before: { epoch: failed, ends: { telemetry: 2, priority: 0 } }, last: { telemetry: 1 } },
    ]);
  });

  test("a failed write beside the groups poisons too, also the group under way", async () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    let settleGroup = () => {};
    let failing = false;
    const openStore = async (): Promise<Store> => ({
      ...delegate(failing ? disk.open() : store),
      write: async (changes, options) => {
        if (failing) throw failure;
        await store.write(changes, options);
        const isGroup = changes.some(({ key }) => key[0] === 0x62);
        if (isGroup) await new Promise<void>((resolve) => (settleGroup = resolve));
      },
    });
    const life = await Life.begin(disk, { openStore });
    await life.appendAll([1]);
    failing = true;
    await expect(life.outbox.fixBootOffset("boot", 1)).rejects.toBe(failure);
    expect(life.codes()).toEqual(["OUTBOX_POISONED"]);
    settleGroup();
    await life.clock.advance(0);
    expect(life.codes(), "a write that ends well behind a failed one is not trusted").toEqual([
      "OUTBOX_POISONED",
    ]);
  });

  test("a poisoned outbox that is closed stays closed and leaves the disk to others", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1]);
    disk.failure = failure;
    await life.appendAll([2]);
    disk.failure = undefined;
    await life.outbox.close();
    await life.clock.advance(120_000);
    const next = await Life.begin(disk);
    expect(next.epochs).toHaveLength(1);
    await life.appendAll([3]);
    expect(life.codes().at(-1)).toBe("OUTBOX_POISONED");
  });

  test("reads fail while it is closed and answer again afterwards", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1]);
    const run = life.outbox.run;
    disk.failure = failure;
    await life.appendAll([2]);
    disk.failure = undefined;
    await life.clock.advance(60_000);
    expect([...(await life.tags(run, "telemetry")).values()]).toEqual([1]);
  });
});

describe("O6 bounds", () => {
  const block = 1_000;
  const bounds = { bytesMax: 60_000, tailBytesMax: 20_000 };

  test("at its bound it is full, and nothing that is not released is given up", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds });
    for (let tag = 0; tag < 100; tag++) {
      life.append(tag, "telemetry", block);
      await life.clock.advance(1_000);
    }
    expect(life.codes().at(-1)).toBe("OUTBOX_FULL");
    const kept = life.acked.length;
    expect(kept).toBeGreaterThan(40);
    expect((await life.tags(life.outbox.run, "telemetry")).size).toBe(kept);
  });

  test("released blocks stay as tail up to its bound, the oldest are given up", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds });
    for (let tag = 0; tag < 40; tag++) {
      life.append(tag, "telemetry", block);
      await life.clock.advance(1);
    }
    life.outbox.release(life.outbox.run, "telemetry", 40);
    await life.maintained();
    expect(life.outbox.usage().bytes).toBeLessThanOrEqual(bounds.tailBytesMax);
    expect(life.outbox.usage().bytes).toBeGreaterThan(bounds.tailBytesMax - 2 * block);
    const [oldest] = await life.outbox.read(life.outbox.run, "telemetry", 39, 1);
    expect(oldest?.from, "the newest stay").toBe(39);
  });

  test("the tail bound holds over all epochs together", async () => {
    const disk = new MemoryDisk();
    for (let start = 0; start < 5; start++) {
      const life = await Life.begin(disk, { bounds, seed: `${start}` });
      for (let tag = 0; tag < 10; tag++) {
        life.append(tag, "telemetry", block);
        await life.clock.advance(1);
      }
      life.outbox.release(life.outbox.run, "telemetry", 10);
      await life.outbox.close();
    }
    const life = await Life.begin(disk, { bounds, seed: "last" });
    await life.maintained();
    expect(life.outbox.usage().bytes).toBeLessThanOrEqual(bounds.tailBytesMax);
    const [, , , , newest] = life.epochs;
    expect((await life.tags(newest?.id ?? "", "telemetry")).size, "oldest first").toBe(10);
  });

  test("small blocks are given up as fast as they come, so that it never fills", async () => {
    const life = await Life.begin(new MemoryDisk(), {
      bounds: { bytesMax: 400_000, tailBytesMax: 50_000 },
    });
    for (let turn = 0; turn < 4; turn++) {
      for (let tag = 0; tag < 1_000; tag++) {
        life.append(tag);
        await life.clock.advance(1);
      }
      life.outbox.release(life.outbox.run, "telemetry", (turn + 1) * 1_000);
      await life.maintained();
      expect(life.outbox.usage().bytes).toBeLessThanOrEqual(50_000);
    }
    expect(new Set(life.codes())).toEqual(new Set([undefined]));
  });

  test("what a rollback took back is kept again", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds });
    for (let tag = 1; tag <= 30; tag++) {
      life.append(tag, "telemetry", block);
      await life.clock.advance(1);
    }
    life.outbox.release(life.outbox.run, "telemetry", 30);
    life.outbox.release(life.outbox.run, "telemetry", 5);
    await life.clock.advance(60_000);
    const [first] = await life.outbox.read(life.outbox.run, "telemetry", 6, 1);
    expect(first?.from).toBe(6);
  });

  test("a block that is released in part is kept", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds: { ...bounds, tailBytesMax: 0 } });
    await life.appendAll([1, 2, 3]);
    await life.appendAll([4, 5, 6]);
    life.outbox.release(life.outbox.run, "telemetry", 5);
    await life.maintained();
    const [found] = await life.outbox.read(life.outbox.run, "telemetry", 6, 10_000);
    expect(found).toMatchObject({ from: 4, to: 6 });
  });
});

describe("opening", () => {
  test("another gateway's folder is refused", async () => {
    const disk = new MemoryDisk();
    await (await Life.begin(disk)).outbox.close();
    await expect(Life.begin(disk, { gateway: "other" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("belongs to gateway gw"),
    });
    await (await Life.begin(disk)).outbox.close();
  });

  test.each([
    ["the identity", identityKey, { v: layoutVersion + 1, gateway: "gw" }],
    ["an epoch", epochKey(7), { v: layoutVersion + 1, id: "7-00000000", before: null, ends: null }],
  ])("a newer layout of %s is refused and nothing is written", async (_what, key, value) => {
    const disk = new MemoryDisk();
    await (await Life.begin(disk)).outbox.close();
    disk.corrupt(key, encodeRecord(value));
    const before = new Map(disk.contents);
    await expect(Life.begin(disk)).rejects.toMatchObject({ code: "OUTBOX_VERSION_UNKNOWN" });
    expect(disk.contents).toEqual(before);
  });

  test("a boot's offset is fixed once and survives", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.outbox.fixBootOffset("boot", 5);
    await life.outbox.fixBootOffset("boot", 6);
    disk.crash();
    expect((await Life.begin(disk)).outbox.bootOffset("boot")).toBe(5);
  });

  test("close waits for what was appended", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    life.append(1);
    await life.outbox.close();
    expect(life.codes()).toEqual([undefined]);
    disk.open();
  });
});

function delegate(store: Store): Store {
  return {
    write: (changes, options) => store.write(changes, options),
    get: (key) => store.get(key),
    scan: (range) => store.scan(range),
    size: (from, until) => store.size(from, until),
    compact: (from, until) => store.compact(from, until),
    close: () => store.close(),
  };
}

const seeds = 300;

test(`over ${seeds} random lives what was acknowledged stays readable where it was`, async () => {
  const seen = { acked: 0, failed: 0, crashes: 0, poisonings: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await randomLives(`outbox ${seed}`, seen);
    } catch (failed) {
      throw new Error(`seed "outbox ${seed}": ${String(failed)}`, { cause: failed });
    }
  }
  expect(seen.acked).toBeGreaterThan(seeds * 10);
  expect(seen.failed).toBeGreaterThan(seeds);
  expect(seen.crashes).toBeGreaterThan(seeds);
  expect(seen.poisonings).toBeGreaterThan(seeds);
});

type Seen = Record<"acked" | "failed" | "crashes" | "poisonings", number>;

async function randomLives(seed: string, seen: Seen): Promise<void> {
  const random = seededRandom(seed);
  const between = (from: number, to: number) => from + Math.floor(random.next() * (to - from));
  const disk = new MemoryDisk();
  const acked: { tag: number; epoch: string; log: Log; position: number }[] = [];
  const ends = new Map<string, unknown>();
  let tag = 0;
  for (let lives = between(2, 6); lives > 0; lives--) {
    disk.failure = undefined;
    disk.failedBytes = random.next() < 0.5 ? "lost" : "appear-later";
    const life = await Life.begin(disk, { seed: `${seed} ${lives}` });
    await checkAll(life, acked, ends);
    for (let act = between(1, 15); act > 0; act--) {
      const roll = random.next();
      if (roll < 0.6) {
        const log = random.next() < 0.3 ? "priority" : "telemetry";
        for (let count = between(1, 6); count > 0; count--) life.append(++tag, log, between(0, 50));
        if (random.next() < 0.8) await life.clock.advance(between(0, 3));
      } else if (roll < 0.75) {
        disk.failure = disk.failure === undefined ? failure : undefined;
      } else if (roll < 0.9) {
        await life.clock.advance(between(1, 40_000));
      } else {
        const some = life.acked[between(0, life.acked.length)];
        if (some !== undefined) life.outbox.release(some.epoch, some.log, some.position);
      }
    }
    const clean = random.next() < 0.3;
    if (clean) await life.outbox.close().catch((why) => expect(why).toBe(failure));
    else disk.crash();
    acked.push(...life.acked);
    for (const { failure: why } of life.settled) if (why !== undefined) seen.failed++;
    seen.crashes += clean ? 0 : 1;
    seen.poisonings += life.outbox.usage().poisonings;
    const told = life.told.filter((word) => word.startsWith("opened"));
    expect(new Set(told).size, "an epoch opens once").toBe(told.length);
  }
  disk.failure = undefined;
  await checkAll(await Life.begin(disk, { seed: `${seed} last` }), acked, ends);
  seen.acked += acked.length;
}

/** The whole truth about what a disk must hold, told apart from how the outbox keeps it. */
async function checkAll(
  life: Life,
  acked: readonly { tag: number; epoch: string; log: Log; position: number }[],
  ends: Map<string, unknown>,
): Promise<void> {
  const places = new Set(acked.map(({ epoch, log, position }) => `${epoch} ${log} ${position}`));
  expect(places.size, "no position is given twice").toBe(acked.length);
  for (const { id, ends: stated } of life.epochs) {
    if (ends.has(id)) expect(stated, `ends of ${id}`).toEqual(ends.get(id));
    ends.set(id, stated);
  }
  expect(life.epochs.map(({ id }) => id)).toEqual(expect.arrayContaining([...ends.keys()]));
  for (const log of logs) {
    let newest = 0;
    const found = new Map<string, number>();
    for (const { id } of life.epochs) {
      for (const [position, tag] of await life.tags(id, log)) {
        expect(tag, `order in ${id} ${log} at ${position}`).toBeGreaterThan(newest);
        newest = tag;
        found.set(`${id} ${position}`, tag);
      }
    }
    for (const { tag, epoch, log: itsLog, position } of acked) {
      if (itsLog === log) expect(found.get(`${epoch} ${position}`), `tag ${tag}`).toBe(tag);
    }
  }
}

/**
 * Goal: the outbox keeps O1-O6 on a disk that fails, loses what was not synced and brings failed
 * bytes back later. The same on LevelDB with SIGKILL is outbox.integration.test.ts.
 */
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import { describe, expect, test } from "vitest";
import { failure, Life, watched } from "../testing/outbox-life.ts";
import { encodeRecord, epochKey, identityKey, layoutVersion } from "./layout.ts";
import { MemoryDisk } from "./memory-store.ts";
import type { Store } from "./store.ts";

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

  test("a block whose bytes rotted is stated as a loss and never a wrong value", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2, 3]);
    for (const [key, value] of disk.contents) {
      if (!key.startsWith("b")) continue;
      const rotten = Buffer.from(value);
      rotten[rotten.length - 8] = (rotten[rotten.length - 8] ?? 0) ^ 1;
      disk.corrupt(Buffer.from(key, "latin1"), rotten);
    }
    const [block] = await life.outbox.read(life.outbox.run, "telemetry", 1, 1);
    expect(decodeBlock(block?.bytes ?? new Uint8Array()).items).toMatchObject([
      { from: 1, to: 3, event: { kind: "loss", reason: "unreadable", to: 3, count: 3 } },
    ]);
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
    const ghost = { v: layoutVersion, id: `${one?.ordinal}-00000000`, before: null, ends: null };
    disk.corrupt(epochKey(one?.ordinal ?? 0), encodeRecord(ghost));
    const third = await Life.begin(disk, { seed: "third" });
    expect(third.epochs.map(({ id }) => id)).toEqual([two?.id]);
  });

  test("last blocks that rotted belong to the epoch and are stated as a loss", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    for (const tags of [[1], [2, 3], [4, 5, 6]]) await life.appendAll(tags);
    disk.crash();
    const keys = [...disk.contents.keys()].filter((key) => key.startsWith("b")).sort();
    for (const [at, key] of keys.slice(1).entries()) {
      const rotten = Buffer.from(disk.contents.get(key) ?? "");
      // Once in the events, and once in the head that says how many there are.
      const place = at === 0 ? rotten.length - 8 : 6;
      rotten[place] = (rotten[place] ?? 0) ^ 1;
      disk.corrupt(Buffer.from(key, "latin1"), rotten);
    }
    const stray = Buffer.from(keys[0] ?? "", "latin1");
    stray[7] = 1;
    disk.corrupt(stray, Buffer.from("a key that rotted"));
    const next = await Life.begin(disk, { seed: "next" });
    const [first] = next.epochs;
    expect(first?.ends).toEqual({ telemetry: 4, priority: 0 });
    const blocks = await next.outbox.read(first?.id ?? "0-", "telemetry", 1, 10_000);
    const [, loss] = blocks.map(({ bytes }) => decodeBlock(bytes).items);
    expect(loss).toMatchObject([{ from: 2, to: 4, event: { kind: "loss", reason: "unreadable" } }]);
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

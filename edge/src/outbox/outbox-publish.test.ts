/** Goal: O7 and O8 in memory, where writes can be counted, held and failed; and that the tail can be held. */
import { CodedError } from "@causeway/shared/errors.ts";
import { describe, expect, test } from "vitest";
import { failure, Life, watched } from "../testing/outbox-life.ts";
import { MemoryDisk } from "./memory-store.ts";
import { Publisher, publishContract } from "./publish.contract.ts";
import type { Store } from "./store.ts";

publishContract("memory", async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => disk.open(),
    crash: async () => disk.crash(),
    remove: async () => {},
  };
});

describe("O7 the bound rides ahead", () => {
  test("the first publish waits until the bound is synced", async () => {
    const disk = new MemoryDisk();
    const { openStore, hold, release } = watched(disk);
    const { outbox, clock, append } = await publisherOn(openStore);
    await append(10);
    hold();
    let free = false;
    void outbox.publishing(outbox.run, "telemetry", { from: 1, to: 5, bytes: 500 }).then(() => {
      free = true;
    });
    await clock.advance(1_000);
    expect(free).toBe(false);
    release();
    await clock.advance(1);
    expect(free).toBe(true);
  });

  test("a backlog of 64 MB costs one small write for every 3 MB", async () => {
    const { openStore, writes } = watched(new MemoryDisk());
    const { outbox, append, publisher } = await publisherOn(openStore);
    await append(1);
    const before = writes.length;
    const events = 512;
    for (let from = 1; from < 128 * events; from += events) {
      await publisher.publish(outbox.run, "telemetry", from, from + events - 1);
    }
    const extra = writes.slice(before);
    expect(extra.length).toBeGreaterThan(5);
    expect(extra.length).toBeLessThanOrEqual(Math.ceil(64 / 3) + 1);
    expect(extra.every(({ sync, changes }) => sync && changes.length === 1)).toBe(true);
  });

  test("where appends flow the group commits carry it, and publishing writes nothing itself", async () => {
    const { openStore, writes } = watched(new MemoryDisk());
    const { outbox, append, clock } = await publisherOn(openStore);
    const groups = 3_000;
    for (let position = 1; position <= groups; position++) {
      await append(1);
      const piece = { from: position, to: position, bytes: 10_000 };
      const free = outbox.publishing(outbox.run, "telemetry", piece);
      await clock.advance(1);
      await free;
    }
    expect(writes.length - outbox.usage().groups, "the identity, and the first bound").toBe(2);
    expect(outbox.usage().groups).toBe(groups);
  });

  test("a failed write lets nobody publish, and the reopened outbox does again", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk);
    await life.appendAll([1, 2, 3]);
    const { run } = life.outbox;
    disk.failure = failure;
    const piece = { from: 1, to: 3, bytes: 300 };
    const refused = expect(life.outbox.publishing(run, "telemetry", piece)).rejects.toMatchObject({
      code: "OUTBOX_POISONED",
    });
    await life.clock.advance(1);
    await refused;
    await expect(life.outbox.publishing(run, "telemetry", piece)).rejects.toThrow();
    disk.failure = undefined;
    await life.clock.advance(60_000);
    const again = life.outbox.publishing(run, "telemetry", piece);
    await life.clock.advance(1);
    await again;
    disk.crash();
    const next = await Life.begin(disk);
    expect(next.epochs.find(({ id }) => id === run)?.published.telemetry).toBe(3);
  });
});

describe("O8 an image of this process", () => {
  const hour = 3_600_000;

  /** The same process on the same disk, up to the image that both go on from. */
  async function image() {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk, { seed: "image" });
    await life.appendAll([1, 2, 3]);
    return { disk, life };
  }

  test("one that is resumed while the other ran on appends to a new epoch", async () => {
    const [one, other] = [await image(), await image()];
    expect(other.life.outbox.run, "the image").toBe(one.life.outbox.run);
    const { run } = one.life.outbox;
    await one.life.appendAll([4, 5]);
    other.life.clock.jump(hour);
    await other.life.appendAll([6, 7]);
    const places = [one, other].flatMap(({ life }) =>
      life.acked.slice(3).map(({ epoch, position }) => `${epoch} ${position}`),
    );
    expect(new Set(places).size, places.join()).toBe(4);
    expect(other.life.epochs).toMatchObject([
      { id: run, ends: { telemetry: 3, priority: 0 } },
      { before: { epoch: run, ends: { telemetry: 3, priority: 0 } }, last: { telemetry: 2 } },
    ]);
    other.disk.crash();
    const next = await Life.begin(other.disk);
    expect([...(await next.tags(run, "telemetry")).values()]).toEqual([1, 2, 3]);
    expect([...(await next.tags(other.life.outbox.run, "telemetry")).values()]).toEqual([6, 7]);
  });

  test("two that are resumed from the same image begin different epochs", async () => {
    const [one, other] = [await image(), await image()];
    one.life.clock.jump(hour);
    other.life.clock.jump(2 * hour);
    await one.life.appendAll([4]);
    await other.life.appendAll([5]);
    expect(one.life.outbox.run).not.toBe(other.life.outbox.run);
  });

  test("an epoch that nothing was appended to yet is left as well", async () => {
    const begin = () => Life.begin(new MemoryDisk(), { seed: "fresh" });
    const [one, other] = [await begin(), await begin()];
    other.clock.jump(hour);
    await one.appendAll([1]);
    await other.appendAll([2]);
    expect(one.epochs).toHaveLength(1);
    expect(other.epochs).toHaveLength(1);
    expect(one.outbox.run).not.toBe(other.outbox.run);
  });

  test("a clock that only drifts changes nothing", async () => {
    const { life } = await image();
    life.clock.jump(900);
    await life.appendAll([4]);
    expect(life.epochs).toHaveLength(1);
  });

  test("boot time that goes back is noticed, though the clock agrees", async () => {
    const { life } = await image();
    await life.clock.advance(hour);
    await life.appendAll([4]);
    const { bootMs } = life.clock;
    life.clock.bootMs = () => bootMs.call(life.clock) - hour / 2;
    const { wallMs } = life.clock;
    life.clock.wallMs = () => wallMs.call(life.clock) - hour;
    await life.appendAll([5]);
    expect(life.epochs).toHaveLength(2);
  });

  test("where the write that leaves the epoch fails, its end is stated when the outbox reopens", async () => {
    const { disk, life } = await image();
    const { run } = life.outbox;
    life.outbox.leaveEpoch("test");
    disk.failure = failure;
    await life.appendAll([4]);
    disk.failure = undefined;
    await life.clock.advance(60_000);
    await life.appendAll([5]);
    expect(life.codes()).toEqual([undefined, undefined, undefined, "OUTBOX_POISONED", undefined]);
    disk.crash();
    const next = await Life.begin(disk);
    expect(next.epochs.map(({ ends }) => ends?.telemetry)).toEqual([3, 1]);
    expect(next.epochs[1]?.before).toEqual({ epoch: run, ends: { telemetry: 3, priority: 0 } });
    expect([...(await next.tags(run, "telemetry")).values()]).toEqual([1, 2, 3]);
  });
});

describe("a tail that is held", () => {
  const bounds = { bytesMax: 60_000, tailBytesMax: 5_000 };

  async function released(count: number): Promise<Life> {
    const life = await Life.begin(new MemoryDisk(), { bounds });
    for (let tag = 0; tag < count; tag++) {
      life.append(tag, "telemetry", 1_000);
      await life.clock.advance(1);
    }
    life.outbox.holdTail(true);
    life.outbox.release(life.outbox.run, "telemetry", count);
    await life.maintained();
    return life;
  }

  test("stays whole beyond its bound, and shrinks once it is let go", async () => {
    const life = await released(20);
    expect(life.outbox.usage().bytes).toBeGreaterThan(20_000);
    life.outbox.holdTail(false);
    await life.maintained();
    expect(life.outbox.usage().bytes).toBeLessThan(bounds.tailBytesMax);
  });

  test("gives way where appends would else be refused", async () => {
    const life = await released(60);
    expect(life.codes().at(-1)).toBe("OUTBOX_FULL");
    await life.maintained();
    await life.appendAll([1_000]);
    expect(life.codes().at(-1)).toBeUndefined();
  });

  test("a rotten block at its head is given up as well", async () => {
    const disk = new MemoryDisk();
    const life = await Life.begin(disk, { bounds });
    for (let tag = 0; tag < 40; tag++) {
      life.append(tag, "telemetry", 1_000);
      await life.clock.advance(1);
    }
    const [head] = [...disk.contents.keys()].filter((key) => key.startsWith("b")).sort();
    disk.corrupt(Buffer.from(head ?? "", "latin1"), Buffer.from("rotten"));
    life.outbox.release(life.outbox.run, "telemetry", 40);
    await life.maintained();
    expect(life.outbox.usage().bytes).toBeLessThan(bounds.tailBytesMax + 2_000);
  });
});

describe("a store that meets rot while it is read", () => {
  const rot = new CodedError("OUTBOX_CORRUPT", "a table is rotten");
  const openings = (failing: number) => {
    const disk = new MemoryDisk();
    let opened = 0;
    const openStore = async (): Promise<Store> => {
      const isRotten = ++opened <= failing;
      const store = disk.open();
      const write = store.write.bind(store);
      store.write = (changes, options) =>
        isRotten ? Promise.reject(rot) : write(changes, options);
      return store;
    };
    return Publisher.open({ open: openStore });
  };

  test("is opened once more, which mends it", async () => {
    const { outbox } = await openings(1);
    expect(outbox.epochs()).toEqual([]);
  });

  test("is not opened for ever", async () => {
    await expect(openings(2)).rejects.toBe(rot);
  });
});

async function publisherOn(openStore: ReturnType<typeof watched>["openStore"]) {
  const publisher = await Publisher.open({ open: openStore });
  const append = (count: number) => publisher.append("telemetry", count);
  return { publisher, outbox: publisher.outbox, clock: publisher.clock, append };
}

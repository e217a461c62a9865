// What is full gives way in order, says so exactly, and never touches what was sent.
import type { Item } from "@causeway/shared/block-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { describe, expect, test } from "vitest";
import { contentsOf, kindsOf, quarantinedOf, readingOf } from "../testing/outbox-contents.ts";
import { failure, Life } from "../testing/outbox-life.ts";
import { encodeRecord } from "./layout.ts";
import { MemoryDisk } from "./memory-store.ts";
import type { OutboxBounds } from "./outbox.ts";
import type { Store } from "./store.ts";

const kibibyte = 1_024;
const small: Partial<OutboxBounds> = { bytesMax: 64 * kibibyte, tailBytesMax: 32 * kibibyte };
const thin = { ...small, whenFull: "thin" } as const;
const drop = { ...small, whenFull: "drop-oldest" } as const;

/** One publish after the other, each in a block of its own, `everyMs` apart. */
async function fill(
  life: Life,
  count: number,
  {
    log = "telemetry",
    everyMs = 1_000,
    eventAt = (at: number) => readingOf(at, life.clock.bootMs()),
  }: { log?: Log; everyMs?: number; eventAt?: (at: number) => Event } = {},
): Promise<void> {
  for (let at = 1; at <= count; at++) {
    life.appendEvent(at, log, eventAt(at));
    await life.clock.advance(everyMs);
  }
  await life.maintained();
}

const refused = (life: Life) => life.codes().filter((code) => code !== undefined).length;
const kinds = async (life: Life, log: Log = "telemetry") =>
  kindsOf(await contentsOf(life.outbox, life.outbox.run, log));

function rollups(items: readonly Item[]) {
  return items.flatMap(({ event }) => (event?.kind === "rollup" ? [event] : []));
}

describe("thin", () => {
  test("the oldest become roll-ups over exactly their positions, and all is admitted", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds: thin });
    await fill(life, 2_000);
    expect(refused(life)).toBe(0);
    const items = await contentsOf(life.outbox, life.outbox.run, "telemetry");
    expect(items.at(-1)?.to).toBe(2_000);
    const first = items.findIndex(({ event }) => event?.kind === "reading");
    expect(first, "the newest are as they came").toBeGreaterThan(0);
    expect(items.slice(first).every(({ event }) => event?.kind === "reading")).toBe(true);
    for (const { event, from, to } of items.slice(0, first)) {
      if (event?.kind !== "rollup") throw new Error(`${event?.kind} at ${from}`);
      const windows = event.series.flatMap((series) => series.windows);
      const count = windows.reduce((sum, window) => sum + window[1], 0);
      expect(count, `at ${from}`).toBe(to - from + 1);
      expect([windows[0]?.[4], windows.at(-1)?.[5]], "the values are the positions").toEqual([
        from,
        to,
      ]);
    }
    expect(life.outbox.usage().given).toEqual({ thinned: items[first - 1]?.to, lost: {} });
  });

  test("over a long outage the oldest become coarser, the newer ones stay finer", async () => {
    const bounds = { ...thin, bytesMax: 16 * kibibyte };
    const life = await Life.begin(new MemoryDisk(), { bounds });
    await fill(life, 8_000, { everyMs: 10_000 });
    expect(refused(life)).toBe(0);
    const items = await contentsOf(life.outbox, life.outbox.run, "telemetry");
    const widths = rollups(items).map(({ windowMs }) => windowMs / 60_000);
    expect(widths, "oldest first").toEqual([...widths].sort((one, other) => other - one));
    expect(new Set(widths)).toEqual(new Set([60, 10, 1]));
    expect(life.outbox.usage().bytes).toBeLessThan(bounds.bytesMax);
  });

  test("what is no reading stays as it is, at its position", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds: thin });
    const eventAt = (at: number) =>
      at % 100 === 50 ? quarantinedOf(`bad ${at}`, life.clock.bootMs()) : readingOf(at, at);
    await fill(life, 1_500, { eventAt });
    const items = await contentsOf(life.outbox, life.outbox.run, "telemetry");
    expect(rollups(items).length).toBeGreaterThan(3);
    for (let at = 50; at <= 1_500; at += 100) {
      const item = items.find(({ from, to }) => from <= at && at <= to);
      expect(item).toMatchObject({ from: at, to: at, event: { topic: `bad ${at}` } });
    }
  });

  test("readings that no roll-up makes smaller stay, and then nothing more is admitted", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds: thin });
    const eventAt = (at: number) => readingOf(at, life.clock.bootMs(), `device-${at}`);
    await fill(life, 1_000, { eventAt, everyMs: 1 });
    expect(life.codes().at(-1)).toBe("OUTBOX_FULL");
    const items = await contentsOf(life.outbox, life.outbox.run, "telemetry");
    expect(items.at(-1)?.to, "all that was acknowledged").toBe(life.acked.length);
  });

  test("it goes on after a restart, over all epochs, and remembers what it has given", async () => {
    const disk = new MemoryDisk();
    let thinned = 0;
    for (let start = 1; start <= 4; start++) {
      const life = await Life.begin(disk, { bounds: thin, seed: `${start}` });
      expect(life.outbox.usage().given.thinned).toBe(thinned);
      await fill(life, 700);
      expect(refused(life)).toBe(0);
      expect(life.outbox.usage().given.thinned).toBeGreaterThan(thinned);
      ({ thinned } = life.outbox.usage().given);
      await life.outbox.close();
    }
    const life = await Life.begin(disk, { bounds: thin, seed: "last" });
    for (const { id, last } of life.epochs) {
      const items = await contentsOf(life.outbox, id, "telemetry");
      expect(items.at(-1)?.to).toBe(last.telemetry);
    }
  });
});

describe("drop-oldest", () => {
  test("the oldest are one loss that grows, and all is admitted", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds: drop });
    await fill(life, 2_000);
    expect(refused(life)).toBe(0);
    const [loss, kept, ...more] = await kinds(life);
    const to = Number(loss?.split("-")[1]);
    expect([loss, kept, more]).toEqual([`full 1-${to}`, `reading ${to + 1}-2000`, []]);
    const [item] = await contentsOf(life.outbox, life.outbox.run, "telemetry");
    expect(item?.event).toMatchObject({ kind: "loss", to, count: to });
    expect(life.outbox.usage().given).toEqual({ thinned: 0, lost: { full: to } });
  });

  test("priority keeps its own room, and of it only what says how the gateway fares goes", async () => {
    const life = await Life.begin(new MemoryDisk(), { bounds: drop });
    const eventAt = (at: number): Event =>
      at === 10
        ? quarantinedOf("of use", 10)
        : { ...readingOf(0, at), kind: "system", name: `n${at}`, detail: "", topic: null };
    await fill(life, 400, { log: "priority", eventAt });
    expect(refused(life)).toBe(0);
    const found = await kinds(life, "priority");
    expect(found.slice(0, 2)).toEqual(["full 1-9", "quarantined 10-10"]);
    expect(found.at(-1)).toMatch(/^system [0-9]+-400$/);
  });
});

test("reject: nothing that was never sent gives way, and priority is admitted still", async () => {
  const life = await Life.begin(new MemoryDisk(), { bounds: small });
  await fill(life, 1_000);
  expect(life.codes().at(-1)).toBe("OUTBOX_FULL");
  expect(life.outbox.usage().refused).toBeGreaterThan(100);
  expect(await kinds(life)).toEqual([`reading 1-${life.acked.length}`]);
  await life.appendAll([1], "priority");
  expect(life.codes().at(-1)).toBeUndefined();
});

describe("what was sent", () => {
  test("is neither thinned nor dropped, nor is what may be sent or was read to be", async () => {
    for (const bounds of [thin, drop]) {
      const life = await Life.begin(new MemoryDisk(), { bounds });
      const { run } = life.outbox;
      await fill(life, 200);
      const blocks = await life.outbox.read(run, "telemetry", 1, 5_000);
      const [from, to] = [1, blocks.at(-1)?.to ?? 0];
      const publishing = life.outbox.publishing(run, "telemetry", { from, to, bytes: 5_000 });
      await life.clock.advance(1);
      await publishing;
      await life.outbox.read(run, "telemetry", 150, 1);
      await fill(life, 1_500);
      const items = await contentsOf(life.outbox, run, "telemetry");
      const kept = items.filter(({ event }) => event?.kind === "reading");
      expect(kept.slice(0, 150).map((item) => item.from)).toEqual(
        Array.from({ length: 150 }, (_, index) => index + 1),
      );
      expect(items[150]?.event?.kind, "and what was not gives way").not.toBe("reading");
    }
  });

  test("a read that runs while blocks are replaced gets what stands then, and keeps it", async () => {
    const disk = new MemoryDisk();
    const gate = { held: Promise.resolve(), isArmed: false };
    const openStore = async (): Promise<Store> => {
      const store = disk.open();
      const scan = store.scan.bind(store);
      store.scan = async (range) => {
        const found = await scan(range);
        if (gate.isArmed && range.bytesMax === 777) await gate.held;
        return found;
      };
      return store;
    };
    const life = await Life.begin(disk, { bounds: thin, openStore });
    await fill(life, 300);
    let release = () => {};
    gate.held = new Promise((resolve) => {
      release = resolve;
    });
    gate.isArmed = true;
    const reading = life.outbox.read(life.outbox.run, "telemetry", 1, 777);
    await fill(life, 1_000);
    expect((await kinds(life))[0], "replaced behind the read's back").toMatch(/^rollup/);
    release();
    const blocks = await reading;
    await fill(life, 1_000);
    for (const { from, bytes } of blocks) {
      const [now] = await life.outbox.peek(life.outbox.run, "telemetry", from, 1);
      expect(now?.bytes, `what was read at ${from}`).toEqual(bytes);
    }
  });

  test("counts as sent through its end where the record of how far it was is rotten or lost", async () => {
    for (const harm of ["rotten", "lost"]) {
      const disk = new MemoryDisk();
      const life = await Life.begin(disk, { bounds: thin });
      await fill(life, 300);
      await life.outbox.close();
      const [cursor] = [...disk.contents.keys()].filter((key) => key.startsWith("c"));
      const key = Buffer.from(cursor ?? "", "latin1");
      if (harm === "rotten") disk.corrupt(key, Buffer.from("rotten"));
      else await withStore(disk, (store) => store.write([{ kind: "delete", key }], { sync: true }));
      const next = await Life.begin(disk, { bounds: thin, seed: "next" });
      expect(next.epochs[0]?.published.telemetry, harm).toBe(300);
      await fill(next, 1_500);
      const old = await contentsOf(next.outbox, next.epochs[0]?.id ?? "", "telemetry");
      expect(kindsOf(old), harm).toEqual(["reading 1-300"]);
      expect((await kinds(next))[0], harm).toMatch(/^rollup/);
    }
  });
});

describe("the order", () => {
  test("old tail goes first, then telemetry is thinned, then the rest of the tail goes", async () => {
    const day = 24 * 3_600_000;
    const life = await Life.begin(new MemoryDisk(), { bounds: { ...thin, tailBytesMax: 1e6 } });
    const { run } = life.outbox;
    await fill(life, 100);
    life.outbox.release(run, "telemetry", 100);
    await life.clock.advance(day);
    await fill(life, 100);
    life.outbox.release(run, "telemetry", 200);
    await fill(life, 400);
    const kept = async () =>
      (await contentsOf(life.outbox, run, "telemetry")).find(({ event }) => event?.kind !== "loss")
        ?.from ?? 0;
    expect(await kept(), "the old tail").toBeGreaterThan(1);
    expect(await kept(), "the young tail").toBeLessThanOrEqual(101);
    expect(life.outbox.usage().given.thinned).toBeGreaterThan(0);
    const eventAt = (at: number) => readingOf(at, life.clock.bootMs(), `device-${at}`);
    await fill(life, 1_200, { eventAt, everyMs: 5 });
    expect(await kept(), "the young tail gives way at last").toBeGreaterThan(200);
  });

  test("while the cloud may have rolled back the tail goes only where appends would fail", async () => {
    const bounds = { ...small, whenFull: "reject", tailBytesMax: 1e6 } as const;
    const life = await Life.begin(new MemoryDisk(), { bounds });
    await fill(life, 300);
    life.outbox.release(life.outbox.run, "telemetry", 300);
    life.outbox.holdTail(true);
    const { telemetry } = life.outbox.usage().logs;
    const room = (telemetry.bytesMax - telemetry.bytes) / (telemetry.bytes / 300);
    await fill(life, Math.floor(room * 0.9));
    expect((await kinds(life))[0]).toMatch(/^reading 1-/);
    await fill(life, 400);
    expect(refused(life), "for a moment only").toBeLessThan(100);
    expect((await kinds(life))[0]).toMatch(/^not-kept/);
  });
});

describe("the disk's reserve", () => {
  const reserved = { ...thin, bytesMax: 1e7, diskReserveBytes: 50_000 };

  test("below it the outbox acts as at its bound, and goes on once there is room again", async () => {
    let others = 0;
    const disk = new MemoryDisk();
    const freeBytes = async () => 120_000 - others - sizeOf(disk);
    const life = await Life.begin(disk, { bounds: reserved, freeBytes });
    await fill(life, 1_000);
    expect(refused(life), "thinning keeps the reserve free").toBeLessThan(20);
    expect(life.outbox.usage().freeBytes).toBeGreaterThan(40_000);
    expect((await kinds(life))[0]).toMatch(/^rollup/);
    others = 200_000;
    await life.maintained();
    const before = life.settled.length;
    await fill(life, 3);
    expect(life.settled.at(before)?.failure?.message).toContain("lower outbox.diskReserveBytes");
    others = 0;
    await life.maintained();
    await life.appendAll([1]);
    expect(life.codes().at(-1)).toBeUndefined();
  });

  test("it is asked at most ten times a second, and before a group", async () => {
    let asked = 0;
    const freeBytes = async () => {
      asked++;
      return 1e9;
    };
    const life = await Life.begin(new MemoryDisk(), { bounds: reserved, freeBytes });
    await life.appendAll([1]);
    expect(asked).toBe(1);
    for (let at = 0; at < 200; at++) await life.appendAll([at]);
    expect(asked).toBeGreaterThanOrEqual(2);
    expect(asked).toBeLessThanOrEqual(4);
  });
});

test("ageMax: what was never sent and is older is told as lost, and what was sent stays", async () => {
  const bounds = { ...small, bytesMax: 1e7, ageMaxMs: 100_000 };
  const life = await Life.begin(new MemoryDisk(), { bounds });
  await fill(life, 60);
  const { run } = life.outbox;
  const publishing = life.outbox.publishing(run, "telemetry", { from: 1, to: 10, bytes: 1e6 });
  await life.clock.advance(1);
  await publishing;
  await fill(life, 120);
  const sentTo = life.epochs[0]?.published.telemetry ?? 0;
  const found = await kinds(life);
  const to = Number(found[1]?.split("-")[1]);
  expect(found).toEqual([
    `reading 1-${sentTo}`,
    `age ${sentTo + 1}-${to}`,
    `reading ${to + 1}-180`,
  ]);
  expect(life.outbox.usage().given.lost).toEqual({ age: to - sentTo });
  expect(life.outbox.usage().backlog.telemetry).toMatchObject({ events: 180 });
});

describe("a replacement whose write fails", () => {
  test.each(["lost", "appear-later"] as const)(
    "bytes %s: it stands once the store is open again",
    async (bytes) => {
      const disk = new MemoryDisk();
      disk.failedBytes = bytes;
      const openStore = async (): Promise<Store> => {
        const store = disk.open();
        const write = store.write.bind(store);
        store.write = async (changes, options) => {
          const isReplacement = changes.some(({ key }) => key[0] === 0x67);
          if (isReplacement && isArmed) disk.failure = failure;
          isArmed &&= !isReplacement;
          await write(changes, options);
        };
        return store;
      };
      let isArmed = false;
      const life = await Life.begin(disk, { bounds: thin, openStore });
      const { run } = life.outbox;
      await fill(life, 300);
      isArmed = true;
      for (let at = 1; !life.told.includes("poisoned OUTBOX_POISONED") && at < 500; at++) {
        await fill(life, 1);
      }
      expect(life.told).toContain("poisoned OUTBOX_POISONED");
      let read: readonly { bytes: Uint8Array; from: number }[] | undefined;
      const reading = life.outbox.read(run, "telemetry", 1, 2_000).then((blocks) => {
        read = blocks;
      });
      await life.clock.advance(100);
      expect(read, "nobody knows what stands").toBeUndefined();
      disk.failure = undefined;
      await life.clock.advance(60_000);
      await reading;
      expect(life.outbox.run).not.toBe(run);
      const [first] = kindsOf(await contentsOf(life.outbox, run, "telemetry"));
      expect(first).toMatch(/^rollup 1-/);
      const [now] = await life.outbox.peek(run, "telemetry", 1, 1);
      expect(now?.bytes).toEqual(read?.[0]?.bytes);
      await life.appendAll([1]);
      expect(life.codes().at(-1)).toBeUndefined();
    },
  );
});

test("counts of what was given that rot are told, and begin anew", async () => {
  const disk = new MemoryDisk();
  const life = await Life.begin(disk, { bounds: drop });
  await fill(life, 1_000);
  await life.outbox.close();
  disk.corrupt(Buffer.from("g"), encodeRecord({ thinned: 3 }).subarray(0, 9));
  const next = await Life.begin(disk, { bounds: drop, seed: "next" });
  expect(next.outbox.usage().given).toEqual({ thinned: 0, lost: {} });
});

function sizeOf(disk: MemoryDisk): number {
  return [...disk.contents].reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}

async function withStore(disk: MemoryDisk, act: (store: Store) => Promise<void>): Promise<void> {
  const store = disk.open();
  await act(store);
  await store.close();
}

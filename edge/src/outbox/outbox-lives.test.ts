/** Goal: over random lives of a disk, O1-O4 hold against a model that shares no code with the outbox. */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { failure, Life } from "../testing/outbox-life.ts";
import { MemoryDisk } from "./memory-store.ts";

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

// A message that a device sends again is one event, whatever fails when: against an oracle that knows
// which events are on the disk (N1 to N3).
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { integer, pick } from "@causeway/shared/testing/random-events.ts";
import { describe, expect, test } from "vitest";
import type { Keeper, Records } from "../outbox/companions.ts";
import type { Change } from "../outbox/store.ts";
import { KnownKeys } from "./known-keys.ts";

/** A disk that holds what was written. */
class Disk {
  readonly records = new Map<string, Uint8Array>();

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      const key = Buffer.from(change.key).toString("latin1");
      if (change.kind === "put") this.records.set(key, change.value);
      else this.records.delete(key);
    }
  }

  recordsFor(): Records & { keeper: Keeper | undefined } {
    const records = this.records;
    return {
      keeper: undefined,
      keep(keeper) {
        this.keeper = keeper;
      },
      scan: async () =>
        [...records].map(([key, value]) => [Buffer.from(key, "latin1"), value] as const),
      write: () => {},
    };
  }
}

async function opened(disk: Disk, bounds = { keysPerDeviceMax: 4, keysMax: 100 }) {
  const keys = new KnownKeys(disk.recordsFor(), bounds);
  await keys.load(silentLogger);
  return keys;
}

test("a key is known once it was seen, and what came under it", async () => {
  const keys = await opened(new Disk());
  expect(keys.take("d", "t", "7", 1)).toBe("new");
  expect(keys.take("d", "t", "7", 1)).toBe("same");
  expect(keys.take("d", "t", "7", 2)).toBe("other");
  expect(keys.take("d", "u", "7", 1)).toBe("new");
  expect(keys.take("e", "t", "7", 1)).toBe("new");
});

test("a device remembers its last keys, and all together so many", async () => {
  const disk = new Disk();
  const keys = await opened(disk, { keysPerDeviceMax: 4, keysMax: 8 });
  for (let key = 1; key <= 6; key++) keys.take("d", "t", `${key}`, 0);
  expect([..."3456"].map((key) => keys.take("d", "t", key, 0))).toEqual(Array(4).fill("same"));
  expect(keys.take("d", "t", "1", 0)).toBe("new");
  disk.apply(keys.seal());
  keys.wrote(true);
  for (const device of ["e", "f", "g"]) {
    for (let key = 1; key <= 4; key++) keys.take(device, "t", `${key}`, 0);
    disk.apply(keys.seal());
    keys.wrote(true);
  }
  expect(keys.size).toBeLessThanOrEqual(8);
  expect(keys.take("g", "t", "4", 0)).toBe("same");
  expect(keys.take("d", "t", "1", 0)).toBe("new");
  expect(disk.records.size).toBeLessThanOrEqual(9);
});

/** More than comes between two sendings of a message here. */
const wide = { keysPerDeviceMax: 12, keysMax: 100 };

describe("over failed writes and crashes", () => {
  test("an event is on the disk exactly once for each key, while it is remembered", async () => {
    let folded = 0;
    for (let run = 0; run < 300; run++) {
      const seed = `keys ${run}`;
      const random = seededRandom(seed);
      const disk = new Disk();
      const durable: string[] = [];
      let gathering: string[] = [];
      let keys = await opened(disk, wide);
      let sent = 0;
      const recent: number[] = [];
      for (let step = 0; step < 60; step++) {
        const what = random.next();
        if (what < 0.7) {
          // Again, or the next one: at most as old as what is remembered.
          const isAgain = recent.length > 0 && random.next() < 0.4;
          const key = isAgain ? pick(random, recent) : ++sent;
          if (!isAgain) recent.push(key);
          if (recent.length > 3) recent.shift();
          const seen = keys.take("d", "t", `${key}`, key);
          expect(seen, seed).not.toBe("other");
          if (seen === "new") gathering.push(`${key}`);
          else folded += 1;
        } else if (what < 0.9) {
          disk.apply(keys.seal());
          durable.push(...gathering);
          gathering = [];
          keys.wrote(true);
        } else if (what < 0.95) {
          const changes = keys.seal();
          // Bytes of a failed write may yet appear.
          const torn = changes.slice(0, integer(random, changes.length + 1));
          disk.apply(torn);
          keys.wrote(false);
          gathering = [];
          disk.apply(keys.restore(changes.map(({ key }) => key)));
        } else {
          gathering = [];
          keys = await opened(disk, wide);
        }
      }
      expect(new Set(durable).size, seed).toBe(durable.length);
      // What is not durable is not known: the device sends it again, and it becomes an event.
      disk.apply(keys.seal());
      durable.push(...gathering);
      keys.wrote(true);
      for (const key of recent) {
        const seen = keys.take("d", "t", `${key}`, key);
        expect(seen === "new", `${seed}: ${key}`).toBe(!durable.includes(`${key}`));
      }
    }
    expect(folded).toBeGreaterThan(1_000);
  });
});

/** Goal: a repeat is folded once and only where it cannot be news, over crashes and failed writes. */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import type { Store } from "../outbox/store.ts";
import { decodeRepeats, encodeRepeats } from "./repeat-record.ts";
import type { RepeatBounds, Sender } from "./repeats.ts";
import { defaultRepeatBounds, hashOf, Repeats, repeatKeys } from "./repeats.ts";

const everything = { ...repeatKeys, countMax: 1_000_000 };
const hash = hashOf("t", Buffer.from("1"));

/** Repeats as the broker uses them: what is noted and sealed is settled with its write. */
class Life {
  readonly repeats: Repeats;
  readonly #store: Store;
  readonly #settles: ((isDurable: boolean) => void)[] = [];

  private constructor(store: Store, bounds: RepeatBounds) {
    this.repeats = new Repeats(bounds);
    this.#store = store;
  }

  static async begin(disk: MemoryDisk, bounds = defaultRepeatBounds): Promise<Life> {
    const store = disk.open();
    const life = new Life(store, bounds);
    life.repeats.load(await store.scan(everything), (failure) => {
      throw failure;
    });
    return life;
  }

  publish(sender: Sender, id: number, itsHash = hash): void {
    const entry = this.repeats.note(sender, id, itsHash);
    this.#settles.push((isDurable) => this.repeats.settled(sender, entry, isDurable));
  }

  repeat(sender: Sender, id: number, itsHash = hash): boolean {
    const folded = this.repeats.fold(sender, id, itsHash);
    if (folded !== undefined) this.#settles.push(folded);
    return folded !== undefined;
  }

  async group(failure?: Error): Promise<void> {
    const changes = this.repeats.seal();
    try {
      if (failure !== undefined) throw failure;
      if (changes.length > 0) await this.#store.write(changes, { sync: true });
    } catch {
      for (const settle of this.#settles.splice(0)) settle(false);
      const restored = this.repeats.restore(changes.map(({ key }) => key));
      await this.#store.write(restored, { sync: true });
      return;
    }
    for (const settle of this.#settles.splice(0)) settle(true);
  }

  async crash(disk: MemoryDisk, bounds = defaultRepeatBounds): Promise<Life> {
    disk.crash();
    return Life.begin(disk, bounds);
  }

  async records(): Promise<number> {
    return (await this.#store.scan(everything)).length;
  }
}

async function begun() {
  const disk = new MemoryDisk();
  const life = await Life.begin(disk);
  const sender = life.repeats.connected("a");
  return { disk, life, sender };
}

test("a repeat on the next connection is folded, once", async () => {
  const { life, sender } = await begun();
  life.publish(sender, 1);
  await life.group();
  life.repeats.disconnected(sender);
  const next = life.repeats.connected("a");
  expect(life.repeat(next, 1, hash + 1), "other bytes").toBe(false);
  expect(life.repeat(next, 2), "another id").toBe(false);
  expect(life.repeat(next, 1)).toBe(true);
  expect(life.repeat(next, 1)).toBe(false);
});

test("a publish that still waits for the disk is folded too", async () => {
  const { life, sender } = await begun();
  life.publish(sender, 1);
  life.repeats.disconnected(sender);
  expect(life.repeat(life.repeats.connected("a"), 1)).toBe(true);
});

test("nothing folds on the connection it came on, nor for another client", async () => {
  const { life, sender } = await begun();
  life.publish(sender, 1);
  await life.group();
  expect(life.repeat(sender, 1)).toBe(false);
  expect(life.repeat(life.repeats.connected("b"), 1)).toBe(false);
});

test("an entry ends when bytes follow its PUBACK, and not by bytes before it", async () => {
  const { life, sender } = await begun();
  life.publish(sender, 1);
  life.repeats.heard(sender);
  await life.group();
  life.publish(sender, 2);
  life.repeats.heard(sender);
  await life.group();
  life.repeats.disconnected(sender);
  const next = life.repeats.connected("a");
  expect([life.repeat(next, 1), life.repeat(next, 2)]).toEqual([false, true]);
});

test("entries die with the next connection, unless it brought nothing but repeats", async () => {
  const { life, sender } = await begun();
  for (const id of [1, 2, 3]) life.publish(sender, id);
  await life.group();
  let next = life.repeats.connected("a");
  expect(life.repeat(next, 1)).toBe(true);
  next = life.repeats.connected("a");
  expect(life.repeat(next, 2)).toBe(true);
  life.publish(next, 9);
  await life.group();
  next = life.repeats.connected("a");
  expect([life.repeat(next, 3), life.repeat(next, 9)]).toEqual([false, true]);
});

test("an id used twice for equal bytes is never folded: the repeat may be news", async () => {
  const { disk, life, sender } = await begun();
  life.publish(sender, 1);
  await life.group();
  life.repeats.heard(sender);
  life.publish(sender, 1);
  await life.group();
  expect(life.repeat(life.repeats.connected("a"), 1)).toBe(false);
  const next = await life.crash(disk);
  expect(next.repeat(next.repeats.connected("a"), 1), "after a crash").toBe(false);
});

test("entries survive a crash, those folded and those that ended do not come back", async () => {
  const { disk, life, sender } = await begun();
  for (const id of [1, 2, 3]) life.publish(sender, id);
  await life.group();
  const again = life.repeats.connected("a");
  expect(life.repeat(again, 2)).toBe(true);
  await life.group();
  const other = life.repeats.connected("b");
  life.publish(other, 7);
  await life.group();
  life.repeats.heard(other);
  life.publish(other, 8);
  await life.group();
  const next = await life.crash(disk);
  const [a, b] = [next.repeats.connected("a"), next.repeats.connected("b")];
  expect([1, 2, 3].map((id) => next.repeat(a, id))).toEqual([true, false, true]);
  expect([7, 8].map((id) => next.repeat(b, id))).toEqual([false, true]);
});

test("what failed is not folded, and what was folded in vain folds again", async () => {
  const { disk, life, sender } = await begun();
  life.publish(sender, 1);
  await life.group();
  const next = life.repeats.connected("a");
  expect(life.repeat(next, 1)).toBe(true);
  life.publish(next, 2);
  await life.group(new Error("no space"));
  const third = life.repeats.connected("a");
  expect([life.repeat(third, 1), life.repeat(third, 2)]).toEqual([false, false]);
  const after = await life.crash(disk);
  expect(after.repeat(after.repeats.connected("a"), 2)).toBe(false);
});

test("a folding that failed alone can be had again", async () => {
  const { life, sender } = await begun();
  life.publish(sender, 1);
  await life.group();
  expect(life.repeat(life.repeats.connected("a"), 1)).toBe(true);
  await life.group(new Error("no space"));
  expect(life.repeat(life.repeats.connected("a"), 1)).toBe(true);
});

test("clients that stay away are bounded, the longest absent forgotten, on the disk too", async () => {
  const disk = new MemoryDisk();
  const bounds = { absentEntriesMax: 4, recordsMax: 1_000 };
  const life = await Life.begin(disk, bounds);
  for (const client of ["a", "b", "c"]) {
    const sender = life.repeats.connected(client);
    for (const id of [1, 2]) life.publish(sender, id);
    await life.group();
    life.repeats.disconnected(sender);
  }
  await life.group();
  const next = await life.crash(disk, { absentEntriesMax: 100, recordsMax: 1_000 });
  const folds = (client: string) => next.repeat(next.repeats.connected(client), 1);
  expect(["a", "b", "c"].map(folds)).toEqual([false, true, true]);
});

test("over random lives nothing is folded twice or after its end, and the disk stays bounded", async () => {
  const bounds = { absentEntriesMax: 1_000, recordsMax: 8 };
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(`repeats ${seed}`);
    const below = (count: number) => Math.floor(random.next() * count);
    const disk = new MemoryDisk();
    let life = await Life.begin(disk, bounds);
    const senders = new Map<string, Sender>();
    const publishes: { client: string; id: number; state: "open" | "ended" | "folded" }[] = [];
    const connect = (client: string) => {
      const sender = life.repeats.connected(client);
      senders.set(client, sender);
      return sender;
    };
    let id = 0;
    for (let step = 0; step < 60; step++) {
      const client = `c${below(3)}`;
      const sender = senders.get(client) ?? connect(client);
      const own = publishes.filter((each) => each.client === client);
      const dice = below(10);
      if (dice < 4) {
        life.publish(sender, ++id);
        publishes.push({ client, id, state: "open" });
      } else if (dice < 6) {
        await life.group();
        life.repeats.heard(sender);
        // Only the connection that got the PUBACKs; what came before it may not be folded either.
        for (const each of own) if (each.state === "open") each.state = "ended";
        life.publish(sender, ++id);
        publishes.push({ client, id, state: "open" });
        await life.group();
      } else if (dice < 8) {
        await life.group();
        const next = connect(client);
        for (const each of own.slice(-3)) {
          const folded = life.repeat(next, each.id);
          expect(folded && each.state !== "open", `seed "repeats ${seed}"`).toBe(false);
          if (folded) each.state = "folded";
        }
        await life.group();
      } else if (dice === 8) {
        life.repeats.disconnected(sender);
        senders.delete(client);
      } else {
        await life.group();
        life = await life.crash(disk, bounds);
        senders.clear();
      }
      expect(await life.records(), `seed "repeats ${seed}"`).toBeLessThanOrEqual(9);
    }
  }
});

test("the bytes of a record never change, and damage is told", () => {
  const record = {
    isWhole: true,
    sections: [
      {
        client: "ä",
        floor: 5,
        entries: [{ ordinal: 6, messageId: 65_535, hash: 0xdeadbeef, isReused: true }],
        folded: [2 ** 40],
      },
    ],
  };
  const bytes = encodeRepeats(record);
  expect(bytes.toString("hex")).toMatchInlineSnapshot(
    `"01bcd418d8010002c3a400000000000500000001000000000006ffffdeadbeef0100000001010000000000"`,
  );
  expect(decodeRepeats(bytes)).toEqual(record);
  for (const at of bytes.keys()) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(() => decodeRepeats(damaged), `byte ${at}`).toThrow(/^OUTBOX_/);
  }
});

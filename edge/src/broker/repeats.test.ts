/** Goal: a repeat is folded once and only where it cannot be news, over crashes and failed writes. */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { RepeatsLife as Life } from "../testing/repeats-life.ts";
import { decodeRepeats, encodeRepeats } from "./repeat-record.ts";
import type { Sender } from "./repeats.ts";
import { defaultRepeatBounds, hashOf } from "./repeats.ts";

const hash = hashOf("t", Buffer.from("1"));

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

/** A client whose ids went up from 1 for so many publishes, four at once. */
async function counted(count: number) {
  const { disk, life, sender } = await begun();
  for (let id = 1; id <= count; id++) {
    life.publish(sender, id);
    if (id % 4 === 0) await life.group();
    life.repeats.heard(sender);
  }
  await life.group();
  const folds = (ids: readonly number[], of = life, next = of.repeats.connected("a")) =>
    ids.map((id) => of.repeat(next, id));
  return { disk, life, sender, folds };
}

test("an entry of a client that counts lasts over bytes and is folded as often as it comes", async () => {
  const { disk, life, sender, folds } = await counted(400);
  life.repeats.heard(sender);
  // Four times what was under way.
  expect(folds([384, 385, 392, 400])).toEqual([false, true, true, true]);
  expect(folds([385, 400]), "on the connection behind").toEqual([true, true]);
  const after = await life.crash(disk);
  expect(folds([384, 385, 400], after), "after a crash").toEqual([false, true, true]);
  const next = after.repeats.connected("a");
  after.publish(next, 401);
  await after.group();
  after.repeats.heard(next);
  expect(folds([385, 386, 401], after), "and counts on").toEqual([false, true, true]);
});

test("who counted up to a few has no entry that lasts", async () => {
  const { life, sender, folds } = await counted(256);
  life.repeats.heard(sender);
  expect(folds([250, 256])).toEqual([false, false]);
});

test.each([
  ["anew", 1],
  ["with the one before", 399],
  ["with the same", 400],
  ["far ahead", 500],
])("an id that goes back ends all that last: %s", async (_how, id) => {
  const { disk, life, sender, folds } = await counted(400);
  life.publish(sender, id, hash + 1);
  await life.group();
  expect(folds([398, 399, 400])).toEqual([false, false, false]);
  expect(folds([398, 399, 400], await life.crash(disk)), "on the disk").toEqual([
    false,
    false,
    false,
  ]);
});

test("what waits when ids go back is as the entries of any other client", async () => {
  const { life, sender, folds } = await counted(400);
  for (const id of [401, 402, 7]) life.publish(sender, id);
  expect(folds([400, 401, 402, 7])).toEqual([false, true, true, true]);
});

test("subscriptions take ids too, and what failed comes again under its own", async () => {
  const { life, sender, folds } = await counted(400);
  life.publish(sender, 403);
  await life.group(new Error("no space"));
  const next = life.repeats.connected("a");
  life.publish(next, 403);
  await life.group();
  expect(folds([390, 400, 403])).toEqual([true, true, true]);
});

test("a repeat of what fails is not taken for an event", async () => {
  const { life, sender } = await begun();
  life.publish(sender, 1);
  const next = life.repeats.connected("a");
  expect(life.repeat(next, 1)).toBe(true);
  await life.group(new Error("no space"));
  expect(life.repeat(life.repeats.connected("a"), 1), "it is nowhere").toBe(false);
});

test("what lasts is bounded for each client and for all", async () => {
  const disk = new MemoryDisk();
  const bounds = { ...defaultRepeatBounds, countedMin: 4, lastingMax: 6, allLastingMax: 9 };
  const life = await Life.begin(disk, bounds);
  for (const client of ["a", "b"]) {
    const sender = life.repeats.connected(client);
    for (let id = 1; id <= 40; id++) {
      life.publish(sender, id);
      if (id % 2 === 0) await life.group();
    }
    life.repeats.heard(sender);
  }
  const folded = (client: string) => {
    const next = life.repeats.connected(client);
    return Array.from({ length: 60 }, (_, at) => at + 1).filter((id) => life.repeat(next, id));
  };
  expect(folded("a")).toEqual([35, 36, 37, 38, 39, 40]);
  expect(folded("b")).toEqual([38, 39, 40]);
  const sender = life.repeats.connected("a");
  for (let id = 41; id <= 60; id++) life.publish(sender, id);
  expect(folded("a"), "and not less than waits").toEqual(
    Array.from({ length: 20 }, (_, at) => 41 + at),
  );
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
  const bounds = { ...defaultRepeatBounds, absentEntriesMax: 4, recordsMax: 1_000 };
  const life = await Life.begin(disk, bounds);
  for (const client of ["a", "b", "c"]) {
    const sender = life.repeats.connected(client);
    for (const id of [1, 2]) life.publish(sender, id);
    await life.group();
    life.repeats.disconnected(sender);
  }
  await life.group();
  const next = await life.crash(disk, { ...defaultRepeatBounds, absentEntriesMax: 100 });
  const folds = (client: string) => next.repeat(next.repeats.connected(client), 1);
  expect(["a", "b", "c"].map(folds)).toEqual([false, true, true]);
});

test("over random lives nothing is folded twice or after its end, and the disk stays bounded", async () => {
  const bounds = { ...defaultRepeatBounds, absentEntriesMax: 1_000, recordsMax: 8 };
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
        entries: [
          { ordinal: 6, messageId: 65_535, hash: 0xdeadbeef, isReused: true, isCounted: false },
          { ordinal: 7, messageId: 1, hash: 1, isReused: false, isCounted: true },
        ],
        folded: [2 ** 40],
      },
    ],
  };
  const bytes = encodeRepeats(record);
  expect(bytes.toString("hex")).toMatchInlineSnapshot(
    `"0182795c24010002c3a400000000000500000002000000000006ffffdeadbeef010000000000070001000000010200000001010000000000"`,
  );
  expect(decodeRepeats(bytes)).toEqual(record);
  for (const at of bytes.keys()) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(() => decodeRepeats(damaged), `byte ${at}`).toThrow(/^OUTBOX_/);
  }
});

// Stores that were put back: what is kept stays usable, what is gone is told, nobody commits blindly.
import { describe, expect, test } from "vitest";
import { EngineWorld } from "./testing/engine-world.ts";

async function busy(world: EngineWorld, from: number, to: number): Promise<void> {
  for (let position = from; position <= to; position++) {
    world.reading(position, 20);
    await world.clock.advance(1_000);
  }
}

describe("a journal that was put back", () => {
  test("is read from the newest message that is known again, on top of the snapshot (T2, T3)", async () => {
    const world = new EngineWorld();
    const first = world.engine();
    await busy(world, 1, 300);
    await first.stop();
    world.journal.rollBack(250);
    world.reading(301, 60); // where 251 stood before
    const second = world.engine();
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ phase: "running", events: 1, missing: 0 });
    expect(second.status().replayed + second.status().repeats).toBeLessThan(150);
    expect(world.through()).toBe(301);
    expect(world.alerts()).toHaveLength(1);
  });

  test("keeps what gateways send before the engine is back: it is no replay (T3)", async () => {
    const world = new EngineWorld();
    const first = world.engine();
    await busy(world, 1, 30);
    await first.stop();
    world.journal.rollBack(20);
    // Fewer than were lost: all of it stands where the last engine had read before.
    for (let position = 31; position <= 38; position++) world.reading(position, 20);
    const second = world.engine();
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ events: 8, replayed: 0 });
    expect(world.through()).toBe(38);
  });

  test("and is empty now is read from its first message", async () => {
    const world = new EngineWorld();
    const first = world.engine();
    await busy(world, 1, 30);
    await first.stop();
    world.journal.rollBack(0);
    world.reading(31, 60);
    const second = world.engine();
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ events: 1, missing: 0 });
    expect(world.alerts()).toHaveLength(1);
  });

  test("while the engine reads it is noticed at the interruption (E6)", async () => {
    const world = new EngineWorld();
    const engine = world.engine();
    await busy(world, 1, 30);
    world.journal.rollBack(20);
    world.reading(31, 60);
    await world.clock.advance(20_000);
    expect(engine.status()).toMatchObject({ phase: "running", takeOvers: 2 });
    expect(world.alerts()).toHaveLength(1);
    expect(world.through()).toBe(31);
  });

  test("right after it was compared is noticed when the first message comes (E6)", async () => {
    const world = new EngineWorld();
    const engine = world.engine();
    await busy(world, 1, 30);
    world.journal.interrupt();
    await world.clock.advance(5_000);
    world.journal.messages.splice(20);
    for (let position = 31; position <= 41; position++) world.reading(position, 20);
    await world.clock.advance(20_000);
    expect(engine.status()).toMatchObject({ phase: "running", takeOvers: 2 });
    expect(world.through()).toBe(41);
  });

  test("again and again goes on by the state that was last committed", async () => {
    const world = new EngineWorld();
    let next = 1;
    for (let round = 0; round < 5; round++) {
      const engine = world.engine();
      await world.clock.advance(500);
      await busy(world, next, next + 39);
      next += 40;
      await engine.stop();
      world.journal.rollBack(world.journal.messages.length - 15);
    }
    world.reading(next, 60);
    const last = world.engine();
    await world.clock.advance(500);
    expect(last.status()).toMatchObject({ phase: "running", events: 1, takeOvers: 1 });
    expect(world.through()).toBe(next);
    expect(world.alerts()).toHaveLength(1);
  });
});

test("a journal that cannot be opened for long is taken over anew, with all that is prepared", async () => {
  const world = new EngineWorld();
  const engine = world.engine();
  await world.clock.advance(10);
  const read = world.journal.read.bind(world.journal);
  world.journal.read = () => {
    throw new Error("stream not found");
  };
  world.journal.interrupt();
  await world.clock.advance(60_000);
  expect(engine.status().takeOvers).toBeGreaterThanOrEqual(2);
  world.journal.read = read;
  world.reading(1, 20);
  await world.clock.advance(10_000);
  expect(world.through()).toBe(1);
});

describe("a journal that lost its first messages", () => {
  test("before they were read: the gap is counted and told, until it was told (T4)", async () => {
    const world = new EngineWorld();
    const first = world.engine();
    await busy(world, 1, 30);
    await first.stop();
    for (let position = 31; position <= 50; position++) world.reading(position, 20);
    world.journal.messages.splice(0, 40);
    const told: string[] = [];
    const tellGap = async (what: string) => {
      if (told.push(what) === 1) throw new Error("the stream is away");
    };
    const second = world.engine(undefined, { tellGap });
    await world.clock.advance(2_000);
    expect(second.status().phase).toBe("running");
    expect(told).toHaveLength(2);
    expect(told[1]).toContain("messages 31 to 40 ");
    await second.stop();
    const third = world.engine(undefined, { tellGap });
    await world.clock.advance(500);
    expect(third.status()).toMatchObject({ phase: "running", missing: 0 });
    expect(told).toHaveLength(2);
  });

  test("after they were read: there is no gap", async () => {
    const world = new EngineWorld();
    const first = world.engine();
    await busy(world, 1, 30);
    await first.stop();
    world.journal.messages.splice(0, 29); // the message at the place is kept
    world.reading(31, 60);
    const second = world.engine();
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ events: 1, missing: 0, replayed: 0 });
    expect(world.alerts()).toHaveLength(1);
  });
});

describe("a store that was put back while the engine was connected and idle", () => {
  test("is found out before the next commit, though every number matches (E5)", async () => {
    const world = new EngineWorld();
    const zombie = world.engine();
    await busy(world, 1, 5);
    const backup = world.store.contents();
    await busy(world, 6, 8);
    const ahead = world.store.contents();
    // The older copy goes another way, up to the very sequences that the first engine wrote last.
    world.store.restore(backup);
    const own = new Map(ahead.messages.map((message) => [message.subject, message]));
    const messages = [...own.values()].map((message) => ({
      ...message,
      text: message.text.replace(/"nonce":"[0-9a-f]+"/, '"nonce":"another"'),
    }));
    world.store.restore({ messages, sequence: ahead.sequence });
    world.reading(9, 60);
    await world.clock.advance(5_000);
    expect(zombie.status().lastFault).toContain("ENGINE_ROLLED_BACK");
    await world.clock.advance(30_000);
    expect(zombie.status()).toMatchObject({ phase: "running", takeOvers: 2 });
    expect(world.alerts()).toHaveLength(1);
  });

  test("but is the same after all: the engine goes on without a take-over", async () => {
    const world = new EngineWorld();
    const engine = world.engine();
    await busy(world, 1, 5);
    world.store.restore(world.store.contents());
    world.reading(6, 60);
    await world.clock.advance(5_000);
    expect(engine.status()).toMatchObject({ phase: "running", takeOvers: 1 });
    expect(world.alerts()).toHaveLength(1);
  });
});

// The engine commits what follows from the journal once, whatever its store answers.
import { describe, expect, test } from "vitest";
import { EngineWorld as World } from "./testing/engine-world.ts";

test("what is taken is committed as a mark, within the gather time", async () => {
  const world = new World();
  world.engine();
  await world.clock.advance(10);
  world.reading(1, 20);
  await world.clock.advance(10);
  world.reading(2, 21);
  await world.clock.advance(150);
  expect(world.through()).toBe(2);
});

test("an alert is committed at once, with the mark that covers its cause", async () => {
  const world = new World();
  world.engine();
  await world.clock.advance(10);
  world.reading(1, 20);
  await world.clock.advance(10);
  world.reading(2, 60);
  await world.clock.advance(10);
  expect(world.alerts()).toHaveLength(1);
  expect(world.through()).toBe(2);
});

describe.each(["refused", "unknown", "lost"] as const)("a commit whose answer is %s", (fault) => {
  test("is decided once: no alert twice, none missing", async () => {
    const world = new World();
    const engine = world.engine();
    await world.clock.advance(10);
    world.reading(1, 20);
    await world.clock.advance(200);
    world.store.faults.push(fault);
    world.reading(2, 60);
    await world.clock.advance(15_000);
    world.reading(3, 20);
    await world.clock.advance(15_000);
    expect(world.through()).toBe(3);
    expect(world.alerts()).toHaveLength(2);
    expect(new Set(world.alerts()).size).toBe(2);
    expect(engine.status().takeOvers).toBe(2);
  });
});

test("an engine that has nothing to commit finds out that it was fenced", async () => {
  const world = new World();
  const first = world.engine();
  await world.clock.advance(10);
  await world.engine().stop();
  expect(first.status().takeOvers).toBe(1);
  await world.clock.advance(90_000);
  expect(first.status().takeOvers).toBe(2);
  await world.clock.advance(300_000);
  expect(first.status().takeOvers, "and leaves it at that").toBe(2);
});

test("a second engine fences the first, and nothing is decided twice", async () => {
  const world = new World();
  const first = world.engine();
  await world.clock.advance(10);
  world.reading(1, 20);
  await world.clock.advance(200);
  await first.stop();
  const second = world.engine();
  await world.clock.advance(10);
  world.reading(2, 60);
  await world.clock.advance(1_000);
  expect(second.status()).toMatchObject({ replayed: 0, events: 1 });
  expect(world.alerts()).toHaveLength(1);
});

test("a paused engine that wakes cannot commit over its successor", async () => {
  const world = new World();
  const zombie = world.engine();
  await world.clock.advance(10);
  const successor = world.engine();
  await world.clock.advance(10);
  world.reading(1, 60);
  await world.clock.advance(60_000);
  await successor.stop();
  await zombie.stop();
  expect(new Set(world.alerts()).size).toBe(world.alerts().length);
  expect(world.alerts()).toHaveLength(1);
  expect(world.through()).toBe(1);
});

test("detectors are as they would be without the restart", async () => {
  const values = [20, 60, 20, 60, 20];
  const run = async (restartAfter: number | undefined): Promise<string[]> => {
    const world = new World();
    let engine = world.engine();
    for (const [index, value] of values.entries()) {
      await world.clock.advance(500);
      world.reading(index + 1, value);
      await world.clock.advance(500);
      if (index !== restartAfter) continue;
      await engine.stop();
      engine = world.engine();
    }
    return world.alerts();
  };
  const undisturbed = await run(undefined);
  expect(undisturbed).toHaveLength(4);
  for (const restart of [0, 1, 2, 3]) expect(await run(restart)).toEqual(undisturbed);
});

test("a stop commits what was taken", async () => {
  const world = new World();
  const engine = world.engine();
  await world.clock.advance(10);
  for (let position = 1; position <= 50; position++) world.reading(position, 20);
  await world.clock.advance(1);
  await engine.stop();
  expect(world.through()).toBe(50);
});

test("reading waits for the commit once so many messages are not committed", async () => {
  const world = new World();
  const engine = world.engine();
  await world.clock.advance(10);
  for (let position = 1; position <= 2_500; position++) world.reading(position, 20);
  await world.clock.advance(1); // within the gather time: only the bound makes it commit
  expect(engine.status().commits).toBeGreaterThanOrEqual(2);
  expect(world.through()).toBeGreaterThanOrEqual(1_000);
});

describe("snapshots", () => {
  const busy = async (world: World, from: number, to: number) => {
    for (let position = from; position <= to; position++) {
      world.reading(position, 20);
      await world.clock.advance(1_000);
    }
  };
  const shards = (world: World) =>
    world.store.messages.filter(({ subject }) => subject.startsWith("snap.3."));

  test("an engine that crashed is followed by one that reads only what came after its snapshot", async () => {
    const world = new World();
    world.engine();
    await busy(world, 1, 30);
    const second = world.engine();
    await world.clock.advance(500);
    const { replayed, phase } = second.status();
    expect(phase).toBe("running");
    expect(replayed).toBeLessThan(12);
    expect(shards(world).length).toBeGreaterThan(0);
  });

  test("a torn snapshot is not loaded: the journal is read from its start", async () => {
    const world = new World();
    const first = world.engine();
    await busy(world, 1, 30);
    await first.stop();
    world.store.damage("snap.3.");
    const second = world.engine();
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ replayed: 30, events: 0, phase: "running" });
  });

  test("only the newest generation is kept", async () => {
    const world = new World();
    world.engine();
    await busy(world, 1, 60);
    expect(
      new Set(shards(world).map(({ subject }) => subject.split(".")[3])).size,
    ).toBeLessThanOrEqual(2);
  });
});

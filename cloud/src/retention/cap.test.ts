// The bound for gateways stands in every mark, over commits of bounded size and over take-overs.
import { decodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { EngineWorld } from "../engine/testing/engine-world.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";

const gateways = 500;

function capsOf(world: EngineWorld): readonly (number | undefined)[] {
  const marks = world.store.messages.filter(({ subject }) => subject.startsWith("mark."));
  return marks.map(({ text }) => decodeMark(text).cap);
}

/** Many gateways, each of which has sent once; all is committed. */
async function busyWorld(): Promise<{ world: EngineWorld; engine: Engine; sizes: number[] }> {
  const world = new EngineWorld();
  const sizes: number[] = [];
  const commit = world.store.commit.bind(world.store);
  world.store.commit = (messages) => {
    sizes.push(messages.length);
    return commit(messages);
  };
  for (let sequence = 1; sequence <= gateways; sequence++) {
    const options = { gateway: `g${sequence}`, partition: sequence % 64 };
    world.journal.append(journalMessage(sequence, 1, [readingEvent("d1", "m", sequence)], options));
  }
  const engine = world.engine();
  await world.clock.advance(5_000);
  expect(capsOf(world)).toEqual(Array(gateways).fill(undefined));
  return { world, engine, sizes };
}

test("a cap reaches every gateway's mark, quiet ones too, and leaves them all, in bounded commits", async () => {
  const { world, engine, sizes } = await busyWorld();
  engine.setCap(32_768);
  await world.clock.advance(2_000);
  expect(capsOf(world)).toEqual(Array(gateways).fill(32_768));
  engine.setCap(undefined);
  await world.clock.advance(2_000);
  expect(capsOf(world)).toEqual(Array(gateways).fill(undefined));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
});

test("a cap that is decided again costs no commit", async () => {
  const { world, engine, sizes } = await busyWorld();
  engine.setCap(32_768);
  await world.clock.advance(2_000);
  const before = sizes.length;
  engine.setCap(32_768);
  await world.clock.advance(2_000);
  expect(sizes).toHaveLength(before);
});

test("the next engine leaves a cap as it finds it, until somebody decides", async () => {
  const { world, engine } = await busyWorld();
  engine.setCap(32_768);
  await world.clock.advance(2_000);
  await engine.stop();
  const next = world.engine();
  await world.clock.advance(1_000);
  world.journal.append(
    journalMessage(gateways + 1, 2, [readingEvent("d1", "m", 1)], { gateway: "g7", partition: 7 }),
  );
  await world.clock.advance(2_000);
  expect(capsOf(world)).toEqual(Array(gateways).fill(32_768));
  next.setCap(undefined);
  await world.clock.advance(2_000);
  expect(capsOf(world)).toEqual(Array(gateways).fill(undefined));
});

test("a gateway that is seen first while a cap is in force gets it with its first mark", async () => {
  const { world, engine } = await busyWorld();
  engine.setCap(32_768);
  world.journal.append(
    journalMessage(gateways + 1, 1, [readingEvent("d1", "m", 1)], { gateway: "new", partition: 9 }),
  );
  await world.clock.advance(2_000);
  expect(capsOf(world)).toEqual(Array(gateways + 1).fill(32_768));
});

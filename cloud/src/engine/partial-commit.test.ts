// A commit that has no room for all of a partition, or for all of a message, and a crash behind it.
import type { AlertMessage } from "@causeway/shared/alert/alert.ts";
import type { Event } from "@causeway/shared/event.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { expect, test } from "vitest";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { EngineWorld } from "./testing/engine-world.ts";

/** Each reading is a transition. */
const counting = rulesSchema.parse([{ name: "hot", detector: "limits", hi: 50, flap: "off" }]);

function append(world: EngineWorld, gateway: string, from: number, events: readonly Event[]) {
  const sequence = (world.journal.messages.at(-1)?.sequence ?? 0) + 1;
  const head = { nonce: `1.${sequence}` };
  world.journal.append(journalMessage(sequence, from, events, { gateway, head }));
}

const flips = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) =>
    readingEvent("d1", "temperature", (from + index) % 2 === 1 ? 60 : 20, from + index),
  );

function told(world: EngineWorld): string[] {
  return world.store.messages
    .filter(({ subject }) => subject.startsWith("alert."))
    .flatMap(({ text }) => (JSON.parse(text) as AlertMessage).transitions)
    .map(({ gateway, rule, id, state }) => `${gateway} ${rule} ${id} ${state}`);
}

/** Commits beyond the count are never answered, as by an engine that was killed then. */
function killAfter(world: EngineWorld, commits: number): () => void {
  const commit = world.store.commit.bind(world.store);
  let left = commits;
  world.store.commit = (messages) => {
    if (left-- > 0) return commit(messages);
    return new Promise(() => {});
  };
  return () => {
    world.store.commit = commit;
  };
}

test("a partition of more gateways than a commit has room for, killed between its commits: all told once", async () => {
  const world = new EngineWorld();
  world.engine(counting);
  await world.clock.advance(500);
  const gateways = Array.from({ length: 300 }, (_, index) => `g${index}`);
  for (const gateway of gateways) append(world, gateway, 1, flips(1, 3));
  const revive = killAfter(world, 1);
  await world.clock.advance(500);
  const before = told(world).length;
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(900);
  revive();
  const second = world.engine(counting);
  await world.clock.advance(2_000);
  expect(second.status()).toMatchObject({ phase: "running", passed: 0 });
  expect(told(world).filter((line) => line.includes("system-"))).toEqual([]);
  expect(told(world)).toHaveLength(900);
  expect(new Set(told(world)).size).toBe(900);
  await second.stop();
});

test("a message of more readings than a commit has room for, killed in the midst of it: all told once", async () => {
  const world = new EngineWorld();
  world.engine(counting);
  await world.clock.advance(500);
  append(world, "g1", 1, flips(1, 10));
  await world.clock.advance(500);
  append(world, "g1", 11, flips(11, 30_000));
  const revive = killAfter(world, 2);
  await world.clock.advance(500);
  const before = told(world).length;
  expect(before).toBeGreaterThan(10);
  expect(before).toBeLessThan(30_010);
  revive();
  const second = world.engine(counting);
  await world.clock.advance(2_000);
  expect(second.status()).toMatchObject({ phase: "running", passed: 0 });
  expect(told(world).filter((line) => line.includes("system-"))).toEqual([]);
  expect(told(world)).toHaveLength(30_010);
  expect(new Set(told(world)).size).toBe(30_010);
  append(world, "g1", 30_011, flips(30_011, 1));
  await world.clock.advance(2_000);
  expect(told(world)).toHaveLength(30_011);
  await second.stop();
});

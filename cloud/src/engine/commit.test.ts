// What is committed is whole: a gateway's messages go together, a snapshot is named only once it is
// there, and nothing is read before everyone else is fenced off.
import { alertingBounds, createAlerting } from "@causeway/shared/alert/alerting.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { partitionCount, subjects } from "@causeway/shared/subjects.ts";
import { expect, test } from "vitest";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { KeptRuleSets } from "../ticks/rule-sets.ts";
import { MemoryEngineStore } from "./memory-engine-store.ts";
import { Partition } from "./partition.ts";
import { noCounts } from "./partition-counters.ts";
import { snapshotHash } from "./snapshot.ts";
import { EngineWorld, hotRules } from "./testing/engine-world.ts";

test("mark, alerts and dead letters of a gateway go in one commit, however small it is (P1)", async () => {
  const ruleSets = new KeptRuleSets(new MemoryEngineStore(), hotRules);
  const alerting = await ruleSets.alertingOf(ruleSets.own);
  if (alerting === undefined) throw new Error("no rules");
  const partition = new Partition(3, { name: ruleSets.own, alerting }, 0, noCounts());
  const gateways = ["g1", "g2", "g3"];
  for (const [index, gateway] of gateways.entries()) {
    const hot = [readingEvent("d1", "temperature", 60)];
    partition.take(journalMessage(2 * index + 1, 1, hot, { gateway }));
    const later = journalMessage(2 * index + 2, 2, hot, { gateway });
    const header = (name: string) => (name === "Cw-Epoch" ? "?" : later.header(name));
    partition.take({ ...later, header });
  }
  const kinds = ["alert", "dlq", "dlq", "open", "mark"];
  for (const gateway of gateways) {
    const { messages } = partition.collect(1, 2);
    const found = messages.map(({ subject }) => subject.split("."));
    expect(found.map(([kind, , of]) => [kind, of])).toEqual(kinds.map((kind) => [kind, gateway]));
  }
  expect(partition.collect(1, 2)).toMatchObject({ messages: [], complete: true });
});

test("an alert that its gateway has no room for is counted, and not again in a replay", () => {
  const alerting = createAlerting(compileRules(hotRules), {
    ...alertingBounds,
    alertsPerGatewayMax: 2,
  });
  const counters = noCounts();
  const partition = new Partition(3, { name: "hot", alerting }, 0, counters);
  for (const device of ["d1", "d2", "d3", "d4"]) {
    const sequence = partition.sequence + 1;
    partition.take(journalMessage(sequence, sequence, [readingEvent(device, "temperature", 60)]));
  }
  expect(counters).toMatchObject({ transitions: 2, alertsRefused: 2 });
  const later = new Partition(3, { name: "hot", alerting }, 4, counters);
  const { messages } = partition.collect(1, 10);
  const mark = messages.find(({ subject }) => subject.startsWith("mark."))?.data ?? "";
  later.restoreMark(decodeMark(mark));
  later.take(journalMessage(1, 4, [readingEvent("d4", "temperature", 60)]));
  expect(counters.alertsRefused).toBe(2);
});

test("the snapshot that a checkpoint names is there, whole, at every moment (E4)", async () => {
  const world = new EngineWorld();
  const { store, clock } = world;
  const [save, purge, commit] = [store.saveShards, store.purgeShards, store.commit];
  const named = new Set<string>();
  const torn: string[] = [];
  const look = async () => {
    const { snapshot } = (await store.loadCheckpoints([3])).get(3)?.checkpoint ?? {};
    if (snapshot === undefined || snapshot.shards === 0) return;
    const shards = await store.loadShards(subjects.snapshotFilter(3, snapshot.generation));
    named.add(snapshot.generation);
    if (snapshotHash(shards) !== snapshot.hash) torn.push(snapshot.generation);
  };
  store.saveShards = async (shards) => {
    await new Promise<void>((resolve) => void clock.after(400, resolve)); // commits go on meanwhile
    await save.call(store, shards);
    await look();
  };
  store.purgeShards = async (partition, kept) => {
    await purge.call(store, partition, kept);
    await look();
  };
  store.commit = async (messages) => {
    const outcome = await commit.call(store, messages);
    await look();
    return outcome;
  };
  world.engine();
  for (let position = 1; position <= 200; position++) {
    world.reading(position, 20);
    await clock.advance(200);
  }
  expect(named.size).toBeGreaterThanOrEqual(3);
  expect(torn).toEqual([]);
});

test("whoever takes over reads nothing before its fence is raised (T1)", async () => {
  const world = new EngineWorld();
  const { store } = world;
  const first = world.engine();
  world.reading(1, 60);
  await world.clock.advance(15_000); // with a snapshot
  await first.stop();
  const read: [string, number][] = [];
  const watched = <Answer>(load: (filter: string) => Promise<Answer>) => {
    return async (filter: string) => {
      const partitions = await store.loadCheckpoints([...Array(partitionCount).keys()]);
      const fences = [...partitions.values()].map(({ checkpoint }) => checkpoint.fence);
      read.push([filter.split(".")[0] ?? "", Math.min(...fences)]);
      return load.call(store, filter);
    };
  };
  store.loadLast = watched(store.loadLast);
  store.loadShards = watched(store.loadShards);
  world.engine();
  await world.clock.advance(500);
  expect(Object.fromEntries(read)).toMatchObject({ snap: 2, mark: 2, open: 2 });
  expect(read.every(([, fence]) => fence === 2)).toBe(true);
});

// Goal: what devices told about themselves is on the disk with the events it came with, or not at
// all, and takes no more room than it may.
import { silentLogger } from "@causeway/shared/log.ts";
import { expect, test } from "vitest";
import { AdapterMemory } from "./adapter-memory.ts";
import { MemoryDisk } from "./outbox/memory-store.ts";
import { failure, Life } from "./testing/outbox-life.ts";

async function begin(disk: MemoryDisk, bounds?: ConstructorParameters<typeof AdapterMemory>[1]) {
  const life = await Life.begin(disk);
  const memory = new AdapterMemory(life.outbox.records, bounds);
  await memory.load(silentLogger);
  return { life, memory };
}

const unit = { unit: "°C" };

test("what was learnt with an event is there when the event is, after a power cut too", async () => {
  const disk = new MemoryDisk();
  const { life, memory } = await begin(disk);
  memory.learn([
    { key: "homie/4/car/t", value: unit },
    { key: "sparkplug/seq/g/n", value: 7 },
  ]);
  life.append(1);
  await life.clock.advance(1);
  memory.learn([{ key: "homie/4/car/never", value: unit }]);
  disk.crash();
  const next = await begin(disk);
  expect(next.memory.get("homie/4/car/t")).toEqual(unit);
  expect(next.memory.get("sparkplug/seq/g/n")).toBe(7);
  expect(next.memory.get("homie/4/car/never")).toBeUndefined();
  expect(next.memory.size).toBe(2);
});

test("what was forgotten stays forgotten", async () => {
  const disk = new MemoryDisk();
  const { life, memory } = await begin(disk);
  memory.learn([{ key: "a", value: unit }]);
  await life.appendAll([1]);
  memory.learn([{ key: "a", value: undefined }]);
  await life.appendAll([2]);
  disk.crash();
  expect((await begin(disk)).memory.size).toBe(0);
});

test("what is learnt without an event is written a second later", async () => {
  const disk = new MemoryDisk();
  const { life, memory } = await begin(disk);
  memory.learn([{ key: "a", value: unit }]);
  memory.write();
  await life.clock.advance(2_000);
  disk.crash();
  expect((await begin(disk)).memory.get("a")).toEqual(unit);
});

test("a write that fails is made good by the next", async () => {
  const disk = new MemoryDisk();
  const { life, memory } = await begin(disk);
  memory.learn([{ key: "a", value: unit }]);
  disk.failure = failure;
  await life.appendAll([1]);
  disk.failure = undefined;
  await life.clock.advance(60_000);
  await life.appendAll([2]);
  disk.crash();
  expect((await begin(disk)).memory.get("a")).toEqual(unit);
});

test("at a bound what was told longest ago is given up, and counters keep their age", async () => {
  const { memory } = await begin(new MemoryDisk(), { entriesMax: 3, bytesMax: 1_000 });
  for (const key of ["a", "b", "c"]) memory.learn([{ key, value: 1 }]);
  memory.learn([{ key: "a", value: 2 }]);
  memory.learn([{ key: "b", value: unit }]);
  memory.learn([{ key: "d", value: 1 }]);
  expect([memory.get("a"), memory.get("b"), memory.size, memory.givenUp]).toEqual([
    undefined,
    unit,
    3,
    1,
  ]);
  memory.learn([{ key: "long", value: "x".repeat(990) }]);
  expect(memory.bytes).toBeLessThanOrEqual(1_000);
  memory.learn([{ key: "longer", value: "x".repeat(1_100) }]);
  expect([memory.size, memory.bytes]).toEqual([0, 0]);
});

test("a record that rotted costs itself alone", async () => {
  const disk = new MemoryDisk();
  const { life, memory } = await begin(disk);
  memory.learn([
    { key: "a", value: 1 },
    { key: "b", value: 2 },
  ]);
  await life.appendAll([1]);
  const rotten = { kind: "put", key: Buffer.from("ka"), value: Buffer.from("rotten") } as const;
  life.outbox.records.write([rotten], () => {});
  await life.clock.advance(1);
  disk.crash();
  const next = await begin(disk);
  expect([next.memory.get("a"), next.memory.get("b")]).toEqual([undefined, 2]);
});

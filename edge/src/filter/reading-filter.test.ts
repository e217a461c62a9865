/** Goal: what filters hold survives, is bounded, and stands in front of no rule. */
import { expect, test } from "vitest";
import { decodeRecord } from "../outbox/layout.ts";
import { FilterLife } from "../testing/filter-life.ts";
import { allFilterKeys } from "./filter-record.ts";

const band = { deadband: { absolute: 1 }, heartbeat: "60s" };
const sampled = { downsample: { window: "1h", keep: ["min", "max", "mean", "last"] } };

async function records(life: FilterLife): Promise<readonly (readonly [Uint8Array, Uint8Array])[]> {
  return life.outbox.records.scan({ ...allFilterKeys, countMax: 1_000 });
}

test("a process that follows goes on where the one before was killed (W1)", async () => {
  const first = await FilterLife.begin([band, sampled]);
  await first.clock.advance(600_000);
  await first.send(20, { at: 1_000_000 });
  await first.send(20.5, { at: 1_001_000 });
  const second = await first.restart([band, sampled]);
  expect(second.filter.status()).toMatchObject({ held: 1, series: 1 });
  await second.send(20.9, { at: 1_002_000 });
  await second.send(21.1, { at: 1_003_000 });
  expect(await second.told()).toEqual(["t=20@1000000", "t=21.1@1003000"]);
  expect(second.filter.status().suppressed).toBe(2);
  const third = await second.restart([band, sampled]);
  expect(third.filter.status()).toMatchObject({ suppressed: 2, held: 0 });
});

test("over a reboot what is held, and open windows, are sent at once with what there is (W3)", async () => {
  const filters = [{ ...band, metrics: ["t"] }, sampled];
  const first = await FilterLife.begin(filters);
  await first.outbox.fixBootOffset(first.clock.bootId, 5_000_000);
  await first.clock.advance(1_000);
  await first.send(20);
  await first.send(20.5);
  for (const value of [1, 5]) await first.send(value, { metric: "w" });
  const { VirtualClock } = await import("@causeway/shared/testing/virtual-clock.ts");
  const clock = new VirtualClock(undefined, "another");
  const second = await first.restart(filters, { clock });
  await second.clock.advance(200);
  const wanted = ["t=20", "t=20.5@5001000"];
  const windows = ["w.min=1@5001000", "w.max=5@5001000", "w.mean=3@3600000", "w=5@5001000"];
  expect(await second.told()).toEqual([...wanted, ...windows]);
  await second.send(20.9);
  expect(await second.told()).toHaveLength(6);
});

test("a publish that comes before what another boot left is sent comes behind it", async () => {
  const first = await FilterLife.begin([band]);
  await first.send(20, { at: 1_000 });
  await first.send(20.5, { at: 2_000 });
  const { VirtualClock } = await import("@causeway/shared/testing/virtual-clock.ts");
  const clock = new VirtualClock(undefined, "another");
  const second = await first.restart([band], { clock });
  await second.send(30, { at: 3_000 });
  expect(await second.told()).toEqual(["t=20@1000", "t=20.5@2000", "t=30@3000"]);
});

test("what was held by filters that are set no more is sent, and nothing is left of them", async () => {
  const first = await FilterLife.begin([{ ...band, metrics: ["t"] }, sampled]);
  await first.send(20, { at: 1_000 });
  await first.send(20.5, { at: 2_000 });
  await first.send(7, { metric: "w", at: 3_000 });
  const second = await first.restart([]);
  await second.clock.advance(3_000);
  const wanted = ["w.min=7@3000", "w.max=7@3000", "w.mean=7@0", "w=7@3000"];
  expect(await second.told()).toEqual(["t=20@1000", "t=20.5@2000", ...wanted]);
  const left = (await records(second)).map(([key]) => Buffer.from(key).toString("latin1", 0, 2));
  expect(left).toEqual(["fc", "fw"].filter((key) => left.includes(key)));
  expect(second.filter.status()).toMatchObject({ series: 0, held: 0 });
});

test("with other settings a series begins anew, behind what it held", async () => {
  const first = await FilterLife.begin([sampled]);
  for (const at of [1_000, 2_000]) await first.send(at, { at });
  const second = await first.restart([{ rateLimit: { every: "10s" } }]);
  await second.send(3_000, { at: 3_000 });
  const windows = ["t.min=1000@1000", "t.max=2000@2000", "t.mean=1500@0", "t=2000@2000"];
  expect(await second.told()).toEqual(windows);
  await second.clock.advance(11_000);
  expect(await second.told()).toEqual([...windows, "t=3000@3000"]);
});

test("what cannot be read is given up, and its series begins anew", async () => {
  const first = await FilterLife.begin([band]);
  await first.send(20);
  const key = (await records(first)).find(([key]) => key[1] === 0x73)?.[0] as Uint8Array;
  first.disk.corrupt(key, Buffer.from("nonsense"));
  const second = await first.restart([band]);
  expect(second.filter.status()).toMatchObject({ series: 0 });
  await second.send(20.1);
  expect(await second.told()).toEqual(["t=20", "t=20.1"]);
});

test("what the outbox refuses comes again, and passes then as it would have", async () => {
  const outboxBounds = { pendingBytesMax: 1 };
  const life = await FilterLife.begin([band], { outboxBounds });
  life.outbox.append("telemetry", { ...(await anEvent()) }, () => {});
  await life.send(20);
  expect(life.refused).toEqual(["OUTBOX_FULL"]);
  await life.send(20);
  expect((await life.told()).filter((text) => text === "t=20")).toHaveLength(1);
});

test("what a failed write held is undone: the device sends it again (W2)", async () => {
  const life = await FilterLife.begin([band]);
  await life.send(20);
  life.disk.failure = new Error("no space left on device");
  await life.send(25);
  await life.clock.advance(1);
  expect(life.refused).toEqual(["OUTBOX_POISONED"]);
  life.disk.failure = undefined;
  await life.clock.advance(1_000);
  await life.send(25);
  expect(await life.told()).toEqual(["t=20", "t=25"]);
  expect(life.filter.status()).toMatchObject({ suppressed: 0, held: 0 });
});

test("a reading that a rule of the gateway looks at passes, and what was held before it (W4)", async () => {
  const needed = new Set<string>();
  const isNeeded = (_device: string, metric: string) => needed.has(metric);
  const life = await FilterLife.begin([{ rateLimit: { every: "1h" } }], { isNeeded });
  for (const value of [20, 21, 22]) await life.send(value, { at: value });
  expect(await life.told()).toEqual(["t=20@20"]);
  needed.add("t");
  for (const value of [23, 99, 24]) await life.send(value, { at: value });
  expect(await life.told()).toEqual(["t=20@20", "t=22@22", "t=23@23", "t=99@99", "t=24@24"]);
  expect(life.filter.status()).toMatchObject({ needed: 3, suppressed: 1, series: 0 });
});

test("beyond the bound of series readings pass and are counted, until one was silent for long (W5)", async () => {
  const life = await FilterLife.begin([band], { bounds: { seriesMax: 2, idleMs: 100_000 } });
  await life.clock.advance(1_000_000);
  for (const device of ["d1", "d2", "d3"])
    for (const value of [20, 20.5]) await life.send(value, { device });
  expect(await life.told()).toEqual(["t=20", "t=20", "t=20", "t=20.5"]);
  expect(life.filter.status()).toMatchObject({ series: 2, beyond: 2, held: 2 });
  await life.clock.advance(90_000);
  await life.send(20.6, { device: "d2" });
  await life.clock.advance(90_000);
  await life.send(30, { device: "d3" });
  await life.send(30.5, { device: "d3" });
  expect(life.filter.status()).toMatchObject({ series: 2, beyond: 2 });
  const devices = (await records(life)).flatMap(([key, value]) =>
    key[1] === 0x73 ? [decodeRecord(value, "a record")["d"]] : [],
  );
  expect(devices.toSorted()).toEqual(["d2", "d3"]);
});

test("beyond the bound of bytes readings of new series pass", async () => {
  const life = await FilterLife.begin([band], { bounds: { bytesMax: 200 } });
  for (let n = 0; n < 10; n++) await life.send(20, { device: `d${n}` });
  const { bytes, beyond } = life.filter.status();
  expect(bytes).toBeLessThan(400);
  expect(beyond).toBeGreaterThan(5);
});

test("a long text is not compared: it passes", async () => {
  const life = await FilterLife.begin([band]);
  const text = "x".repeat(2_000);
  await life.send(text);
  await life.send(text);
  expect(await life.log()).toHaveLength(2);
  expect(life.filter.status()).toMatchObject({ beyond: 2, series: 0 });
});

test("the first filter that selects a reading decides, and what none selects passes", async () => {
  const life = await FilterLife.begin([
    { metrics: ["t*"], devices: ["d1"], pass: true },
    { name: "all", topic: "devices/+/telemetry", metrics: ["*", "!seq"], ...band },
  ]);
  for (const device of ["d1", "d2"])
    for (const metric of ["t", "u", "seq"])
      for (const value of [1, 1]) await life.send(value, { device, metric });
  for (const value of [1, 1]) await life.send(value, { topic: "plant/d1", metric: "u" });
  const counts = new Map<string, number>();
  for (const { device, topic, readings } of await life.log()) {
    const key = `${device} ${readings[0]?.metric}${topic === "plant/d1" ? " elsewhere" : ""}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect(Object.fromEntries(counts)).toEqual({
    ...{ "d1 t": 2, "d1 u": 1, "d1 seq": 2, "d1 u elsewhere": 2 },
    ...{ "d2 t": 1, "d2 u": 1, "d2 seq": 2 },
  });
  expect(life.filter.concerns("plant/d1", "d1" as never)).toBe(false);
  expect(life.filter.concerns("devices/d2/telemetry", "d2" as never)).toBe(true);
});

test("windows of very many devices that end together are closed bit by bit", async () => {
  const life = await FilterLife.begin([{ downsample: { window: "1h", keep: ["last"] } }]);
  for (let n = 0; n < 1_200; n++) await life.send(n, { device: `d${n}` });
  await life.clock.advance(3_600_100);
  expect(await life.log()).toHaveLength(1_200);
});

async function anEvent() {
  const place = { device: null, topic: null, bootMs: 0, observedAt: null };
  return { kind: "system", ...place, name: "x", detail: "" } as const;
}

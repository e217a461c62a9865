/** Goal: of each series what is news is sent, what is not is sent seldom, and with its own time. */
import { expect, test } from "vitest";
import { FilterLife } from "../testing/filter-life.ts";

const band = [{ deadband: { absolute: 1 }, heartbeat: "60s" }];

test("a number passes that differs by more than the deadband from what was sent last (V2)", async () => {
  const life = await FilterLife.begin(band);
  for (const value of [20, 20.6, 21, 21.01, 20.5, 20.01, 20]) await life.send(value);
  expect(await life.told()).toEqual(["t=20", "t=21.01", "t=20"]);
});

test("a decimal step of the band itself is within it", async () => {
  const life = await FilterLife.begin([{ deadband: { absolute: 0.1 } }]);
  for (const value of [20.2, 20.3, 20.1, 20.31]) await life.send(value);
  expect(await life.told()).toEqual(["t=20.2", "t=20.31"]);
});

test("a deadband of nothing lets each change pass; one in percent goes by what was sent last", async () => {
  const change = await FilterLife.begin([{ deadband: { absolute: 0 } }]);
  for (const value of [1, 1, 2, 2, 1]) await change.send(value);
  expect(await change.told()).toEqual(["t=1", "t=2", "t=1"]);
  const percent = await FilterLife.begin([{ deadband: { percent: 10 } }]);
  for (const value of [-100, -109, -111, -101, -99, 0, 0, 0.001]) await percent.send(value);
  expect(await percent.told()).toEqual(["t=-100", "t=-111", "t=-99", "t=0", "t=0.001"]);
});

test("what is held is sent with the time at which it was observed when the heartbeat is due", async () => {
  const life = await FilterLife.begin(band);
  await life.send(20, { at: 1_000_000 });
  await life.clock.advance(10_000);
  await life.send(20.5, { at: 1_010_000 });
  await life.clock.advance(49_000);
  expect(await life.told()).toEqual(["t=20@1000000"]);
  await life.clock.advance(2_000);
  expect(await life.told()).toEqual(["t=20@1000000", "t=20.5@1010000"]);
});

test("a device that is silent stays silent, whatever the heartbeat", async () => {
  const life = await FilterLife.begin(band);
  await life.send(20);
  await life.clock.advance(3_600_000);
  expect(await life.told()).toEqual(["t=20"]);
});

test("a reading that comes when the heartbeat is due goes in place of the one that was held", async () => {
  const life = await FilterLife.begin(band);
  await life.send(20, { at: 0 });
  await life.send(20.1, { at: 30_000 });
  await life.send(20.2, { at: 60_000 });
  expect(await life.told()).toEqual(["t=20@0", "t=20.2@60000"]);
  expect(life.filter.status()).toMatchObject({ suppressed: 1, held: 0 });
});

test("with the heartbeat off, what stays within the band is never sent", async () => {
  const life = await FilterLife.begin([{ deadband: { absolute: 1 }, heartbeat: "off" }]);
  for (let count = 0; count < 10; count++) {
    await life.send(20);
    await life.clock.advance(3_600_000);
  }
  expect(await life.told()).toEqual(["t=20"]);
  expect(life.filter.status()).toMatchObject({ suppressed: 9, held: 0 });
});

test.each(["60s", "off"])(
  "the reading before the step is sent where that is wanted, with the heartbeat %s",
  async (heartbeat) => {
    const way = { deadband: { absolute: 1, previous: true }, heartbeat };
    const life = await FilterLife.begin([way]);
    for (const [at, value] of [20, 20.1, 20.2, 25, 25.1, 30, 35].entries())
      await life.send(value, { at });
    const wanted = ["t=20@0", "t=20.2@2", "t=25@3", "t=25.1@4", "t=30@5", "t=35@6"];
    expect(await life.told()).toEqual(wanted);
    expect(life.filter.status()).toMatchObject({ suppressed: 1, held: 0 });
  },
);

test("where no time is known of a device, a gateway that is dated tells its own", async () => {
  const life = await FilterLife.begin(band);
  await life.outbox.fixBootOffset(life.clock.bootId, 5_000_000);
  await life.send(20);
  await life.clock.advance(10_000);
  await life.send(20.5);
  await life.clock.advance(60_000);
  expect(await life.told()).toEqual(["t=20", "t=20.5@5010000"]);
});

test.each([
  { deadband: { absolute: 1 } },
  { rateLimit: { every: "1h" } },
  { downsample: { window: "1h" } },
])(
  "another quality, unit or type passes, and a text or yes or no that changed, with %j (V1)",
  async (way) => {
    const life = await FilterLife.begin([way]);
    await life.send("off");
    await life.send("off");
    await life.send("on");
    await life.send(true);
    await life.send(true);
    await life.send(false);
    await life.send(null, { quality: "bad" });
    await life.send(null, { quality: "bad" });
    await life.send(7);
    await life.send(7, { quality: "uncertain" });
    await life.send(7, { quality: "uncertain", unit: "V" });
    const wanted = ["off", "on", true, false, null, 7, 7, 7];
    expect(await life.told()).toEqual(wanted.map((value) => `t=${value}`));
  },
);

test("within the rate limit the newest is held, and sent when it is over (V3)", async () => {
  const life = await FilterLife.begin([{ rateLimit: { every: "10s" } }]);
  for (const value of [1, 2, 3, 4]) {
    await life.send(value);
    await life.clock.advance(1_000);
  }
  expect(await life.told()).toEqual(["t=1"]);
  await life.clock.advance(7_000);
  expect(await life.told()).toEqual(["t=1", "t=4"]);
  expect(life.filter.status().filters).toEqual([
    { name: "1", passed: 1, suppressed: { deadband: 0, rate: 2, downsample: 0 } },
  ]);
  await life.clock.advance(10_000);
  await life.send(5);
  expect(await life.told()).toEqual(["t=1", "t=4", "t=5"]);
});

test("readings of one message are limited by the device's own times, also where they go back (V6)", async () => {
  const life = await FilterLife.begin([{ rateLimit: { every: "10s" } }]);
  for (let at = 100_000; at <= 125_000; at += 1_000) await life.send(at, { at });
  await life.send(1, { at: 50_000 });
  await life.send(2, { at: 51_000 });
  expect(await life.told()).toEqual([
    ...["t=100000@100000", "t=110000@110000", "t=120000@120000", "t=1@50000"],
  ]);
});

test("a deadband and a rate limit: what is within the band is no news when the limit is over", async () => {
  const way = { deadband: { absolute: 1 }, rateLimit: { every: "10s" }, heartbeat: "60s" };
  const life = await FilterLife.begin([way]);
  await life.send(20);
  await life.send(25);
  await life.send(20.5);
  await life.clock.advance(30_000);
  expect(await life.told()).toEqual(["t=20"]);
  await life.send(26);
  await life.send(28);
  await life.clock.advance(11_000);
  expect(await life.told()).toEqual(["t=20", "t=26", "t=28"]);
});

const all = ["first", "last", "min", "max", "mean", "count"];
const sampled = [{ downsample: { window: "10s", keep: all } }];

test("a window is told by its figures, each with its own time (V4)", async () => {
  const life = await FilterLife.begin(sampled);
  for (const [at, value] of [
    [20_000, 5],
    [23_000, 9],
    [26_000, 1],
    [29_999, 5],
    [30_000, 7],
  ] as const)
    await life.send(value, { at, unit: "V" });
  const [event, ...others] = await life.log();
  expect(others).toEqual([]);
  const like = { unit: "V", quality: "good" };
  expect(event).toMatchObject({ device: "d1", topic: "devices/d1/telemetry", observedAt: null });
  expect(event?.readings).toEqual([
    { metric: "t.first", value: 5, ...like, observedAt: 20_000 },
    { metric: "t", value: 5, ...like, observedAt: 29_999 },
    { metric: "t.min", value: 1, ...like, observedAt: 26_000 },
    { metric: "t.max", value: 9, ...like, observedAt: 23_000 },
    { metric: "t.mean", value: 5, ...like, observedAt: 20_000 },
    { metric: "t.count", value: 4, quality: "good", observedAt: 20_000 },
  ]);
  expect(life.filter.status()).toMatchObject({ suppressed: 3, held: 1 });
});

test("a window is closed when it is over though nothing more comes", async () => {
  const life = await FilterLife.begin([{ downsample: { window: "10s", keep: ["mean", "last"] } }]);
  await life.clock.advance(24_000);
  await life.send(1);
  await life.send(2);
  await life.clock.advance(5_900);
  expect(await life.told()).toEqual([]);
  await life.clock.advance(300);
  expect(await life.told()).toEqual(["t.mean=1.5", "t=2"]);
  await life.send(4, { device: "d2", at: 1_000_009_000 });
  await life.clock.advance(5_900);
  expect(await life.told()).toHaveLength(2);
  await life.clock.advance(300);
  expect(await life.told()).toEqual(["t.mean=1.5", "t=2", "t.mean=4@1000000000", "t=4@1000009000"]);
});

test("what comes late, for a window before the open one, passes as it is", async () => {
  const life = await FilterLife.begin(sampled);
  await life.send(1, { at: 20_000 });
  await life.send(2, { at: 12_000 });
  await life.send(3, { at: 21_000 });
  expect(await life.told()).toEqual(["t=2@12000"]);
  expect(life.filter.status().held).toBe(2);
});

test("a device's clock that jumps ahead and is set right holds its windows up for one window", async () => {
  const life = await FilterLife.begin([{ downsample: { window: "10s", keep: ["last"] } }]);
  const yearMs = 31_536_000_000;
  await life.send(1, { at: yearMs + 1_000 });
  const sent: string[] = [];
  for (let at = 2_000; at <= 40_000; at += 2_000) {
    await life.clock.advance(2_000);
    await life.send(at, { at });
    if (at <= 12_000) sent.push(`t=${at}@${at}`);
  }
  const told = await life.told();
  expect(told.slice(0, 7)).toEqual([...sent, `t=1@${yearMs + 1_000}`]);
  expect(told.slice(7)).toEqual(["t=18000@18000", "t=28000@28000", "t=38000@38000"]);
});

test("a gateway that is dated within a window closes it, and begins one by real time", async () => {
  const life = await FilterLife.begin([{ downsample: { window: "10s", keep: ["count"] } }]);
  await life.clock.advance(21_000);
  await life.send(1);
  await life.outbox.fixBootOffset(life.clock.bootId, 1_000_005_000);
  await life.send(2);
  await life.clock.advance(10_000);
  expect(await life.told()).toEqual(["t.count=1@1000025000", "t.count=1@1000020000"]);
});

test("the mean of the largest numbers is a number", async () => {
  const life = await FilterLife.begin([{ downsample: { window: "10s", keep: ["mean"] } }]);
  for (const value of [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MAX_VALUE])
    await life.send(value);
  await life.clock.advance(11_000);
  const [event] = await life.log();
  const mean = event?.readings[0]?.value as number;
  expect(Number.isFinite(mean)).toBe(true);
});

// Goal: rates are told from two counts, and are never further off than what the older span says.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { Activity, Recent } from "./activity.ts";

test("what came steadily is told as it was, whenever somebody asks", () => {
  const recent = new Recent(60_000);
  for (let nowMs = 500; nowMs < 600_000; nowMs += 1_000) {
    recent.count(nowMs);
    if (nowMs > 120_000) expect(recent.within(nowMs)).toBeGreaterThanOrEqual(59);
    if (nowMs > 120_000) expect(recent.within(nowMs)).toBeLessThanOrEqual(61);
  }
});

test("what is over is forgotten after two spans, also where nobody asked meanwhile", () => {
  const recent = new Recent(60_000);
  for (let n = 0; n < 100; n++) recent.count(30_000);
  expect(recent.within(30_000)).toBe(100);
  expect(recent.within(90_000)).toBe(50);
  expect(recent.within(120_000)).toBe(0);
  recent.count(10_000_000);
  expect(recent.within(10_000_000)).toBe(1);
});

test("never more is told than came within two spans, nor less than within the last that ended", () => {
  const random = seededRandom("activity");
  const recent = new Recent(1_000);
  const times: number[] = [];
  let nowMs = 0;
  for (let n = 0; n < 5_000; n++) {
    nowMs += random.next() < 0.01 ? 3_000 * random.next() : 20 * random.next();
    recent.count(nowMs);
    times.push(nowMs);
    const within = (ms: number) => times.filter((time) => time > nowMs - ms).length;
    const spanBegan = Math.floor(nowMs / 1_000) * 1_000;
    expect(recent.within(nowMs)).toBeLessThanOrEqual(within(2_000));
    expect(recent.within(nowMs)).toBeGreaterThanOrEqual(
      times.filter((time) => time >= spanBegan).length,
    );
  }
});

test("sizes are told as last, mean and largest", () => {
  const activity = new Activity(0);
  for (const bytes of [10, 30, 20]) activity.count(bytes, 1_000);
  expect(activity.view(1_000)).toEqual({
    ...{ messages: 3, refused: 0, lastMinute: 3, lastHour: 3 },
    bytes: { last: 20, mean: 20, max: 30 },
  });
});

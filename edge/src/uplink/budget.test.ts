/**
 * Goal: no day is overspent, over restarts and power cuts too; live has the first right, history what is left in its
 * hours, and alarms always go.
 */

import { spansOf } from "@causeway/shared/hours.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { BudgetSettings, DayUse } from "./budget.ts";
import { Budget, noUse, priorityShare, telemetryShare } from "./budget.ts";
import type { UplinkLane } from "./lane.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const midnight = Date.parse("2026-05-05T00:00:00Z");
const batchBytes = 64 * 1_024;
/** Of what is on the disk. */
const wireShare = 0.25;

/** A gateway that sends whenever its budget lets it; time since the boot is real time here. */
class Spender {
  readonly settings: BudgetSettings;
  budget: Budget;
  nowMs: number;
  kept: DayUse;
  notices: string[] = [];
  readonly sent: { at: number; lane: UplinkLane; bytes: number }[] = [];
  isTimeKnown = true;

  constructor(settings: Partial<BudgetSettings>, nowMs = midnight, kept = noUse) {
    this.settings = { zone: "UTC", ...settings };
    this.nowMs = nowMs;
    this.kept = kept;
    this.budget = this.#open();
  }

  #open(): Budget {
    const presentMs = (nowMs: number) => (this.isTimeKnown ? nowMs : undefined);
    return new Budget({ settings: this.settings, use: this.kept, presentMs }, batchBytes);
  }

  /** As after a power cut. */
  restart(): void {
    this.budget = this.#open();
  }

  isFree(name: UplinkLane): boolean {
    return this.budget.freeAtMs({ name, batchBytes }, this.nowMs) <= this.nowMs;
  }

  /** Bytes of the disk that were sent. */
  send(name: UplinkLane, bytesMax: number): number {
    if (!this.isFree(name)) return 0;
    const bytes = Math.min(bytesMax, this.budget.bytesAtOnce({ name, batchBytes }, this.nowMs));
    this.budget.reserve(bytes, this.nowMs);
    this.budget.spend(name, bytes * wireShare, bytes, this.nowMs);
    this.sent.push({ at: this.nowMs, lane: name, bytes: bytes * wireShare });
    this.#keep();
    return bytes;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.#keep();
  }

  #keep(): void {
    for (const order of this.budget.orders(this.nowMs)) {
      if (order.kind === "keep-use") this.kept = order.use;
      else this.notices.push(order.detail);
    }
  }

  bytes(lane: UplinkLane | undefined, from: number, to: number): number {
    return this.sent
      .filter((one) => one.at >= from && one.at < to && (lane ?? one.lane) === one.lane)
      .reduce((sum, one) => sum + one.bytes, 0);
  }
}

const bytesPerDay = 2_000_000;

/** Three days of live data, a backlog without end, alarms now and then, and restarts. */
function threeDays(random: Random, settings: Partial<BudgetSettings>, livePerMinute: number) {
  const spender = new Spender(
    { bytesPerDay, ...settings },
    midnight + Math.floor(random.next() * dayMs),
  );
  let [live, made] = [0, 0];
  const firstMidnight = midnight + dayMs;
  for (let minute = 0; minute < 3 * 24 * 60; minute++) {
    live += livePerMinute;
    made += livePerMinute;
    spender.budget.appended(livePerMinute, spender.nowMs);
    if (random.next() < 0.003) spender.restart();
    if (random.next() < 0.1) spender.send("priority", 1_000);
    live -= spender.send("live", live);
    while (spender.send("history", batchBytes) > 0) {
      if (random.next() < 0.003) spender.restart();
    }
    spender.pass(minuteMs);
  }
  return { spender, live, made, firstMidnight };
}

test("over three days with restarts no day is overspent, live never waits, and history has the rest", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(`days ${seed}`);
    const { spender, live, firstMidnight } = threeDays(random, {}, 2_000);
    expect(live, `live waits, seed ${seed}`).toBe(0);
    for (const from of [firstMidnight - dayMs, firstMidnight, firstMidnight + dayMs]) {
      const telemetry =
        spender.bytes("live", from, from + dayMs) + spender.bytes("history", from, from + dayMs);
      expect(telemetry).toBeLessThanOrEqual(bytesPerDay * telemetryShare + batchBytes);
      expect(spender.bytes(undefined, from, from + dayMs)).toBeLessThan(bytesPerDay);
    }
    const whole = spender.bytes(undefined, firstMidnight, firstMidnight + dayMs);
    expect(whole, `a whole day is used, seed ${seed}`).toBeGreaterThan(0.6 * bytesPerDay);
    expect(spender.notices, `seed ${seed}`).toEqual([]);
  }
});

test("history goes in its hours alone", () => {
  const hours = { spans: spansOf("22:00-06:00") ?? [], zone: "Europe/Berlin" };
  const { spender, live } = threeDays(seededRandom("hours"), { hours }, 2_000);
  expect(live).toBe(0);
  const history = spender.sent.filter(({ lane }) => lane === "history");
  expect(history.length).toBeGreaterThan(10);
  for (const { at } of history) {
    const hour = new Date(at + 2 * 3_600_000).getUTCHours();
    expect(hour >= 22 || hour < 6, new Date(at).toISOString()).toBe(true);
  }
});

test("what live alone uses up is told once a day; alarms go on, to their own bound", () => {
  const { spender, live, firstMidnight } = threeDays(seededRandom("much"), {}, 20_000);
  expect(live, "live waits").toBeGreaterThan(0);
  expect(spender.notices.length).toBeGreaterThanOrEqual(2);
  expect(spender.notices.length).toBeLessThanOrEqual(4);
  expect(spender.notices[0]).toMatch(/^the day's 2 MB are used up.*until midnight \(UTC\)$/);
  const whole = spender.bytes(undefined, firstMidnight, firstMidnight + dayMs);
  expect(whole).toBeGreaterThan(bytesPerDay * 0.85);
  const late = spender.bytes("priority", firstMidnight + 0.8 * dayMs, firstMidnight + dayMs);
  expect(late, "alarms of the evening").toBeGreaterThan(0);
  for (let step = 0; step < 20_000; step++) spender.send("priority", 1_000);
  const used = spender.budget.status(spender.nowMs).day?.usedBytes ?? 0;
  expect(used).toBeLessThan(bytesPerDay * priorityShare + 1_000);
  expect(used).toBeGreaterThan(bytesPerDay * priorityShare - 1_000);
  expect(spender.isFree("priority")).toBe(false);
  spender.pass(dayMs);
  expect((["priority", "live"] as const).map((lane) => spender.isFree(lane))).toEqual([true, true]);
});

test("a clock that goes back gives no day anew, and one that was years ahead holds nobody", () => {
  const spender = new Spender({ bytesPerDay });
  while (spender.send("live", batchBytes) > 0);
  spender.nowMs -= dayMs;
  spender.restart();
  spender.pass(0);
  expect(spender.isFree("live")).toBe(false);
  spender.nowMs += dayMs;
  spender.restart();
  expect(spender.isFree("live")).toBe(false);
  spender.nowMs += 3_650 * dayMs;
  spender.pass(0);
  expect(spender.isFree("live")).toBe(true);
  while (spender.send("live", batchBytes) > 0);
  spender.nowMs -= 3_650 * dayMs;
  spender.restart();
  spender.pass(0);
  expect(spender.isFree("live"), "it keeps what it used").toBe(false);
  spender.nowMs += dayMs;
  expect(spender.isFree("live")).toBe(true);
});

test("while nobody knows the time no hours begin, and the day goes on", () => {
  const hours = { spans: spansOf("00:00-24:00") ?? [], zone: "UTC" };
  const spender = new Spender({ hours });
  expect(spender.isFree("history")).toBe(true);
  spender.isTimeKnown = false;
  spender.restart();
  expect([spender.isFree("history"), spender.isFree("live")]).toEqual([false, true]);
  const used = new Spender({ bytesPerDay });
  while (used.send("live", batchBytes) > 0);
  used.isTimeKnown = false;
  used.restart();
  used.pass(2 * dayMs);
  expect(used.isFree("live")).toBe(false);
  expect(used.budget.status(used.nowMs).holds.live).toEqual({
    ...{ why: "day", until: undefined, waitsMs: undefined },
  });
});

test("the lower of the cloud's cap and of the gateway's own bound is kept", () => {
  const carried = (own: number | undefined, cap: number | undefined) => {
    const spender = new Spender({ bytesPerSecond: own });
    spender.budget.cap(cap, spender.nowMs);
    while (spender.send("live", batchBytes) > 0);
    const before = spender.bytes("live", 0, Number.POSITIVE_INFINITY);
    for (let second = 0; second < 1_000; second++) {
      spender.pass(1_000);
      while (spender.send("live", 4_096) > 0);
    }
    return (spender.bytes("live", 0, Number.POSITIVE_INFINITY) - before) / 1_000;
  };
  for (const [own, cap] of [
    [1_000, undefined],
    [1_000, 5_000],
    [5_000, 1_000],
  ]) {
    expect(carried(own, cap)).toBeGreaterThan(900);
    expect(carried(own, cap)).toBeLessThan(1_100);
  }
});

test("the time to drain counts days and hours that are still to come", () => {
  const hours = { spans: spansOf("22:00-06:00") ?? [], zone: "UTC" };
  const hourMs = 3_600_000;
  const drain = (
    settings: Partial<BudgetSettings>,
    wireBytes: number,
    at = midnight + 12 * hourMs,
  ) => {
    const spender = new Spender(settings, at);
    // By what it has sent it knows that a byte on the disk is a quarter on the wire.
    for (let batch = 0; batch < 100; batch++) spender.budget.spend("live", 0.25, 1, at);
    return spender.budget.drainMs(wireBytes / wireShare, at);
  };
  const near = (ms: number) => expect.closeTo(ms, -4);
  expect(drain({}, 1e9)).toBe(0);
  expect(drain({ bytesPerSecond: 1_000 }, 3_600_000)).toEqual(near(hourMs));
  expect(drain({ hours, bytesPerSecond: 1_000 }, 3_600_000)).toEqual(near(11 * hourMs));
  expect(drain({ hours, bytesPerSecond: 1_000 }, 9 * 3_600_000)).toEqual(near(35 * hourMs));
  const tenDays = drain({ bytesPerDay: 1_000_000 }, 10 * 900_000);
  expect(tenDays).toBeGreaterThan(9 * dayMs - 12 * hourMs - 1);
  expect(tenDays).toBeLessThan(10 * dayMs);
  expect(drain({ bytesPerDay: 1_000_000 }, 1e9), "nobody plans for years").toBeUndefined();
});

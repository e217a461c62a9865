// The goal: a device is called quiet, offline or retired only where that is known, and silence of its
// gateway is never laid to a device's charge.
import type { Event } from "@causeway/shared/event.ts";
import { expect, test } from "vitest";
import { event, readings, taken } from "../views/testing/taken.ts";
import { DeviceRow } from "./device-row.ts";
import type { Surroundings } from "./device-state.ts";
import { quietAfterMs, ratePerMinute, standingOf } from "./device-state.ts";

const second = 1_000;
const minute = 60 * second;

function heard(at: readonly number[], of: () => Event = () => readings("d", { x: 1 })): DeviceRow {
  const row = new DeviceRow("d", at[0] ?? 0);
  for (const receivedAt of at) row.take(taken({ receivedAt, event: of() }), receivedAt);
  return row;
}

function every(ms: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => index * ms);
}

function around(liveAt: number, over: Partial<Surroundings> = {}): Surroundings {
  const usual = { storedAt: liveAt, resumedAt: 0, now: liveAt, silentAfterMs: 3 * minute };
  return { ...usual, liveAt, retiredAt: undefined, ...over };
}

function presence(row: DeviceRow, online: boolean, reason: string, receivedAt: number): void {
  const told = event({ kind: "presence", device: "d", online, reason });
  row.take(taken({ receivedAt, event: told, log: "priority" }), receivedAt);
}

test.each([
  ["each minute", every(minute, 30), 3 * minute],
  ["each 5 s", every(5 * second, 100), minute],
  ["ten a second", every(100, 1_000), minute],
  [
    "20 topics at once each 10 min",
    every(10 * minute, 20).flatMap((at) => every(20, 20).map((ms) => at + ms)),
    30 * minute,
  ],
])("a device that is heard of %s is quiet after a while", (_, at, expected) => {
  const after = quietAfterMs(heard(at)) ?? Number.NaN;
  expect(after / expected).toBeGreaterThan(0.95);
  expect(after / expected).toBeLessThan(1.3);
});

test("a device that speaks when it has something to say is not quiet at its usual pauses", () => {
  const row = heard([
    0,
    2 * minute,
    3 * minute,
    45 * minute,
    46 * minute,
    80 * minute,
    81 * minute,
  ]);
  expect(standingOf(row, around(130 * minute)).state).toBe("online");
});

test("before an interval is known nobody is quiet", () => {
  expect(standingOf(heard(every(second, 4)), around(1_000 * minute)).state).toBe("online");
});

test("time passes for a device with its gateway, and not while that has no link", () => {
  const row = heard(every(minute, 30));
  const last = 29 * minute;
  expect(standingOf(row, around(last + 2 * minute)).state).toBe("online");
  expect(standingOf(row, around(last + 4 * minute))).toMatchObject({ state: "quiet", since: last });
  const silent = { now: last + 60 * minute, storedAt: last };
  expect(standingOf(row, around(last, silent))).toMatchObject({ state: "unknown", since: last });
  const back = last + 60 * minute;
  expect(standingOf(row, around(back + minute, { resumedAt: back })).state).toBe("online");
  expect(standingOf(row, around(back + 4 * minute, { resumedAt: back })).state).toBe("quiet");
});

test("offline is what was said, until the device is heard of after it", () => {
  const row = heard(every(minute, 10));
  presence(row, false, "will", 9 * minute + 1);
  const standing = standingOf(row, around(10 * minute));
  expect(standing).toEqual({ state: "offline", reason: "will", since: 9 * minute + 1 });
  row.take(taken({ receivedAt: 10 * minute }), 10 * minute);
  expect(standingOf(row, around(10 * minute)).state).toBe("online");
  presence(row, true, "connected", 10 * minute + 1);
  expect(standingOf(row, around(10 * minute))).toMatchObject({ since: 10 * minute + 1 });
});

test("what comes late of a retired device, or by a clock that is ahead, is no sign of life", () => {
  const row = heard([minute]);
  const retired = { retiredAt: 2 * minute };
  row.take(taken({ receivedAt: 90 * minute, late: true }), 3 * minute);
  expect(standingOf(row, around(90 * minute, retired)).state).toBe("retired");
  row.take(taken({ receivedAt: 91 * minute }), 4 * minute);
  expect(standingOf(row, around(91 * minute, retired)).state).toBe("online");
});

test("a retired device is retired until it is heard of again", () => {
  const row = heard(every(minute, 10));
  const retired = { retiredAt: 9 * minute + 1 };
  expect(standingOf(row, around(60 * minute, retired)).state).toBe("retired");
  presence(row, false, "lost", 10 * minute);
  expect(standingOf(row, around(60 * minute, retired)).state).toBe("retired");
  row.take(taken({ receivedAt: 60 * minute }), 60 * minute);
  expect(standingOf(row, around(60 * minute, retired)).state).toBe("online");
});

test("the rate is that of late, from the first minutes on, and fades", () => {
  expect(ratePerMinute(heard(every(10 * second, 60)), 10 * minute)).toBeCloseTo(6, 0);
  expect(ratePerMinute(heard(every(10 * second, 12)), 2 * minute)).toBeCloseTo(6, 0);
  expect(ratePerMinute(heard(every(10 * second, 600)), 100 * minute)).toBeCloseTo(6, 0);
  expect(ratePerMinute(heard(every(10 * second, 600)), 200 * minute)).toBeLessThan(0.1);
});

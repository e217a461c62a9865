import type { Event } from "@causeway/shared/event.ts";
import { expect, test } from "vitest";
import type { TakenEvent } from "../ingest/fold.ts";
import { lossOf, rowsOf } from "./history-rows.ts";

const received = Date.UTC(2026, 10, 20);
const day = 86_400_000;

function taken(event: Partial<Event>, over: Partial<TakenEvent> = {}): TakenEvent {
  const common = { device: "d1", topic: null, bootMs: 5_000, observedAt: null };
  return {
    ...{ id: "g1/1-00000001/telemetry/4", gateway: "g1", lane: "live", epoch: "1-00000001" },
    ...{ log: "telemetry", position: 4, receivedAt: received, timeQuality: "synchronised" },
    ...{ late: false, effect: true },
    event: { ...common, ...event },
    ...over,
  } as TakenEvent;
}

function reading(observedAt: number | null, over: Partial<TakenEvent> = {}) {
  const readings = [{ metric: "m", value: 1, quality: "good" }];
  return rowsOf(taken({ kind: "reading", observedAt, readings } as Partial<Event>, over))[0];
}

test("a reading has its place by when it was observed, where both clocks can be believed", () => {
  const placed = (at: number | null, over = {}) => reading(at, over)?.time;
  expect(placed(received - 3 * day)).toBe(received - 3 * day);
  expect(placed(Date.UTC(2014, 1, 1))).toBe(Date.UTC(2014, 1, 1));
  expect(placed(null)).toBe(received);
  expect(placed(0)).toBe(received);
  expect(placed(received + day)).toBe(received + day);
  expect(placed(received + day + 1)).toBe(received);
  expect(placed(received - 1, { timeQuality: "unsynchronised" })).toBe(received);
});

test("what the device said stays as it was, wherever its reading stands", () => {
  expect(reading(0)).toMatchObject({ observedAt: 0, receivedAt: received, time: received });
});

test("a reading's own time goes before its event's", () => {
  const readings = [
    { metric: "a", value: 1, quality: "good", observedAt: received - 5 },
    { metric: "b", value: "on", quality: "good", unit: "Cel" },
  ];
  const event = { kind: "reading", observedAt: received - 9, readings };
  expect(
    rowsOf(taken(event as never)).map(({ metric, time, unit }) => [metric, time, unit]),
  ).toEqual([
    ["a", received - 5, ""],
    ["b", received - 9, "Cel"],
  ]);
});

test("a thinned window stands where it begins, by the gateway's boot or the device's clock", () => {
  const windows = [[2, 6, 6, "off", null, null, null]];
  const series = (["boot", "observed"] as const).map((time) => {
    return { device: null, metric: time, time, windows };
  });
  const event = { kind: "rollup", to: 9, windowMs: 1_000, series } as unknown as Partial<Event>;
  const [boot, observed] = rowsOf(taken(event));
  expect(boot).toMatchObject({ time: received - 5_000 + 2_000, device: "", quality: "bad" });
  expect(boot).toMatchObject({ value: "off", observedAt: null, window: { count: 6, last: "off" } });
  expect(observed).toMatchObject({ time: received, observedAt: 2_000 });
});

test("a loss names its positions, and what an engine that went back had is told as such", () => {
  const loss = { kind: "loss", to: 9, reason: "not-kept", count: 6 } as Partial<Event>;
  const stretch = { gateway: "g1", epoch: "1-00000001", log: "telemetry", from: 4, to: 9 };
  expect(lossOf(taken(loss))).toEqual({ ...stretch, reason: "rollback", at: received });
  expect(rowsOf(taken(loss))).toEqual([]);
  expect(lossOf(taken({ kind: "system", name: "started" } as Partial<Event>))).toBeUndefined();
});

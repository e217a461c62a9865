// What the stream tells becomes what is shown, whatever is repeated, late, or of another start.
import { expect, test } from "vitest";
import type { Alert, SeriesUpdate } from "./api-types.ts";
import type { Topic } from "./fleet.ts";
import { Fleet } from "./fleet.ts";

const facts = { now: 1_000, version: "1", ready: true, reasons: [] };
const update = (version: number, value: number, more: Partial<SeriesUpdate> = {}) => ({
  ...{ version, gateway: "g", device: "d", metric: "m", value, quality: "good" as const },
  ...{ observedAt: null, receivedAt: version, timeQuality: "synchronised", late: false },
  ...more,
});
const alert = (id: string, more: Partial<Alert> = {}): Alert => ({
  ...{ id, state: "firing", fingerprint: "f", rule: "r", severity: "warning", gateway: "g" },
  ...{ device: "d", metric: "m", firingAt: 1, value: 1, reason: "", late: false },
  ...more,
});

function opened(resumed = false) {
  const told: Topic[] = [];
  const fleet = new Fleet((topics) => told.push(...topics));
  fleet.apply("hello", { ...facts, resumed }, 0);
  const series = () => fleet.devices.get("g\nd")?.series.get("m");
  return { fleet, told, series };
}

test("a series grows by each newer value, and an older one changes nothing", () => {
  const { fleet, series } = opened();
  fleet.apply("latest", [update(1, 10, { recent: [8, 9, 10] }), update(2, 11)], 0);
  fleet.apply("latest", [update(1, 10)], 0);
  expect(series()?.recent).toEqual([8, 9, 10, 11]);
  expect(series()?.update.value).toBe(11);
});

test("after a start of the cloud lower versions are new ones, and what is known stays", () => {
  const { fleet, series } = opened();
  fleet.apply("latest", [update(900, 10)], 0);
  fleet.apply("hello", { ...facts, resumed: true }, 0);
  fleet.apply("latest", [update(3, 11)], 0);
  expect(series()?.recent).toEqual([10, 11]);
});

test("what does not resume is forgotten before more is taken", () => {
  const { fleet, series } = opened();
  fleet.apply("latest", [update(1, 10), update(2, 1, { device: "gone" })], 0);
  fleet.apply("hello", { ...facts, resumed: false }, 0);
  fleet.apply("latest", [update(1, 12)], 0);
  expect(series()?.recent).toEqual([12]);
  expect([...fleet.devices.keys()]).toEqual(["g\nd"]);
});

test("an alert that was resolved does not fire again by an old word, nor stay after a new list", () => {
  const { fleet } = opened();
  fleet.apply("alert", alert("a"), 0);
  fleet.apply("alert", alert("a", { state: "resolved", at: 5 }), 0);
  fleet.apply("alert", alert("a"), 0);
  expect([fleet.firing().length, fleet.resolved().length]).toEqual([0, 1]);
  fleet.apply("alert", alert("b"), 0);
  fleet.apply("alerts", { open: [alert("c")], recent: [] }, 0);
  expect(fleet.firing().map(({ id }) => id)).toEqual(["c"]);
});

test("the gravest alert comes first, and marks its device and its metric", () => {
  const { fleet } = opened();
  fleet.apply("alert", alert("w"), 0);
  fleet.apply("alert", alert("c", { severity: "critical", metric: "n" }), 0);
  expect(fleet.firing().map(({ id }) => id)).toEqual(["c", "w"]);
  expect(fleet.severityAt("g", "d")).toBe("critical");
  expect(fleet.severityAt("g", "d", "m")).toBe("warning");
  expect(fleet.severityAt("g", "other")).toBeUndefined();
});

test("the rate is that of readings between two frames, however fast they follow", () => {
  const { fleet } = opened();
  const counters = (now: number, readings: number) =>
    fleet.apply("counters", { ...facts, now, counters: { readings } as never }, 0);
  counters(1_000, 100);
  counters(1_100, 200);
  counters(3_000, 300);
  expect(fleet.rates).toEqual([100]);
});

test("those who look at alerts are not told of values", () => {
  const { fleet, told } = opened();
  told.length = 0;
  fleet.apply("latest", [update(1, 10)], 0);
  fleet.apply("latest", [update(2, 10)], 0);
  expect(told).toEqual(["values", "series", "values"]);
});

// The view shows the newest of everything, never goes back, and never grows beyond its bounds.

import {
  DeviceBook,
  encodeFacts,
  factsKey,
  factsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { expect, test } from "vitest";
import { defaultViewBounds, FleetView } from "./fleet-view.ts";
import { event, heartbeat, readings, taken } from "./testing/taken.ts";

const only = (view: FleetView) => view.latestSeries(1)[0];
const withValue = (value: number) => readings("freezer-1", { temperature: value });

test("events and readings are counted, gateways and series shown", () => {
  const view = new FleetView();
  view.apply(taken({ event: readings("freezer-1", { temperature: -18, door: false }) }));
  view.apply(taken({ position: 2, receivedAt: 2_000 }));
  expect(view.counters()).toMatchObject({ events: 2, readings: 3, gateways: 1, series: 2 });
  expect(view.gateways(10)).toMatchObject([{ gateway: "gw-1", events: 2, receivedAt: 2_000 }]);
  expect(only(view)).toMatchObject({ metric: "temperature", value: -18, recent: [-18, -18] });
});

test("quarantined events, losses and late ones are counted", () => {
  const view = new FleetView();
  const nothing = { reason: "not-json", detail: "", payload: "", bytes: 0 };
  view.apply(taken({ event: event({ kind: "quarantined", ...nothing }) }));
  const loss = event({ kind: "loss", to: 9, reason: "full", count: 8 });
  view.apply(taken({ position: 2, event: loss, late: true }));
  expect(view.counters()).toMatchObject({ quarantined: 1, lost: 8, late: 1 });
});

test("a message that brought nothing new is a repeat, one that came too early a doubt", () => {
  const view = new FleetView();
  const source = { partition: 1, gateway: gatewayId("gw-1"), lane: "live" as const };
  const empty = { source, taken: [], dead: [], doubt: undefined };
  view.applyFolded(empty, 1);
  const doubt = { epoch: "1-00000001", log: "telemetry" as const, expected: 1, nonce: "" };
  view.applyFolded({ ...empty, doubt: { ...doubt, kind: "expected", reason: "" } }, 1);
  view.applyFolded({ ...empty, taken: [taken()] }, 7_000);
  expect(view.counters()).toMatchObject({ repeats: 1, doubts: 1, events: 1 });
  expect(view.gateways(1)).toMatchObject([{ storedAt: 7_000 }]);
});

test("history that comes after live does not overwrite what is newer", () => {
  const view = new FleetView();
  view.apply(taken({ epoch: "2-00000002", receivedAt: 9_000, event: withValue(2) }));
  view.apply(taken({ lane: "history", late: true, receivedAt: 5_000, event: withValue(1) }));
  expect(only(view)).toMatchObject({ value: 2, late: false, recent: [2] });
  expect(view.gateways(1)).toMatchObject([{ epoch: "2-00000002", receivedAt: 9_000 }]);
});

test("history is shown where nothing newer is known", () => {
  const view = new FleetView();
  view.apply(taken({ receivedAt: 1_000, event: withValue(0) }));
  view.apply(
    taken({ position: 2, lane: "history", late: true, receivedAt: 5_000, event: withValue(1) }),
  );
  expect(only(view)).toMatchObject({ value: 1, late: true });
});

test("late events without a clock overwrite nothing, since nothing tells their age", () => {
  const view = new FleetView();
  view.apply(taken({ receivedAt: 1_000, event: withValue(2) }));
  const unsynchronised = { timeQuality: "unsynchronised", receivedAt: 9_000 } as const;
  view.apply(taken({ position: 2, late: true, event: withValue(1), ...unsynchronised }));
  expect(only(view)).toMatchObject({ value: 2 });
});

test("a gateway whose clock was ahead and is set right goes on being shown", () => {
  const view = new FleetView();
  view.apply(taken({ receivedAt: 9_000_000, event: withValue(1) }));
  view.apply(taken({ epoch: "2-00000002", receivedAt: 1_000, event: withValue(2) }));
  expect(only(view)).toMatchObject({ value: 2, receivedAt: 1_000 });
});

test("of several values of a metric in one event the last observed is shown", () => {
  const view = new FleetView();
  const at = (observedAt: number, value: number) => {
    return { metric: "level", value, quality: "good", observedAt };
  };
  const list = [at(1, 10), at(3, 30), at(2, 20)];
  view.apply(taken({ event: event({ device: "tank", kind: "reading", readings: list }) }));
  expect(only(view)).toMatchObject({ value: 30, observedAt: 3 });
});

test("at its bound the table gives up the series that was updated longest ago", () => {
  const view = new FleetView({ ...defaultViewBounds, seriesMax: 2 });
  for (const [index, device] of ["a", "b", "a", "c"].entries()) {
    view.apply(taken({ position: index + 1, event: readings(device, { level: index }) }));
  }
  expect(view.latestSeries(9).map(({ device }) => device)).toEqual(["a", "c"]);
  expect(view.counters()).toMatchObject({ series: 2, seriesEvicted: 1 });
});

test("curves and texts are bounded too", () => {
  const view = new FleetView({ ...defaultViewBounds, recentMax: 3, textMax: 8 });
  for (let position = 1; position <= 5; position++) {
    view.apply(taken({ position, event: withValue(position) }));
  }
  view.apply(taken({ position: 6, event: readings("plc", { state: "a very long text" }) }));
  expect(view.latestSeries(2).map(({ recent }) => recent)).toEqual([[3, 4, 5], []]);
  expect(only(view)?.value).toBe("a very …");
});

test("at its bound the list of gateways gives up the one not heard of for longest", () => {
  const view = new FleetView({ ...defaultViewBounds, gatewaysMax: 2 });
  for (const [index, name] of ["one", "two", "one", "three"].entries()) {
    const gateway = gatewayId(name);
    const source = { partition: 1, gateway, lane: "live" as const };
    const own = taken({ gateway, position: index + 1 });
    view.applyFolded({ source, taken: [own], dead: [], doubt: undefined }, index);
  }
  expect(view.gateways(9).map(({ gateway }) => gateway)).toEqual(["three", "one"]);
});

test("a heartbeat tells the gateway's backlog; an older one does not replace it", () => {
  const view = new FleetView();
  const beat = (position: number, receivedAt: number, untakenEvents: number) =>
    view.apply(
      taken({
        position,
        receivedAt,
        lane: "priority",
        log: "priority",
        event: heartbeat({ untakenEvents, outboxBytes: 4_096, takenAgoMs: null }),
      }),
    );
  beat(1, 5_000, 70);
  beat(2, 4_000, 99);
  expect(view.gateways(1)).toMatchObject([
    { heartbeat: { untakenEvents: 70, outboxBytes: 4_096, takenAgoMs: null, receivedAt: 5_000 } },
  ]);
});

test("only what changed after a version is handed out, oldest change first", () => {
  const view = new FleetView();
  view.apply(taken({ event: readings("a", { level: 1 }) }));
  view.apply(taken({ position: 2, event: readings("b", { level: 1 }) }));
  const { version } = view;
  view.apply(taken({ position: 3, event: readings("c", { level: 1 }) }));
  view.apply(taken({ position: 4, event: readings("a", { level: 2 }) }));
  expect(view.seriesSince(version, 9).map(({ device }) => device)).toEqual(["c", "a"]);
  expect(view.seriesSince(version, 1).map(({ device }) => device)).toEqual(["c"]);
  expect(view.seriesSince(view.version, 9)).toEqual([]);
});

test("alerts open and close, and a transition that comes again changes nothing", () => {
  const view = new FleetView();
  view.applyAlert(transition({ id: "one" }));
  view.applyAlert(transition({ id: "two" }));
  view.applyAlert(transition({ id: "one", state: "resolved" }));
  view.applyAlert(transition({ id: "one" }));
  expect(view.alerts().open.map(({ id }) => id)).toEqual(["two"]);
  expect(view.alerts().recent.map(({ id, state }) => `${id} ${state}`)).toEqual([
    "one resolved",
    "two firing",
    "one firing",
  ]);
  expect(view.counters().alertsOpen).toBe(1);
});

test("the list of transitions is bounded, an open alert outlives it", () => {
  const view = new FleetView({ ...defaultViewBounds, transitionsMax: 2 });
  for (const id of ["one", "two", "three"]) view.applyAlert(transition({ id }));
  expect(view.alerts().recent.map(({ id }) => id)).toEqual(["three", "two"]);
  expect(view.alerts().open).toHaveLength(3);
});

test("an emptied view begins a new generation and never gives a version twice", () => {
  const view = new FleetView();
  view.apply(taken());
  const { version, generation } = view;
  view.resetEvents();
  view.apply(taken());
  expect(view.generation).toBe(generation + 1);
  expect(view.version).toBeGreaterThan(version);
  expect(view.counters()).toMatchObject({ events: 1, series: 1 });
});

test("readings of a replacement are shown under the old device, and what is forgotten is not shown", () => {
  const book = new DeviceBook();
  const say = (device: string, request: object, at: number) => {
    const place = { gateway: "gw-1", device };
    const facts = book.after(place, factsRequest({ by: "ann", ...request }), at);
    book.take(factsKey(place), encodeFacts(facts));
  };
  const view = new FleetView(undefined, book);
  const put = (device: string, value: number, receivedAt: number) =>
    view.apply(taken({ receivedAt, position: receivedAt, event: readings(device, { x: value }) }));
  const shown = () => view.latestSeries(9).map(({ device, recent }) => [device, ...recent]);
  put("old", 1, 10);
  put("new", 2, 20);
  say("new", { act: "replaced", old: "old" }, 30);
  put("new", 3, 40);
  expect(shown()).toEqual([
    ["new", 2],
    ["old", 1, 3],
  ]);
  say("new", { act: "forgotten" }, 50);
  expect(shown()).toEqual([["old", 1, 3]]);
  say("", { act: "forgotten" }, 60);
  expect([shown(), view.gateways(9)]).toEqual([[], []]);
  put("old", 4, 70);
  expect(shown()).toEqual([["old", 1, 3, 4]]);
});

// Whoever listens has, after each tick, everything up to the id it was given.

import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { derivedEvent } from "@causeway/shared/testing/derived-event.ts";
import { expect, test } from "vitest";
import { FleetView } from "../views/fleet-view.ts";
import { readings, taken } from "../views/testing/taken.ts";
import type { JournalPlace, StreamFilter } from "./live-stream.ts";
import {
  heartbeatFrame,
  LiveStream,
  parseStreamId,
  rowsAtConnectMax,
  rowsPerTickMax,
} from "./live-stream.ts";

interface Frame {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: unknown;
}

function framesOf(text: string): readonly Frame[] {
  const field = (block: string, name: string) =>
    new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => ({
      id: field(block, "id"),
      event: field(block, "event"),
      data: JSON.parse(field(block, "data") ?? "null"),
    }));
}

function streamOf(view: FleetView, place?: JournalPlace): LiveStream {
  const facts = () => ({ now: 5_000, version: "1.0.0", ready: true, reasons: [] });
  const gateways = (_filter: StreamFilter, limit: number) => view.gateways(limit);
  const sources = { view, facts, instance: "start1", gateways, place: () => place };
  const stream = new LiveStream(sources);
  stream.restart();
  return stream;
}

function filled(count: number): FleetView {
  const view = new FleetView();
  for (let index = 1; index <= count; index++) put(view, index, index);
  return view;
}

function put(view: FleetView, index: number, value: number): void {
  view.apply(taken({ position: index, event: readings(`device-${index}`, { level: value }) }));
}

const names = (frames: readonly Frame[]) => frames.map(({ event }) => event);
const idOf = (id: string | undefined) => parseStreamId(id ?? "");
const lastId = (frames: readonly Frame[]) => frames.findLast(({ id }) => id !== undefined)?.id;

test("a new client is told everything there is", () => {
  const view = filled(3);
  view.applyAlert(transition());
  const frames = framesOf(streamOf(view).connect(undefined));
  expect(names(frames)).toEqual(["hello", "counters", "gateways", "alerts", "latest", undefined]);
  expect(frames[0]?.data).toMatchObject({ resumed: false, version: "1.0.0" });
  expect(frames[1]?.data).toMatchObject({ counters: { events: 3, alertsOpen: 1 } });
  expect(frames[3]?.data).toMatchObject({ open: [{ id: transition().id }] });
  expect(frames[4]?.data).toMatchObject([{ recent: [1] }, { recent: [2] }, { recent: [3] }]);
});

test("a tick tells only what changed, and nothing where nothing did", () => {
  const view = filled(3);
  const stream = streamOf(view);
  expect(stream.tick()).toBe("");
  put(view, 2, 20);
  view.applyAlert(transition());
  const frames = framesOf(stream.tick());
  expect(names(frames)).toEqual(["alert", "latest"]);
  expect(frames[1]?.data).toMatchObject([{ device: "device-2", value: 20 }]);
  expect(frames[1]?.data).not.toHaveProperty("0.recent");
  expect(stream.tick()).toBe("");
});

test("a series that changes often goes once a tick, in its last value", () => {
  const view = filled(1);
  const stream = streamOf(view);
  for (let value = 1; value <= 50; value++) put(view, 1, value);
  expect(framesOf(stream.tick())).toMatchObject([{ event: "latest", data: [{ value: 50 }] }]);
});

test("counters come every second, gateways when they changed, a comment every 15 seconds", () => {
  const view = filled(1);
  const stream = streamOf(view);
  const ticks = Array.from({ length: 60 }, () => stream.tick());
  expect(ticks.filter((text) => text.includes("event: counters"))).toHaveLength(15);
  expect(ticks.filter((text) => text.includes("event: gateways"))).toHaveLength(1);
  expect(ticks.filter((text) => text.includes(heartbeatFrame))).toHaveLength(1);
});

test("more changes than fit in a tick follow in the next, and the id says how far it went", () => {
  const view = filled(rowsPerTickMax + 10);
  const stream = streamOf(view);
  for (let index = 1; index <= rowsPerTickMax + 10; index++) put(view, index, 0);
  const first = framesOf(stream.tick());
  expect(first[0]?.data).toHaveLength(rowsPerTickMax);
  const resumed = framesOf(stream.connect(idOf(lastId(first))));
  expect(names(resumed)).toEqual(["hello", "counters", "gateways", "latest", undefined]);
  expect(resumed[0]?.data).toMatchObject({ resumed: true });
  expect(resumed[3]?.data).toHaveLength(10);
  expect(framesOf(stream.tick())[0]?.data).toHaveLength(10);
});

test("a client that comes back is told the alerts it missed", () => {
  const view = filled(1);
  const stream = streamOf(view);
  const id = lastId(framesOf(stream.connect(undefined)));
  view.applyAlert(transition());
  expect(names(framesOf(stream.connect(idOf(id))))).toContain("alert");
});

test("what rules emit comes once to those who listen, and to those who come back", () => {
  const view = filled(1);
  const stream = streamOf(view);
  const id = lastId(framesOf(stream.connect(undefined)));
  view.applyDerived(derivedEvent({ id: "one" }));
  view.applyDerived(derivedEvent({ id: "two" }));
  expect(framesOf(stream.tick())).toMatchObject([
    { event: "derived", data: [{ id: "one" }, { id: "two" }] },
  ]);
  expect(stream.tick()).toBe("");
  for (const client of [id, undefined]) {
    const told = framesOf(stream.connect(idOf(client))).find(({ event }) => event === "derived");
    expect(told?.data).toMatchObject([{ id: "one" }, { id: "two" }]);
  }
});

test.each(["other-1-1", "start1-9-1", "start1-1-x", "nonsense", ""])(
  "a client with the id %j begins anew",
  (id) => {
    const frames = framesOf(streamOf(filled(1)).connect(idOf(id)));
    expect(frames[0]?.data).toMatchObject({ resumed: false });
    expect(names(frames)).toContain("latest");
  },
);

test("an emptied view ends the stream, and old ids mean nothing then", () => {
  const view = filled(1);
  const stream = streamOf(view);
  const id = lastId(framesOf(stream.connect(undefined)));
  view.resetEvents();
  expect(stream.isOver).toBe(true);
  stream.restart();
  expect(stream.isOver).toBe(false);
  expect(framesOf(stream.connect(idOf(id)))[0]?.data).toMatchObject({ resumed: false });
});

test("a new client of a large fleet is shown what was updated last", () => {
  const frames = framesOf(streamOf(filled(rowsAtConnectMax + 5)).connect(undefined));
  const rows = frames.filter(({ event }) => event === "latest").flatMap(({ data }) => data);
  expect(rows).toHaveLength(rowsAtConnectMax);
  expect(rows[0]).toMatchObject({ device: "device-6" });
});

test("a filter tells what it wants alone, and goes on where it was cut all the same", () => {
  const view = filled(3);
  const facts = () => ({ now: 5_000, version: "1.0.0", ready: true, reasons: [] });
  const wanted: string[] = [];
  const sources = {
    view,
    facts,
    instance: "start1",
    gateways: () => wanted,
    place: () => undefined,
  };
  const stream = new LiveStream(sources, {
    kinds: new Set(["latest"]),
    isWhole: true,
    wantsGateway: (gateway) => gateway === "gw-1",
    wantsDevice: (_gateway, device) => device === "device-2",
  });
  stream.restart();
  const frames = framesOf(stream.connect(undefined));
  expect(names(frames)).toEqual(["hello", "latest", undefined]);
  expect(frames[1]?.data).toMatchObject([{ device: "device-2" }]);
  put(view, 3, 30);
  view.applyAlert(transition());
  expect(stream.tick()).toBe("");
  put(view, 2, 20);
  const ticked = framesOf(stream.tick());
  expect(ticked).toMatchObject([{ event: "latest", data: [{ device: "device-2", value: 20 }] }]);
  expect(framesOf(stream.connect(idOf(lastId(ticked))))[0]?.data).toMatchObject({ resumed: true });
});

test("an id that is cut in the middle of a message names the one before", () => {
  const view = new FleetView();
  const places = [
    { sequence: 7, mark: "aa" },
    { sequence: 8, mark: "bb" },
  ];
  let place = places[0];
  const facts = () => ({ now: 5_000, version: "1.0.0", ready: true, reasons: [] });
  const sources = { view, facts, instance: "start1", gateways: () => [], place: () => place };
  const stream = new LiveStream(sources);
  stream.restart();
  framesOf(stream.connect(undefined));
  view.reach(8);
  for (let index = 1; index <= rowsPerTickMax + 1; index++) put(view, index, index);
  place = places[1];
  expect(lastId(framesOf(stream.tick()))).toMatch(/-7-aa$/);
  expect(lastId(framesOf(stream.tick()))).toMatch(/-8-bb$/);
  // By its message another process tells what came after it, and not what came before.
  const other = new LiveStream({ ...sources, instance: "start2" });
  const resumed = (id: string) => framesOf(other.connect(parseStreamId(id), true));
  expect(resumed("start1-1-500-8-bb")[0]?.data).toMatchObject({ resumed: true });
  expect(names(resumed("start1-1-500-8-bb"))).not.toContain("latest");
  expect(names(resumed("start1-1-500-7-aa"))).toContain("latest");
  expect(framesOf(other.connect(parseStreamId("start1-1-500-8-bb")))[0]?.data).toMatchObject({
    resumed: false,
  });
});

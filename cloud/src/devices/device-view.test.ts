// The goal: lists show each device once, as it stands, with what people said of it, page by page.
import type { DevicePlace } from "@causeway/shared/devices/device-facts.ts";
import {
  DeviceBook,
  encodeFacts,
  factsKey,
  factsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import { expect, test } from "vitest";
import { event, readings, taken } from "../views/testing/taken.ts";
import { deviceDetails, listDevices, listGateways } from "./device-view.ts";
import { Registry } from "./registry.ts";

const source = { partition: 3, gateway: taken().gateway, lane: "live" as const };

function sources() {
  const [registry, book] = [new Registry(), new DeviceBook()];
  return { registry, book, now: 100, silentAfterMs: 1_000 };
}

function hear(registry: Registry, device: string, at: number): void {
  const own = [taken({ receivedAt: at, event: readings(device, { x: 1 }) })];
  registry.take({ source, taken: own, dead: [], doubt: undefined, findings: [] }, at);
}

function say(book: DeviceBook, place: DevicePlace, request: object, at: number): void {
  const facts = book.after(place, factsRequest({ by: "ann", ...request }), at);
  book.take(factsKey(place), encodeFacts(facts));
}

const of = (device: string) => ({ gateway: "gw-1", device });

test("pages follow each other without a gap, and counts are of all", () => {
  const { registry, ...own } = sources();
  for (const device of ["c", "a", "e", "b", "d"]) hear(registry, device, 50);
  const pages: string[][] = [];
  let after: string | undefined;
  for (;;) {
    const { total, states, devices, next } = listDevices({ registry, ...own }, { limit: 2, after });
    expect([total, states.online]).toEqual([5, 5]);
    pages.push(devices.map(({ device }) => device));
    if (next === null) break;
    after = next;
  }
  expect(pages).toEqual([["a", "b"], ["c", "d"], ["e"]]);
});

test("a state selects, and a silent gateway's devices are unknown", () => {
  const { registry, ...own } = sources();
  for (const device of ["a", "b"]) hear(registry, device, 50);
  say(own.book, of("b"), { act: "retired" }, 60);
  const ask = (state: "online" | "retired", now = 100) =>
    listDevices({ registry, ...own, now }, { limit: 9, state }).devices.map(({ device }) => device);
  expect(ask("online")).toEqual(["a"]);
  expect(ask("retired")).toEqual(["b"]);
  const later = listDevices({ registry, ...own, now: 1_050 }, { limit: 9 });
  expect(later.states).toMatchObject({ unknown: 1, retired: 1 });
  expect(listGateways({ registry, ...own, now: 1_050 })).toMatchObject([
    { state: "silent", devices: 2 },
  ]);
});

test("what is forgotten is gone until it speaks, a gateway with all of its devices", () => {
  const { registry, ...own } = sources();
  for (const device of ["a", "b"]) hear(registry, device, 50);
  say(own.book, of("a"), { act: "forgotten" }, 60);
  const shown = () =>
    listDevices({ registry, ...own }, { limit: 9 }).devices.map(({ device }) => device);
  expect(shown()).toEqual(["b"]);
  expect(deviceDetails({ registry, ...own }, "gw-1", "a")).toBeUndefined();
  hear(registry, "a", 70);
  expect(shown()).toEqual(["a", "b"]);
  say(own.book, of(""), { act: "forgotten" }, 80);
  expect(shown()).toEqual([]);
  expect(listGateways({ registry, ...own })).toEqual([]);
});

test("a device is shown with its name, its series, its successor, its notices and who said what", () => {
  const { registry, ...own } = sources();
  for (const device of ["old", "new"]) hear(registry, device, 50);
  say(own.book, of("new"), { act: "replaced", old: "old", note: "old one burnt" }, 60);
  say(own.book, of("new"), { act: "renamed", name: "Oven" }, 61);
  const notice = {
    kind: "system",
    name: "client-takeover-loop",
    detail: 'client id "new" is used from a and b',
  };
  const told = [taken({ receivedAt: 70, event: event(notice) })];
  registry.take({ source, taken: told, dead: [], doubt: undefined, findings: [] }, 70);
  const details = (device: string) => deviceDetails({ registry, ...own }, "gw-1", device);
  expect(details("new")).toMatchObject({
    ...{ name: "Oven", series: "old", replacedBy: "", state: "online" },
    metrics: [{ metric: "x", unit: null, quality: "good" }],
    notices: [{ name: "client-takeover-loop", count: 1 }],
    said: { act: "renamed", by: "ann", at: 61 },
  });
  expect(details("old")).toMatchObject({
    series: "old",
    replacedBy: "new",
    notices: [],
    said: null,
  });
  expect(details("none")).toBeUndefined();
});

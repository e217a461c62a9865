// The goal: what people say of devices stands as they said it, and cannot contradict itself.
import { expect, test } from "vitest";
import type { DevicePlace } from "./device-facts.ts";
import { DeviceBook, decodeFacts, encodeFacts, factsKey, factsRequest } from "./device-facts.ts";

const by = "ann";

function said(book: DeviceBook, place: DevicePlace, request: object, at: number): void {
  const facts = book.after(place, factsRequest({ by, ...request }), at);
  expect(decodeFacts(encodeFacts(facts))).toEqual(facts);
  book.take(factsKey(place), encodeFacts(facts));
}

const of = (device: string) => ({ gateway: "gw-1", device });

test("a name is given and taken away; the rest of what was said stays", () => {
  const book = new DeviceBook();
  said(book, of("pump/7"), { act: "retired", note: "rust" }, 10);
  said(book, of("pump/7"), { act: "renamed", name: "Pump by the door" }, 20);
  expect(book.of(of("pump/7"))).toEqual({
    ...{
      ...of("pump/7"),
      name: "Pump by the door",
      retiredAt: 10,
      act: "renamed",
      by,
      note: "",
      at: 20,
    },
  });
  said(book, of("pump/7"), { act: "renamed", name: "" }, 30);
  expect(book.of(of("pump/7"))).not.toHaveProperty("name");
});

test("new hardware goes on as the old one from its moment on, over a chain of them", () => {
  const book = new DeviceBook();
  said(book, of("b"), { act: "replaced", old: "a" }, 100);
  said(book, of("c"), { act: "replaced", old: "b" }, 200);
  expect(["a", "b", "c"].map((device) => book.seriesOf(of(device), 250))).toEqual(["a", "a", "a"]);
  expect(book.seriesOf(of("b"), 99)).toBe("b");
  expect(book.seriesOf(of("c"), 199)).toBe("c");
  expect(book.seriesOf({ gateway: "gw-2", device: "b" }, 250)).toBe("b");
  expect(book.successorOf(of("a"))).toBe("b");
  said(book, of("c"), { act: "replaced", old: "" }, 300);
  expect(book.seriesOf(of("c"), 350)).toBe("c");
  expect(book.successorOf(of("b"))).toBeUndefined();
});

test.each([
  ["b", "a", /goes on as a already/],
  ["d", "a", /b goes on as a already/],
  ["a", "c", /circle/],
  ["d", "d", /circle/],
  ["", "a", /a gateway is not replaced/],
])("%s cannot go on as %s", (device, old, why) => {
  const book = new DeviceBook();
  said(book, of("b"), { act: "replaced", old: "a" }, 100);
  said(book, of("c"), { act: "replaced", old: "b" }, 200);
  const request = factsRequest({ act: "replaced", old, by });
  expect(() => book.after(of(device), request, 300)).toThrow(why);
});

test("a gateway that is retired has all of its devices out of service, until it returns", () => {
  const book = new DeviceBook();
  said(book, of(""), { act: "retired" }, 10);
  expect(book.retiredAt(of("a"))).toBe(10);
  expect(book.retiredAt({ gateway: "gw-2", device: "a" })).toBeUndefined();
  said(book, of(""), { act: "returned" }, 20);
  expect(book.retiredAt(of("a"))).toBeUndefined();
});

test("what is forgotten has nothing else said of it, and a later word takes that back", () => {
  const book = new DeviceBook();
  said(book, of("b"), { act: "replaced", old: "a" }, 100);
  said(book, of("b"), { act: "forgotten" }, 110);
  expect(book.of(of("b"))).toEqual({
    ...of("b"),
    forgottenAt: 110,
    act: "forgotten",
    by,
    note: "",
    at: 110,
  });
  expect(book.successorOf(of("a"))).toBeUndefined();
  said(book, of("b"), { act: "renamed", name: "B" }, 120);
  expect(book.of(of("b"))).not.toHaveProperty("forgottenAt");
});

test.each([
  [{ act: "renamed", by }, /name: /],
  [{ act: "renamed", name: "x".repeat(129), by }, /name: /],
  [{ act: "sold", by }, /act: /],
  [{ act: "retired" }, /by: /],
  [{ act: "replaced", old: "a#b", by }, /old: /],
  [{ act: "retired", by, more: 1 }, /more/],
])("%j is refused with its place", (request, why) => {
  expect(() => factsRequest(request)).toThrow(why);
  expect(() => factsRequest(request)).toThrow(/^OPERATION_INVALID/);
});

test("keys of devices are safe in subjects whatever their letters, and a gateway has its own", () => {
  expect(factsKey(of("küche/ofen 1"))).toMatch(/^gw-1\.[A-Za-z0-9_-]+$/);
  expect(factsKey(of(""))).toBe("gw-1._");
  expect(factsKey(of("\u00fc"))).not.toBe(factsKey(of("")));
});

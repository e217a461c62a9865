// Putting the state of a gateway by before each event is dear: it is done for as long as it may be needed.
import { expect, test } from "vitest";
import { carefulEventsMax, Suspects } from "./suspects.ts";

test("is careful with a gateway for so many events, and then trusts it again (X2)", () => {
  const suspects = new Suspects();
  expect(suspects.isCareful("g1")).toBe(false);
  suspects.note("g1", "g1/1-aa/telemetry/1", new Error("no 5 in 7"));
  let events = 0;
  while (suspects.isCareful("g1")) events++;
  expect(events).toBe(carefulEventsMax);
  expect(suspects.isCareful("g2")).toBe(false);
});

test("failures of one cause have one reason, whatever numbers are in their words", () => {
  const suspects = new Suspects();
  const failures = [5, 70].map((n) => suspects.note("g1", `id${n}`, new RangeError(`at ${n}`)));
  expect(failures.map(({ reason }) => reason)).toEqual(["RangeError: at #", "RangeError: at #"]);
  expect(suspects.failureOf("id70")?.detail).toContain("at 70");
});

test("what is tried again counts its tries, those of before too", () => {
  const suspects = new Suspects();
  suspects.note("g1", "a", new Error("x"));
  suspects.forget("a", 4);
  expect(suspects.failureOf("a")).toBeUndefined();
  expect(suspects.note("g1", "a", new Error("x")).tries).toBe(5);
});

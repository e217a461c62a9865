/** Goal: hours are those of a clock on the wall, over midnight and where clocks are put forward or back. */
import { expect, test } from "vitest";
import { dayOf, momentOf } from "./day.ts";
import { Gate, hoursSchema, isWithin, nextEdge, spansOf } from "./hours.ts";

const berlin = "Europe/Berlin";
const hoursOf = (text: string, zone = "UTC") => ({ spans: spansOf(text) ?? [], zone });
const at = (text: string) => Date.parse(text);

test.each(["22:00-06:00", "00:00-24:00", "8:00-9:00", "22:00", "", "24:00-01:00", "22:00-06:60"])(
  "%j is read as hours, or refused",
  (text) => {
    const isGood = text === "22:00-06:00" || text === "00:00-24:00";
    expect(hoursSchema.safeParse(text).success).toBe(isGood);
  },
);

test("more than eight are refused", () => {
  const many = (count: number) => Array.from({ length: count }, () => "22:00-06:00").join(", ");
  expect(spansOf(many(8))).toHaveLength(8);
  expect(spansOf(many(9))).toBeUndefined();
});

test("a span over midnight holds on both sides, and its end is outside", () => {
  const night = hoursOf("22:00-06:00, 12:00-13:00");
  const open = ["22:00", "23:59", "00:00", "05:59", "12:30"];
  const closed = ["21:59", "06:00", "11:59", "13:00"];
  const within = (time: string) => isWithin(night, at(`2026-05-05T${time}:00Z`));
  expect(open.map(within)).toEqual(open.map(() => true));
  expect(closed.map(within)).toEqual(closed.map(() => false));
});

test("they are those of the zone", () => {
  const night = hoursOf("22:00-06:00", berlin);
  expect(isWithin(night, at("2026-07-01T20:30:00Z"))).toBe(true);
  expect(isWithin(night, at("2026-01-01T20:30:00Z"))).toBe(false);
});

test("a gate says when they begin, at every quarter of a year, as a clock there shows it", () => {
  const night = hoursOf("22:30-02:30", berlin);
  const gate = new Gate(night);
  let wasOpen: boolean | undefined;
  let begins = 0;
  for (let now = at("2026-01-01T12:00:00Z"); now < at("2026-12-31T12:00:00Z"); now += 15 * 60_000) {
    const opens = gate.opensAt(now);
    const isOpen = opens <= now;
    expect(isOpen, new Date(now).toISOString()).toBe(isWithin(night, now));
    if (!isOpen) expect(isWithin(night, opens) && !isWithin(night, opens - 60_000)).toBe(true);
    if (isOpen && wasOpen === false) begins++;
    wasOpen = isOpen;
  }
  // The night on which half past two comes twice is closed in between.
  expect(begins).toBe(364 + 1);
});

test("the next edge is later, always", () => {
  const whole = hoursOf("00:00-24:00", berlin);
  const now = at("2026-03-29T00:30:00Z");
  expect(nextEdge(whole, now)).toBe(at("2026-03-29T22:00:00Z"));
  expect(new Gate(whole).opensAt(now)).toBe(now);
});

test("a day begins where the zone's does", () => {
  const day = dayOf(at("2026-03-28T23:30:00Z"), berlin);
  expect(momentOf(day, 0, berlin)).toBe(at("2026-03-28T23:00:00Z"));
  expect(momentOf(day + 1, 0, berlin) - momentOf(day, 0, berlin)).toBe(23 * 3_600_000);
});

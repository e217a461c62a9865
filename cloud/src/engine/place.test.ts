// However far a journal was put back, a place before that is known again, and not much before.
import { describe, expect, test } from "vitest";
import type { Place } from "./place.ts";
import { joinPlaces, newestFound, withPlace } from "./place.ts";

const place = (sequence: number, nonce = "n"): Place => ({
  sequence,
  identity: { subject: "tlm.3.g1.live", nonce },
});

function placesAfter(newest: number, stepOf: (at: number) => number): readonly Place[] {
  let places: readonly Place[] = [];
  for (let at = 1; at <= newest; at += stepOf(at)) places = withPlace(places, place(at));
  return places;
}

describe.each([
  ["each message", () => 1],
  ["bursts of 1,000", () => 1_000],
  ["uneven steps", (at: number) => 1 + ((at * 7_919) % 500)],
] as const)("places kept at %s (R1)", (_what, stepOf) => {
  const newest = 1_000_000;
  const stepMax = 1_000;
  const places = placesAfter(newest, stepOf);

  test("are few, the newest first", () => {
    expect(places.length).toBeLessThanOrEqual(16);
    const sequences = places.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => b - a));
  });

  test("cost reading four times what the rollback took, at most", async () => {
    const last = places[0]?.sequence ?? 0;
    for (const lost of [1, 70, 1_000, 20_000, 300_000]) {
      const there = last - lost;
      const at = async (sequence: number) =>
        sequence <= there ? place(sequence).identity : undefined;
      const found = await newestFound(places, at);
      expect(last - (found?.sequence ?? 0)).toBeLessThanOrEqual(4 * lost + 64 + stepMax);
    }
  });
});

test("a place counts only with subject and nonce as they were (R2)", async () => {
  const places = [place(30), place(20), place(10)];
  const other = async (sequence: number) => place(sequence, sequence > 15 ? "new" : "n").identity;
  expect(await newestFound(places, other)).toEqual(place(10));
  expect(await newestFound(places, async () => place(0, "new").identity)).toBeUndefined();
});

test("places of several checkpoints are joined, the newest first", () => {
  const joined = joinPlaces([[place(200), place(100)], [place(150), place(100)], []]);
  expect(joined[0]).toEqual(place(200));
  expect(joined.map(({ sequence }) => sequence)).toEqual([200, 150, 100]);
});

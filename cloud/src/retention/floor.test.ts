// How far the journal may be purged: never past a snapshot, a reader or the last message.
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { integer } from "@causeway/shared/testing/random-events.ts";
import { describe, expect, test } from "vitest";
import type { Floor, Hold, StreamState } from "./floor.ts";
import { floorWith, hardFloor, isPressed, percentOf, reliefSequence } from "./floor.ts";

const runs = 2_000;

function state(random: Random): StreamState {
  const first = 1 + integer(random, 1_000);
  const messages = integer(random, 1_000);
  const bytesMax = 1_000 + integer(random, 1_000_000);
  const bytes = Math.min(bytesMax, messages * (1 + integer(random, 1_000)));
  return { first, last: first + messages - 1, messages, bytes, bytesMax };
}

function holds(random: Random): readonly Hold[] {
  return Array.from({ length: 1 + integer(random, 70) }, (_, index) => ({
    by: `holder ${index}`,
    sequence: integer(random, 2_500),
  }));
}

interface Needs {
  readonly journal: StreamState;
  readonly holds: readonly Hold[];
  readonly replay: number;
  readonly isUrgent: boolean;
}

function needs(random: Random): Needs {
  const journal = state(random);
  const replay = journal.first + integer(random, journal.messages + 1);
  return { journal, holds: holds(random), replay, isUrgent: random.next() < 0.5 };
}

function floorOf({ journal, holds, replay, isUrgent }: Needs): Floor {
  const needed = isUrgent ? reliefSequence(journal) : journal.first;
  return floorWith(hardFloor(holds, journal), replay, needed);
}

describe("the floor", () => {
  test("is never above any snapshot or reader, nor beyond the last message", () => {
    for (let run = 0; run < runs; run++) {
      const given = needs(seededRandom(`floor ${run}`));
      const { sequence } = floorOf(given);
      expect(sequence, `seed "floor ${run}"`).toBeLessThanOrEqual(given.journal.last);
      for (const hold of given.holds)
        expect(sequence, `seed "floor ${run}"`).toBeLessThanOrEqual(hold.sequence);
    }
  });

  test("keeps what is wanted for replays, unless room is needed", () => {
    for (let run = 0; run < runs; run++) {
      const given = { ...needs(seededRandom(`replay ${run}`)), isUrgent: false };
      const kept = Math.max(given.replay, given.journal.first);
      expect(floorOf(given).sequence, `seed "replay ${run}"`).toBeLessThanOrEqual(kept);
    }
  });

  test("never goes back while holders only move on", () => {
    for (let run = 0; run < runs; run++) {
      const random = seededRandom(`growth ${run}`);
      const given = needs(random);
      const later = {
        ...given,
        holds: given.holds.map(({ by, sequence }) => ({
          by,
          sequence: sequence + integer(random, 50),
        })),
        replay: given.replay + integer(random, 50),
        journal: { ...given.journal, last: given.journal.last + integer(random, 50) },
      };
      expect(floorOf(later).sequence, `seed "growth ${run}"`).toBeGreaterThanOrEqual(
        floorOf(given).sequence,
      );
    }
  });

  test("names who holds the journal back", () => {
    const journal = { first: 1, last: 100 };
    const held = [
      { by: "partition 3's snapshot", sequence: 40 },
      { by: "reader history", sequence: 7 },
    ];
    const hard = hardFloor(held, journal);
    expect(hard).toEqual({ sequence: 7, heldBy: "reader history" });
    expect(floorWith(hard, 5, 1)).toEqual({ sequence: 5, heldBy: "the wanted replay time" });
    expect(floorWith(hard, 5, 30)).toEqual(hard);
    expect(hardFloor([], journal).sequence).toBe(100);
  });

  test("gives up of the replay time what relief needs, and no more", () => {
    const full = { first: 1_001, last: 2_000, messages: 1_000, bytes: 90_000, bytesMax: 100_000 };
    const sequence = reliefSequence(full);
    const left = { ...full, bytes: full.bytes - (sequence - full.first) * 90 };
    expect(percentOf(left)).toBeLessThan(75);
    expect(percentOf(left)).toBeGreaterThan(73);
    expect(reliefSequence({ ...full, bytes: 50_000 })).toBe(1_001);
    expect(reliefSequence({ ...full, messages: 0, bytes: 0 })).toBe(1_001);
  });
});

test("a stream is pressed from 85 % on and relieved below 75 %; in between nothing changes", () => {
  const at = (percent: number, before: boolean | undefined) =>
    isPressed({ bytes: percent, bytesMax: 100 }, before);
  expect([at(84.9, false), at(85, false), at(75, true), at(74.9, true)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(at(80, undefined)).toBeUndefined();
  expect(isPressed({ bytes: 80, bytesMax: -1 }, undefined)).toBe(false);
});

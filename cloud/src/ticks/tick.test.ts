// Numbers go on and time never goes back, whatever the machine's clock does.
import { seededRandom } from "@causeway/shared/random.ts";
import { describe, expect, test } from "vitest";
import type { Tick } from "./tick.ts";
import { decodeTick, encodeTick, isAfter, nextTick } from "./tick.ts";

const tick: Tick = { n: 7, at: 1_000, rules: "a", revision: 2 };

describe("the next tick", () => {
  test("has the next number, and never an earlier time (K1)", () => {
    const random = seededRandom("ticks");
    let last: Tick | undefined;
    for (let count = 1; count <= 1_000; count++) {
      const next = nextTick(last, Math.floor(random.next() * 1e6), "a", random.next() < 0.1);
      expect(next.n).toBe(count);
      expect(next.at).toBeGreaterThanOrEqual(last?.at ?? 0);
      last = next;
    }
  });

  test("stands still where the machine's clock was put back, and goes on with it", () => {
    expect(nextTick(tick, 400, "a", false)).toMatchObject({ n: 8, at: 1_000 });
    expect(nextTick(tick, 1_001, "a", false)).toMatchObject({ n: 8, at: 1_001 });
  });

  test("names the rules of the last one, unless others are announced (K2)", () => {
    expect(nextTick(tick, 0, "b", false)).toMatchObject({ rules: "a", revision: 2 });
    expect(nextTick(tick, 0, "b", true)).toMatchObject({ rules: "b", revision: 3 });
    expect(nextTick(undefined, 5, "b", true)).toEqual({ n: 1, at: 5, rules: "b", revision: 1 });
  });
});

test("a tick reads as it was written", () => {
  const bytes = Buffer.from(encodeTick(tick));
  expect(bytes.toString()).toBe('{"v":1,"n":7,"at":1000,"rules":"a","revision":2}');
  expect(decodeTick(bytes)).toEqual(tick);
});

test.each([
  ["no JSON", "BATCH_MALFORMED"],
  ['{"v":1,"n":0,"at":1,"rules":"a","revision":0}', "BATCH_MALFORMED"],
  ['{"v":1,"n":1,"at":1,"revision":0}', "BATCH_MALFORMED"],
  ['{"v":2,"n":1,"at":1,"rules":"a","revision":0}', "BATCH_VERSION_UNKNOWN"],
])("%s is told as %s", (text, code) => {
  expect(() => decodeTick(Buffer.from(text))).toThrow(code);
});

test("a tick is news by its number or by its time", () => {
  const seen = { n: 7, at: 1_000 };
  expect(isAfter({ n: 7, at: 1_000 }, seen)).toBe(false);
  expect(isAfter({ n: 6, at: 900 }, seen)).toBe(false);
  expect(isAfter({ n: 8, at: 1_000 }, seen)).toBe(true);
  expect(isAfter({ n: 3, at: 1_001 }, seen)).toBe(true);
  expect(isAfter({ n: 1, at: 0 }, undefined)).toBe(true);
});

// Whatever a disk has lost, the cloud is told at its place and can go on behind it.
import { BlockBuilder, decodeBlock } from "@causeway/shared/block-codec.ts";
import { describe, expect, test } from "vitest";
import { consecutive } from "./continuity.ts";
import { blockKey } from "./layout.ts";
import type { Entry } from "./store.ts";

function block(from: number, to: number): Entry {
  const builder = new BlockBuilder("boot");
  for (let position = from; position <= to; position++) {
    const place = { device: null, topic: null, bootMs: 1, observedAt: null };
    builder.add({ kind: "system", ...place, name: "n", detail: `${position}` });
  }
  return [blockKey("telemetry", 1, from), builder.finish(from)];
}

function rotten([key, bytes]: Entry): Entry {
  const changed = Buffer.from(bytes);
  changed[20] = (changed[20] ?? 0) ^ 1;
  return [key, changed];
}

const usual = { last: 30, isWhole: true, keptFrom: 1, bootId: "boot", bootMs: 5 };

function told(
  entries: readonly Entry[],
  options: Partial<typeof usual> & { from: number },
): string[] {
  return consecutive({ entries, ...usual, ...options }).map(({ from, to, bytes }) => {
    const { items } = decodeBlock(bytes);
    expect([items[0]?.from, items.at(-1)?.to]).toEqual([from, to]);
    const event = items[0]?.event;
    return `${event?.kind === "loss" ? event.reason : "events"} ${from}-${to}`;
  });
}

describe("what is told", () => {
  test("blocks that follow each other come as they are, the first one whole", () => {
    const entries = [block(1, 10), block(11, 30)];
    expect(told(entries, { from: 5 })).toEqual(["events 1-10", "events 11-30"]);
  });

  test("a block that rotted or is missing is a loss at its place", () => {
    const entries = [block(1, 10), rotten(block(11, 20)), block(21, 30)];
    const expected = ["events 1-10", "unreadable 11-20", "events 21-30"];
    expect(told(entries, { from: 1 })).toEqual(expected);
    expect(told([block(1, 10), block(21, 30)], { from: 1 })).toEqual(expected);
  });

  test("what was given up before is not kept; beside it may lie what is unreadable", () => {
    const asked = { from: 3, keptFrom: 11 };
    expect(told([block(11, 30)], asked)).toEqual(["not-kept 3-10", "events 11-30"]);
    expect(told([block(21, 30)], asked)).toEqual([
      "not-kept 3-10",
      "unreadable 11-20",
      "events 21-30",
    ]);
    expect(told([], { from: 3, keptFrom: 31 })).toEqual(["not-kept 3-30"]);
  });

  test("the end of a log that is gone is told only when the scan went that far", () => {
    expect(told([block(1, 10)], { from: 1 })).toEqual(["events 1-10", "unreadable 11-30"]);
    expect(told([block(1, 10)], { from: 1, isWhole: false })).toEqual(["events 1-10"]);
    expect(told([rotten(block(1, 30))], { from: 1 })).toEqual(["unreadable 1-30"]);
  });
});

// Goal: what goes as one block instead of many is the same to whoever reads it, and a fraction of it.
import { describe, expect, test } from "vitest";
import { compressBody, joinBody } from "./batch-codec.ts";
import type { Item } from "./block-codec.ts";
import { decodeBlock, encodeBlock, frameBlock, frameBytes } from "./block-codec.ts";
import { mergeBlocks } from "./block-merge.ts";
import type { Event } from "./event.ts";
import { seededRandom } from "./random.ts";
import { integer, randomItems } from "./testing/random-events.ts";

const itemsOf = (blocks: readonly Uint8Array[]) =>
  blocks.flatMap((block) => decodeBlock(block).items);

/** The items in blocks of one to three, as a gateway with little to do writes them. */
function smallBlocks(items: readonly Item[], next: () => number): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at < items.length; ) {
    const count = 1 + Math.floor(3 * next());
    blocks.push(encodeBlock(next() < 0.95 ? "boot1" : "boot2", items.slice(at, at + count)));
    at += count;
  }
  return blocks;
}

test("random blocks hold the same events at the same positions afterwards", () => {
  let joined = 0;
  for (let run = 0; run < 400; run++) {
    const seed = `merge ${run}`;
    const random = seededRandom(seed);
    const items = randomItems(random, 1 + integer(random, 1_000_000), 1 + integer(random, 20));
    const blocks = smallBlocks(items, () => random.next());
    const merged = mergeBlocks(blocks);
    expect(itemsOf(merged), `seed "${seed}"`).toStrictEqual(itemsOf(blocks));
    const ends = (list: readonly Uint8Array[]) => {
      const decoded = list.map(decodeBlock);
      return [decoded[0]?.from, decoded.at(-1)?.to];
    };
    expect(ends(merged), `seed "${seed}"`).toEqual(ends(blocks));
    joined += blocks.length - merged.length;
  }
  expect(joined).toBeGreaterThan(500);
});

function reading(at: number): Item {
  const device = `sim-${String(1 + (at % 12)).padStart(3, "0")}` as Event["device"];
  const event = {
    kind: "reading",
    device,
    topic: `devices/${device}/telemetry`,
    bootMs: 5_000_000 + at * 83,
    observedAt: 1_790_000_000_000 + at * 83,
    readings: [
      { metric: "temperature", value: 20 + (at % 100) / 100, quality: "good" },
      { metric: "seq", value: Math.floor(at / 12), quality: "good" },
    ],
  } as Event;
  return { from: at, to: at, event };
}

test("two hundred events that came one by one take a third of the bytes", () => {
  const blocks = Array.from({ length: 200 }, (_, at) => encodeBlock("boot1", [reading(at + 1)]));
  const merged = mergeBlocks(blocks);
  expect(merged).toHaveLength(1);
  const head = { epoch: "1-00000001", log: "telemetry", from: 1, to: 200 } as const;
  const [few, many] = [merged, blocks].map((list) => joinBody("g1", head, { boot1: 0 }, list));
  expect(few?.length).toBeLessThan((many?.length ?? 0) / 3);
  expect(compressBody(few ?? Buffer.alloc(0)).length).toBeLessThan(
    compressBody(many ?? Buffer.alloc(0)).length,
  );
});

describe("a block stays the bytes it is", () => {
  const first = encodeBlock("boot1", [reading(1)]);
  const third = encodeBlock("boot1", [reading(3)]);
  const changed = (change: (block: Record<string, unknown>) => object) =>
    frameBlock(JSON.stringify(change(JSON.parse(first.subarray(frameBytes).toString()))));

  test("where it has no neighbour", () => {
    expect(mergeBlocks([first])[0]).toBe(first);
    expect(mergeBlocks([first, third])).toEqual([first, third]);
  });

  test("where it is large", () => {
    const many = Array.from({ length: 100 }, (_, at) => reading(at + 2));
    const large = encodeBlock("boot1", many);
    expect(mergeBlocks([first, large])[1]).toBe(large);
  });

  test("of another boot", () => {
    const other = encodeBlock("boot2", [reading(2)]);
    expect(mergeBlocks([first, other])).toEqual([first, other]);
  });

  const second = encodeBlock("boot1", [reading(2)]);
  test.each<[string, (block: Record<string, unknown>) => object]>([
    ["a key that is new", (block) => ({ ...block, z: 1 })],
    ["a trailing element", ({ e, ...block }) => ({ ...block, e: (e as []).map(longer) })],
    ["a new part of a row's extra", ({ e, ...block }) => ({ ...block, e: (e as []).map(more) })],
  ])("with %s", (_what, change) => {
    const block = changed(change);
    expect(mergeBlocks([block, second])[0]).toBe(block);
  });

  test("where a time lies so far off that a difference would not be exact", () => {
    const at = (position: number, observedAt: number): Item => {
      const { event } = reading(position);
      return { from: position, to: position, event: { ...(event as Event), observedAt } };
    };
    const blocks = [-3e14, 8.64e15].map((ms, index) => encodeBlock("b", [at(index + 1, ms)]));
    expect(itemsOf(mergeBlocks(blocks))).toStrictEqual(itemsOf(blocks));
  });
});

const longer = (row: unknown[]) => [...row, {}, "more"];
const more = (row: unknown[]) => [...row, { z: [] }];

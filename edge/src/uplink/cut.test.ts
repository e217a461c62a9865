// A batch that is refused shrinks to the one event at fault, and nothing of it is lost.
import { BlockBuilder, decodeBlock } from "@causeway/shared/block-codec.ts";
import { describe, expect, test } from "vitest";
import type { StoredBlock } from "../outbox/continuity.ts";
import { cutBlocks, stubOf } from "./cut.ts";

function block(from: number, to: number): StoredBlock {
  const builder = new BlockBuilder("boot");
  for (let position = from; position <= to; position++) {
    const place = { device: null, topic: null, bootMs: position, observedAt: null };
    builder.add({ kind: "system", ...place, name: `n${position}`, detail: "" });
  }
  return { from, to, bytes: builder.finish(from) };
}

function loss(from: number, to: number): StoredBlock {
  const builder = new BlockBuilder("boot");
  const place = { device: null, topic: null, bootMs: 1, observedAt: null };
  builder.add({ kind: "loss", ...place, to, reason: "full", count: 1 }, to - from + 1);
  return { from, to, bytes: builder.finish(from) };
}

const ranges = (blocks: readonly StoredBlock[]) => blocks.map(({ from, to }) => `${from}-${to}`);

describe("cutting", () => {
  test.each([
    { from: 1, positionsMax: 5, expected: ["1-5"] },
    { from: 4, positionsMax: 3, expected: ["4-6"] },
    { from: 9, positionsMax: 4, expected: ["9-10", "11-12"] },
    { from: 10, positionsMax: 1, expected: ["10-10"] },
  ])(
    "from $from at most $positionsMax positions: $expected",
    ({ from, positionsMax, expected }) => {
      expect(ranges(cutBlocks([block(1, 10), block(11, 20)], from, positionsMax))).toEqual(
        expected,
      );
    },
  );

  test("events keep their content and their times", () => {
    const [cut] = cutBlocks([block(1, 10)], 7, 2);
    const { items, bootId } = decodeBlock(cut?.bytes ?? new Uint8Array());
    expect(bootId).toBe("boot");
    expect(items.map(({ event }) => event)).toMatchObject([
      { name: "n7", bootMs: 7 },
      { name: "n8", bootMs: 8 },
    ]);
  });

  test("a loss that spans more than is asked for stays whole", () => {
    expect(ranges(cutBlocks([loss(1, 50), block(51, 60)], 20, 2))).toEqual(["1-50"]);
  });
});

test("a stub keeps the place, and says why and what it held", () => {
  const [stub] = stubOf([block(1, 10)], 4, "the cloud said no");
  const [item] = decodeBlock(stub?.bytes ?? new Uint8Array()).items;
  expect(item).toMatchObject({ from: 4, to: 4 });
  expect(item?.event).toMatchObject({
    kind: "quarantined",
    reason: "refused",
    detail: "the cloud said no",
  });
  const payload = item?.event?.kind === "quarantined" ? item.event.payload : "";
  expect(Buffer.from(payload, "base64").toString()).toContain('"name":"n4"');
});

// A reader that begins late, or on a journal that lost something, gets all that is there and never waits.

import { encodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { gapLines } from "../cli/tail.ts";
import { encodeCheckpoint, noCheckpoint } from "../engine/checkpoint.ts";
import { MemoryEngineStore } from "../engine/memory-engine-store.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { gapReason, JournalReader, loadCommitted } from "./journal-reader.ts";

const epoch = "1-00000001";

/** An engine that has taken gateway g1 through a position, at a place in the journal. */
async function committed(through: number, sequence: number, last: number, first = 1) {
  const store = new MemoryEngineStore();
  const ledger = new GatewayLedger("g1");
  ledger.take(epoch, "telemetry", through);
  await store.commit([
    { subject: "mark.3.g1", data: encodeMark(ledger.mark(1, [])), rollup: true },
    { subject: "ckpt.3", data: encodeCheckpoint({ ...noCheckpoint, sequence }), rollup: true },
  ]);
  return loadCommitted(store, async () => ({ first, last }));
}

function read(
  reader: JournalReader,
  messages: readonly (readonly [sequence: number, from: number, count: number])[],
) {
  return messages.flatMap(([sequence, from, count]) => {
    const events = Array.from({ length: count }, () => readingEvent("d1", "temperature", 1));
    return reader
      .fold(journalMessage(sequence, from, events))
      .flatMap(({ taken }) => taken.map(({ position }) => position));
  });
}

test("what marks have of a message that the checkpoint is not behind is read, and is no gap", async () => {
  const store = new MemoryEngineStore();
  const ledger = new GatewayLedger("g1");
  ledger.take("1-00000001", "telemetry", 3);
  const ahead = { sequence: 2, identity: { subject: "tlm.3.g1.live", nonce: "1.2" } };
  await store.commit([
    { subject: "mark.3.g1", data: encodeMark(ledger.mark(1, [])), rollup: true },
    {
      subject: "ckpt.3",
      data: encodeCheckpoint({ ...noCheckpoint, sequence: 1, ahead }),
      rollup: true,
    },
  ]);
  const reader = new JournalReader(await loadCommitted(store, async () => ({ first: 1, last: 2 })));
  const positions = read(reader, [
    [1, 1, 1],
    [2, 2, 3],
  ]);
  expect([positions, reader.gaps]).toEqual([[1, 2, 3, 4], []]);
});

test("a whole journal is read whole, repeats and refused batches apart", async () => {
  const reader = new JournalReader(await committed(6, 4, 4));
  const journal = [
    [1, 1, 2],
    [2, 5, 2],
    [3, 3, 2],
    [4, 5, 2],
    [5, 7, 1],
  ] as const;
  expect(read(reader, journal)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(reader.passed).toBe(0);
});

test("what stands behind a hole that stays waits for the covering commit, then comes whole", async () => {
  const reader = new JournalReader(await committed(9, 9, 4));
  expect(
    read(reader, [
      [1, 1, 2],
      [2, 6, 1],
      [3, 7, 2],
    ]),
  ).toEqual([1, 2]);
  expect(read(reader, [[4, 9, 1]])).toEqual([6, 7, 8, 9]);
  expect(read(reader, [[5, 10, 2]])).toEqual([10, 11]);
  expect(reader.passed).toBe(3);
  expect(reader.gaps).toEqual([{ gateway: "g1", epoch, log: "telemetry", from: 3, to: 5 }]);
});

test("what the journal lost at its end is passed too", async () => {
  const reader = new JournalReader(await committed(6, 9, 2));
  expect(
    read(reader, [
      [1, 1, 2],
      [2, 3, 1],
    ]),
  ).toEqual([1, 2, 3]);
  expect(read(reader, [[3, 7, 2]])).toEqual([7, 8]);
  expect(reader.passed).toBe(3);
});

test("a hole that nobody has committed is waited for", async () => {
  const reader = new JournalReader(await committed(2, 1, 1));
  expect(
    read(reader, [
      [1, 1, 2],
      [2, 5, 1],
      [3, 3, 2],
      [4, 5, 1],
    ]),
  ).toEqual([1, 2, 3, 4, 5]);
});

test("a reader that begins late, in a journal that was purged, tells of no gap before its start", async () => {
  const reader = new JournalReader(await committed(9, 20, 20, 12));
  expect(read(reader, [[12, 5, 2]])).toEqual([]);
  expect(read(reader, [[20, 7, 2]])).toEqual([5, 6, 7, 8]);
  expect(reader.gaps).toEqual([{ gateway: "g1", epoch, log: "telemetry", from: 9, to: 9 }]);
  const idle = new JournalReader(await committed(9, 20, 20, 12));
  expect(read(idle, [[21, 10, 1]])).toEqual([10]);
  expect(idle.gaps).toEqual([]);
});

test("a tick at the place that the commit has reached releases what waits", async () => {
  const reader = new JournalReader(await committed(9, 4, 4));
  expect(read(reader, [[1, 5, 2]])).toEqual([]);
  const tick = { ...journalMessage(4, 1, []), subject: "clk" };
  expect(reader.fold(tick).flatMap(({ taken }) => taken)).toHaveLength(2);
});

test("what waits is taken in its log's order, also where the later part came first", async () => {
  const reader = new JournalReader(await committed(9, 20, 20, 12));
  const journal = [
    [12, 7, 2],
    [13, 5, 2],
    [20, 9, 1],
  ] as const;
  expect(read(reader, journal)).toEqual([5, 6, 7, 8, 9]);
});

test("beyond the bound of what waits nothing that is still to come is passed over", async () => {
  const count = 101;
  const few = { messages: 100, bytes: 1_000_000 };
  const reader = new JournalReader(await committed(count + 100, 30_000, 30_000), few);
  const behind = Array.from({ length: count }, (_, at) => [at + 1, at + 51, 1] as const);
  expect(read(reader, behind)).toHaveLength(count);
  expect(read(reader, [[20_000, count + 51, 1]])).toEqual([count + 51]);
  expect(reader.gaps).toEqual([{ gateway: "g1", epoch, log: "telemetry", from: 1, to: 50 }]);
});

test("tail tells of gaps one by one up to twenty, then of how many more", () => {
  const gaps = Array.from({ length: 22 }, (_, at) => {
    return { gateway: "g1", epoch, log: "telemetry" as const, from: at * 10 + 1, to: at * 10 + 3 };
  });
  const json = gapLines(gaps, "json").map((line): unknown => JSON.parse(line));
  expect(json).toHaveLength(21);
  expect(json[1]).toEqual({ ...gaps[1], state: "lost", reason: gapReason });
  expect(json[20]).toEqual({ moreGaps: 2, events: 6 });
  expect(gapLines(gaps, "text")[0]).toBe(
    "the journal lost g1 1-00000001 telemetry 1-3, which the engine has",
  );
});

// A reader that begins late, or on a journal that lost something, gets all that is there and never waits.

import { encodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { encodeCheckpoint, noCheckpoint } from "../engine/checkpoint.ts";
import { MemoryEngineStore } from "../engine/memory-engine-store.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { JournalReader, loadCommitted } from "./journal-reader.ts";

const epoch = "1-00000001";

/** An engine that has taken gateway g1 through a position, at a place in the journal. */
async function committed(through: number, sequence: number, journalLast: number) {
  const store = new MemoryEngineStore();
  const ledger = new GatewayLedger("g1");
  ledger.take(epoch, "telemetry", through);
  await store.commit([
    { subject: "mark.3.g1", data: encodeMark(ledger.mark(1, [])), rollup: true },
    { subject: "ckpt.3", data: encodeCheckpoint({ ...noCheckpoint, sequence }), rollup: true },
  ]);
  return loadCommitted(store, async () => journalLast);
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

// The goal: what a batch says was taken and what stands in it agree, also while messages wait behind a
// hole, so that who begins again from it neither misses nor doubles anything.
import { expect, test } from "vitest";
import { JournalReader, nothingCommitted } from "../ingest/journal-reader.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import type { HistoryBatch } from "./historian.ts";
import { HistoryIntake } from "./history-intake.ts";

function message(sequence: number, from: number, count: number) {
  const events = Array.from({ length: count }, (_, at) => readingEvent("d1", "seq", from + at));
  return journalMessage(sequence, from, events);
}

const values = ({ rows }: HistoryBatch) => rows.map(({ value }) => value);
const through = ({ marks }: HistoryBatch) => marks[0]?.epochs[0]?.logs.telemetry.through;

test("a batch has the rows of its ledger, and the next one begins behind it", () => {
  const intake = new HistoryIntake(new JournalReader(nothingCommitted), []);
  expect(intake.drain()).toBeUndefined();
  intake.take(message(1, 1, 3));
  intake.take(message(2, 2, 3));
  const first = intake.drain();
  expect(first && [values(first), through(first)]).toEqual([[1, 2, 3, 4], 4]);
  expect(first?.places?.map(({ sequence }) => sequence)).toEqual([2, 1]);
  expect(intake.drain()).toBeUndefined();
  intake.take(message(3, 5, 1));
  const second = intake.drain();
  expect(second && [values(second), through(second)]).toEqual([[5], 5]);
});

test("while a message waits behind a hole the place stays before it, and nothing is doubled (N2)", () => {
  const ledger = new GatewayLedger("g1");
  ledger.take("1-00000001", "telemetry", 9);
  const committed = {
    ...nothingCommitted,
    marks: [{ partition: 3, mark: ledger.mark(1, []) }],
    coveredUntil: new Map([[3, 5]]),
  };
  const intake = new HistoryIntake(new JournalReader(committed), []);
  intake.take(message(1, 1, 2));
  intake.take(message(2, 5, 2)); // 3 and 4 come no more
  const before = intake.drain();
  expect(before && [values(before), through(before)]).toEqual([[1, 2], 2]);
  expect(before?.places?.map(({ sequence }) => sequence)).toEqual([1]);
  intake.take(message(5, 7, 3));
  const after = intake.drain();
  expect(after && values(after)).toEqual([5, 6, 7, 8, 9]);
  expect(after?.losses).toMatchObject([{ from: 3, to: 4, reason: "gap(journal)" }]);
  expect(after?.places?.[0]?.sequence).toBe(5);

  const own = before?.marks ?? [];
  const again = new HistoryIntake(
    new JournalReader(committed, undefined, own),
    before?.places ?? [],
  );
  for (const each of [message(1, 1, 2), message(2, 5, 2), message(5, 7, 3)]) again.take(each);
  const repeated = again.drain();
  expect(repeated && values(repeated)).toEqual([5, 6, 7, 8, 9]);
  expect(repeated?.losses).toHaveLength(1);
});

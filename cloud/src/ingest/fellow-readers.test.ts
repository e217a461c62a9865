// Readers of one process decode each batch once, and none can spoil it for the others.

import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { createAlerting } from "../../../shared/src/alert/alerting.ts";
import { Registry } from "../devices/registry.ts";
import { Partition } from "../engine/partition.ts";
import { noCounts } from "../engine/partition-counters.ts";
import { HistoryIntake } from "../history/history-intake.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { FleetView } from "../views/fleet-view.ts";
import { FellowReaders, giveWayMs, keptBytesMax } from "./fellow-readers.ts";
import type { JournalMessage } from "./journal.ts";
import { JournalReader, nothingCommitted } from "./journal-reader.ts";

const batch = (sequence: number, values: readonly number[] = [1]) =>
  journalMessage(
    sequence,
    sequence,
    values.map((value) => readingEvent("d1", "temperature", value)),
  );

test("a batch is decoded once for all who read it", () => {
  const fellows = new FellowReaders();
  const { data } = batch(1);
  const first = fellows.bodyOf(1, data);
  expect(fellows.bodyOf(1, Uint8Array.from(data))).toBe(first);
});

test("other bytes at the same place are another batch", () => {
  const fellows = new FellowReaders();
  fellows.bodyOf(1, batch(1, [20]).data);
  const [item] = fellows.bodyOf(1, batch(1, [30]).data).blocks[0]?.items ?? [];
  expect(item?.event).toMatchObject({ readings: [{ value: 30 }] });
});

test("what cannot be read is refused to each of them", () => {
  const fellows = new FellowReaders();
  for (const _ of [1, 2]) {
    expect(() => fellows.bodyOf(1, Buffer.from("garbage"))).toThrow("BATCH_MALFORMED");
  }
});

test("beyond the bound the oldest are given up, and decoded anew", () => {
  const fellows = new FellowReaders();
  const values = Array.from({ length: 1_000 }, (_, index) => index);
  const first = fellows.bodyOf(1, batch(1, values).data);
  const second = fellows.bodyOf(2, batch(2, values).data);
  // A thousand events count as 0.4 MB at least.
  const count = Math.ceil(keptBytesMax / 400_000);
  for (let sequence = 3; sequence < 2 + count; sequence++) {
    fellows.bodyOf(sequence, batch(sequence, values).data);
  }
  expect(fellows.bodyOf(2 + count, batch(2 + count, values).data)).toBeDefined();
  expect(fellows.bodyOf(1, batch(1, values).data)).not.toBe(first);
  expect(fellows.bodyOf(1, batch(1, values).data)).toEqual(first);
  expect(second).toBeDefined();
});

test("neither the engine nor views, registry and history change what they share", () => {
  const alerting = createAlerting(compileRules(rulesSchema.parse(undefined)));
  const partition = new Partition(3, { name: "r", alerting }, 0, noCounts());
  const [view, registry] = [new FleetView(), new Registry()];
  const readers = Array.from({ length: 3 }, () => new JournalReader(nothingCommitted));
  const [ofView, ofRegistry, ofHistory] = readers as [JournalReader, JournalReader, JournalReader];
  const intake = new HistoryIntake(ofHistory, []);
  const fellows = new FellowReaders();
  for (let sequence = 1; sequence <= 300; sequence++) {
    const plain = batch(sequence, [sequence % 50 === 0 ? 900 : 20 + (sequence % 3)]);
    const body = () => frozen(fellows.bodyOf(sequence, plain.data));
    const message: JournalMessage = { ...plain, body };
    partition.take(message);
    for (const folded of ofView.fold(message)) view.applyFolded(folded, message.storedAt);
    for (const folded of ofRegistry.fold(message)) registry.take(folded, message.storedAt);
    intake.take(message);
  }
  expect(intake.rows).toBe(300);
  expect(view.eventsState().counts.events).toBe(300);
});

test("while the engine is behind the others wait, and no longer than for a while", async () => {
  const fellows = new FellowReaders();
  const clock = new VirtualClock();
  expect(fellows.giveWay(clock)).toBeUndefined();
  fellows.engineIsBehind(true);
  const went: string[] = [];
  void fellows.giveWay(clock)?.then(() => went.push("first"));
  await clock.advance(giveWayMs - 1);
  expect(went).toEqual([]);
  await clock.advance(1);
  expect(went).toEqual(["first"]);
  void fellows.giveWay(clock)?.then(() => went.push("second"));
  await clock.advance(1);
  fellows.engineIsBehind(false);
  await clock.advance(0);
  expect(went).toEqual(["first", "second"]);
  expect(fellows.giveWay(clock)).toBeUndefined();
});

/** A change of it throws. */
function frozen<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const each of Object.values(value)) frozen(each);
  return Object.freeze(value);
}

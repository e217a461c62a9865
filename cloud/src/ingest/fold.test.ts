// Every reader folds the journal alike: each event once, in order, and what is wrong is told.

import { compressBody } from "@causeway/shared/batch-codec.ts";
import { expect, test } from "vitest";
import {
  bootOffset,
  journalMessage,
  readingEvent,
  rollupEvent,
} from "../testing/journal-writer.ts";
import { foldMessage, heldBackMs, Ledgers } from "./fold.ts";
import type { JournalMessage } from "./journal.ts";

const events = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    readingEvent("d1", "temperature", index, 1_000 + index),
  );

test("events come out once, with id, time and lane", () => {
  const folded = foldMessage(new Ledgers(), journalMessage(1, 1, events(2)));
  expect(folded?.taken.map(({ id }) => id)).toEqual([
    "g1/1-00000001/telemetry/1",
    "g1/1-00000001/telemetry/2",
  ]);
  expect(folded?.taken[1]).toMatchObject({
    receivedAt: bootOffset + 1_001,
    timeQuality: "synchronised",
    lane: "live",
    late: false,
    effect: true,
  });
});

test("what the gateway held back for long is late, and what has no time is not", () => {
  const latenessOf = (heldMs: number, boots = { boot1: bootOffset }) => {
    const message = journalMessage(1, 1, events(1), { boots });
    const storedAt = bootOffset + 1_000 + heldMs;
    return foldMessage(new Ledgers(), { ...message, storedAt })?.taken[0]?.late;
  };
  expect(latenessOf(heldBackMs)).toBe(false);
  expect(latenessOf(heldBackMs + 1)).toBe(true);
  expect(latenessOf(heldBackMs + 1, { boot1: Number.NaN })).toBe(false);
});

test("a repeated batch yields nothing, an overlapping one only the rest", () => {
  const ledgers = new Ledgers();
  foldMessage(ledgers, journalMessage(1, 1, events(3)));
  expect(foldMessage(ledgers, journalMessage(2, 1, events(3)))?.taken).toEqual([]);
  const overlapping = foldMessage(ledgers, journalMessage(3, 2, events(4)));
  expect(overlapping?.taken.map(({ position }) => position)).toEqual([4, 5]);
});

test("a batch behind a hole is not taken, and its nonce is told back", () => {
  const ledgers = new Ledgers();
  foldMessage(ledgers, journalMessage(1, 1, events(3)));
  const folded = foldMessage(
    ledgers,
    journalMessage(2, 5, events(1), { head: { nonce: "4.abc" } }),
  );
  expect(folded?.taken).toEqual([]);
  expect(folded?.doubt).toMatchObject({ kind: "expected", expected: 4, nonce: "4.abc" });
});

test("a body that speaks for another gateway is refused", () => {
  const message = journalMessage(1, 1, events(1), { gateway: "g2" });
  const folded = foldMessage(new Ledgers(), { ...message, subject: "tlm.3.g1.live" });
  expect(folded?.taken).toEqual([]);
  expect(folded?.doubt).toMatchObject({ kind: "refused", expected: 1 });
});

test.each([
  ["no zstd", Buffer.from("garbage")],
  ["empty", Buffer.alloc(0)],
])("a body that is %s is refused, and the next batch goes on", (_what, body) => {
  const ledgers = new Ledgers();
  expect(foldMessage(ledgers, journalMessage(1, 1, events(1), { body }))?.doubt?.kind).toBe(
    "refused",
  );
  expect(foldMessage(ledgers, journalMessage(2, 1, events(1)))?.taken).toHaveLength(1);
});

/** As a gateway would send it that is newer than this build. */
function newer(message: JournalMessage, more: Readonly<Record<string, string>> = {}) {
  const headers: Readonly<Record<string, string>> = { "Cw-Version": "9", ...more };
  return { ...message, header: (name: string) => headers[name] ?? message.header(name) };
}

test("a batch of a newer version is not taken, and told back: its gateway keeps it", () => {
  const ledgers = new Ledgers();
  foldMessage(ledgers, journalMessage(1, 1, events(3)));
  const message = journalMessage(2, 4, events(1), { head: { nonce: "4.abc" } });
  const folded = foldMessage(ledgers, newer(message));
  expect(folded).toMatchObject({ taken: [], dead: [], epoch: "1-00000001" });
  expect(folded?.doubt).toMatchObject({ kind: "version", expected: 4, nonce: "4.abc" });
  expect(folded?.doubt?.reason).toContain("upgrade the cloud");
  expect(foldMessage(ledgers, message)?.taken, "once this build reads it").toHaveLength(1);
});

test("a body of a newer version is told back like its head", () => {
  const body = compressBody(Buffer.from('{"v":2}'));
  const folded = foldMessage(new Ledgers(), journalMessage(1, 1, events(1), { body }));
  expect(folded?.doubt).toMatchObject({ kind: "version", expected: 1 });
});

test("a batch of a newer version that does not say which it is becomes a dead letter", () => {
  const folded = foldMessage(
    new Ledgers(),
    newer(journalMessage(1, 1, events(1)), { "Cw-Epoch": "?" }),
  );
  expect(folded?.doubt).toBeUndefined();
  expect(folded?.dead).toMatchObject([{ code: "BATCH_VERSION_UNKNOWN", gateway: "g1" }]);
});

test("without a known offset the time of storing stands in, marked unsynchronised", () => {
  const message = journalMessage(1, 1, events(1), { boots: { boot1: null } });
  expect(foldMessage(new Ledgers(), message)?.taken[0]).toMatchObject({
    receivedAt: message.storedAt,
    timeQuality: "unsynchronised",
  });
});

test("a loss takes its whole stretch and is booked with its reason", () => {
  const ledgers = new Ledgers();
  const loss = {
    kind: "loss" as const,
    device: null,
    topic: null,
    bootMs: 1_000,
    observedAt: null,
    to: 40,
    reason: "disk-full",
    count: 40,
  };
  const folded = foldMessage(ledgers, journalMessage(1, 1, [loss, ...events(1)]));
  expect(folded?.taken.map(({ position }) => position)).toEqual([1, 41]);
  expect(ledgers.of("g1").epochs()[0]?.logs.telemetry).toMatchObject({
    through: 41,
    stretches: [{ from: 1, to: 40, state: "lost", reason: "disk-full" }],
  });
});

test("an older epoch that comes after a newer one is late; before it, it is not", () => {
  const ledgers = new Ledgers();
  const older = { head: { epoch: "1-00000001" } };
  const before = { epoch: "1-00000001", ends: { telemetry: 9, priority: 0 } };
  const newer = { head: { epoch: "2-00000002", before } };
  expect(foldMessage(ledgers, journalMessage(1, 1, events(1), older))?.taken[0]?.late).toBe(false);
  expect(foldMessage(ledgers, journalMessage(2, 1, events(1), newer))?.taken[0]?.late).toBe(false);
  expect(foldMessage(ledgers, journalMessage(3, 2, events(1), older))?.taken[0]?.late).toBe(true);
});

test("a successor's batches tell the ends of its predecessor, also when they repeat", () => {
  const ledgers = new Ledgers();
  foldMessage(ledgers, journalMessage(1, 1, events(3)));
  const before = { epoch: "1-00000001", ends: { telemetry: 3, priority: 0 } };
  foldMessage(ledgers, journalMessage(2, 1, events(1), { head: { epoch: "2-00000002", before } }));
  expect(ledgers.of("g1").epochs()[0]?.logs.telemetry.end).toBe(3);
});

test("messages that are none of a gateway's are passed over", () => {
  const message = { ...journalMessage(1, 1, events(1)), subject: "clk" };
  expect(foldMessage(new Ledgers(), message)).toBeUndefined();
});

test("a batch that is refused tells no ends", () => {
  const ledgers = new Ledgers();
  const before = { epoch: "1-00000001", ends: { telemetry: 3, priority: 0 } };
  const head = { epoch: "2-00000002", before };
  foldMessage(ledgers, journalMessage(1, 1, events(1), { head, body: Buffer.from("garbage") }));
  expect(ledgers.of("g1").epochs()[0]?.logs.telemetry.end).toBeUndefined();
});

test("what the gateway no longer kept is booked as lost by a rollback, and found with its range", () => {
  const ledgers = new Ledgers();
  const place = { device: null, topic: null, bootMs: 1_000, observedAt: null };
  const loss = { kind: "loss" as const, ...place, to: 40, reason: "not-kept", count: 40 };
  const folded = foldMessage(ledgers, journalMessage(1, 1, [loss]));
  expect(ledgers.of("g1").epochs()[0]?.logs.telemetry.stretches).toEqual([
    { from: 1, to: 40, state: "lost", reason: "rollback" },
  ]);
  expect(folded?.findings).toMatchObject([{ kind: "loss", from: 1, to: 40, reason: "rollback" }]);
});

test("a roll-up is booked as thinned over its range, and where it overlaps only over the rest", () => {
  const ledgers = new Ledgers();
  foldMessage(ledgers, journalMessage(1, 1, events(3)));
  const folded = foldMessage(ledgers, journalMessage(2, 2, [rollupEvent(9), ...events(1)]));
  expect(folded?.taken.map(({ position, event }) => [position, event.kind])).toEqual([
    [4, "rollup"],
    [10, "reading"],
  ]);
  expect(folded?.findings, "nothing was lost").toEqual([]);
  const [epoch] = ledgers.of("g1").epochs();
  expect(epoch?.logs.telemetry).toMatchObject({
    through: 10,
    stretches: [{ from: 4, to: 9, state: "thinned" }],
  });
});

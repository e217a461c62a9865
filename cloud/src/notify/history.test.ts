// A gateway owes nothing of its history once each epoch that has ended was taken to its end.
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { defaultLedgerBounds } from "../ledger/bounds.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import { owesNothing } from "./history.ts";

const [first, second, third] = ["1-00000001", "2-00000002", "3-00000003"] as EpochId[] as [
  EpochId,
  EpochId,
  EpochId,
];

function owes(ledger: GatewayLedger): boolean {
  ledger.settle();
  return !owesNothing(decodeMark(encodeMark(ledger.mark(1, []))));
}

test("while older epochs are on their way something is owed, and then no more", () => {
  const ledger = new GatewayLedger("gw-1");
  ledger.noteLive(first);
  ledger.noteBefore(first, null);
  ledger.take(first, "telemetry", 10);
  expect(owes(ledger)).toBe(false);
  ledger.noteLive(third);
  ledger.noteBefore(third, { epoch: second, ends: { telemetry: 7, priority: 2 } });
  ledger.take(third, "telemetry", 5);
  expect(owes(ledger)).toBe(true);
  ledger.noteBefore(second, { epoch: first, ends: { telemetry: 12, priority: 0 } });
  ledger.take(second, "telemetry", 7);
  ledger.take(second, "priority", 2);
  expect(owes(ledger)).toBe(true);
  ledger.take(first, "telemetry", 12, { from: 11, to: 12, state: "lost", reason: "not-kept" });
  expect(owes(ledger)).toBe(false);
});

test("a gateway of many lives owes nothing, though its mark names few of them", () => {
  const ledger = new GatewayLedger("gw-1", { ...defaultLedgerBounds, markRowsMax: 8 });
  let before: EpochId | null = null;
  for (let life = 1; life <= 100; life++) {
    const epoch = `${life}-${`${life}`.padStart(8, "0")}` as EpochId;
    ledger.noteLive(epoch);
    const ends = { telemetry: 3, priority: 0 };
    ledger.noteBefore(epoch, before === null ? null : { epoch: before, ends });
    ledger.take(epoch, "telemetry", 3);
    expect(owes(ledger)).toBe(false);
    before = epoch;
  }
});

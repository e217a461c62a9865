// Of an epoch's log exactly the next position is taken; nothing is forgotten, nothing waits for ever.

import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { describe, expect, test } from "vitest";
import { GatewayLedger } from "./ledger.ts";

const first = "1-00000001";
const second = "2-00000002";

function ledgerWith(through: number): GatewayLedger {
  const ledger = new GatewayLedger("g1");
  ledger.take(first, "telemetry", through);
  return ledger;
}

describe("what is judged", () => {
  test.each([
    { through: 0, from: 1, to: 5, judged: { kind: "taken", from: 1, effect: true } },
    { through: 5, from: 6, to: 9, judged: { kind: "taken", from: 6, effect: true } },
    { through: 5, from: 3, to: 9, judged: { kind: "taken", from: 6, effect: true } },
    { through: 5, from: 1, to: 5, judged: { kind: "repeat" } },
    { through: 5, from: 7, to: 9, judged: { kind: "expected", expected: 6 } },
  ])("after $through, positions $from to $to are $judged.kind", ({ through, from, to, judged }) => {
    expect(ledgerWith(through).judge(first, "telemetry", from, to)).toEqual(judged);
  });

  test("the logs and the epochs of a gateway are accounted for apart", () => {
    const ledger = ledgerWith(5);
    expect(ledger.expected(first, "priority")).toBe(1);
    expect(ledger.expected(second, "telemetry")).toBe(1);
  });
});

test("an epoch that ended long ago is known for ever: what comes of it again is a repeat (L2)", () => {
  let ledger = new GatewayLedger("g1");
  for (let ordinal = 1; ordinal <= 300; ordinal++) {
    const epoch = `${ordinal}-0000000a`;
    ledger.take(epoch, "telemetry", 5);
    for (const log of ["telemetry", "priority"] as const)
      ledger.noteEnd(epoch, log, log === "telemetry" ? 5 : 0);
    ledger.noteLive(epoch);
    const mark = decodeMark(encodeMark(ledger.mark(ordinal, [])));
    ledger = ordinal % 2 === 0 ? GatewayLedger.fromMark(mark) : replayUnder(mark);
    ledger.passFloor();
  }
  expect(ledger.judge("1-0000000a", "telemetry", 1, 5)).toEqual({ kind: "repeat" });
  expect(ledger.epochs()).toHaveLength(300);
});

test("an end, once told, does not change", () => {
  const ledger = ledgerWith(5);
  ledger.noteEnd(first, "telemetry", 7);
  ledger.noteEnd(first, "telemetry", 9);
  expect(ledger.epochs()[0]?.logs.telemetry.end).toBe(7);
});

test("adjoining stretches of one cause become one, others stay apart", () => {
  const ledger = ledgerWith(0);
  ledger.take(first, "telemetry", 3, { from: 1, to: 3, state: "lost", reason: "full" });
  ledger.take(first, "telemetry", 5, { from: 4, to: 5, state: "lost", reason: "full" });
  ledger.take(first, "telemetry", 6, { from: 6, to: 6, state: "dead", reason: "malformed" });
  expect(ledger.epochs()[0]?.logs.telemetry.stretches).toEqual([
    { from: 1, to: 5, state: "lost", reason: "full" },
    { from: 6, to: 6, state: "dead", reason: "malformed" },
  ]);
});

describe("late (L6)", () => {
  const [third, fourth] = ["3-00000003", "4-00000004"];

  test("is what is older than the newest epoch seen on live", () => {
    const ledger = ledgerWith(1);
    ledger.noteLive(second);
    expect(ledger.isLate(first, "telemetry", 2)).toBe(true);
    expect(ledger.isLate(second, "telemetry", 1)).toBe(false);
    expect(ledger.isLate(third, "telemetry", 1)).toBe(false);
    ledger.noteLive(first);
    expect(ledger.isLate(first, "telemetry", 2)).toBe(true);
  });

  function restored(): GatewayLedger {
    const ledger = new GatewayLedger("g1");
    ledger.noteBefore(first, null);
    ledger.noteBefore(second, { epoch: first, ends: { telemetry: 9, priority: 0 } });
    ledger.noteBefore(fourth, { epoch: second, ends: { telemetry: 9, priority: 0 } });
    ledger.noteLive(fourth);
    return ledger;
  }

  test("is not what comes of a store that was put back, though its ordinals are lower", () => {
    const ledger = restored();
    const again = "2-0000000b";
    ledger.noteBefore(again, { epoch: first, ends: { telemetry: 5, priority: 0 } });
    expect(ledger.isLate(again, "telemetry", 1)).toBe(false);
    expect(ledger.isLate(second, "telemetry", 1)).toBe(true);
    ledger.noteLive(again);
    ledger.noteLive(fourth);
    for (const live of [again, fourth]) expect(ledger.isLate(live, "telemetry", 1)).toBe(false);
    const reread = GatewayLedger.fromMark(decodeMark(encodeMark(ledger.replayMark(true))));
    for (const live of [again, fourth]) expect(reread.isLate(live, "telemetry", 1)).toBe(false);
    expect(reread.isLate(first, "telemetry", 5)).toBe(true);
  });

  test("is what stands behind one branch, though another came on live before its lineage was known", () => {
    const ledger = new GatewayLedger("g1");
    ledger.noteBefore(first, null);
    ledger.noteBefore(second, { epoch: first, ends: { telemetry: 9, priority: 0 } });
    ledger.noteLive(second);
    const other = "9-0000000b";
    ledger.noteLive(other);
    ledger.noteBefore(other, null);
    expect(ledger.isLate(first, "telemetry", 5)).toBe(true);
  });

  test("is what stands behind a branch that came on live while it seemed to be behind another", () => {
    const ledger = new GatewayLedger("g1");
    ledger.noteBefore(first, null);
    ledger.noteBefore(second, { epoch: first, ends: { telemetry: 9, priority: 0 } });
    const other = "9-0000000b";
    ledger.noteLive(other);
    for (let batch = 0; batch < 2; batch++) ledger.noteLive(second);
    expect(ledger.isLate(second, "telemetry", 1)).toBe(true);
    expect(ledger.replayMark()).toMatchObject({ run: other, runs: [second] });
    const reread = GatewayLedger.fromMark(decodeMark(encodeMark(ledger.replayMark())));
    for (const each of [ledger, reread]) {
      each.noteBefore(other, null);
      expect(each.isLate(first, "telemetry", 9)).toBe(true);
      expect(each.isLate(first, "telemetry", 10)).toBe(false);
      expect(each.isLate(second, "telemetry", 1)).toBe(false);
    }
  });

  test("is not what an epoch goes on with beyond the end that a clone states for it", () => {
    const ledger = new GatewayLedger("g1");
    ledger.noteLive(first);
    ledger.noteBefore(second, { epoch: first, ends: { telemetry: 5, priority: 0 } });
    ledger.noteLive(second);
    expect(ledger.isLate(first, "telemetry", 5)).toBe(true);
    expect(ledger.isLate(first, "telemetry", 6)).toBe(false);
  });
});

function replayUnder(mark: Mark): GatewayLedger {
  const ledger = new GatewayLedger(mark.gateway);
  ledger.layFloor(mark);
  return ledger;
}

describe("a replay under a committed mark", () => {
  const committed = ledgerWith(20);
  committed.take(first, "telemetry", 25, { from: 21, to: 25, state: "lost", reason: "full" });
  const mark = decodeMark(encodeMark(committed.mark(7, [])));

  test("what the mark covers is read again without effect, what follows has effect", () => {
    const ledger = replayUnder(mark);
    expect(ledger.judge(first, "telemetry", 1, 20)).toMatchObject({ kind: "taken", effect: false });
    ledger.take(first, "telemetry", 25);
    expect(ledger.judge(first, "telemetry", 26, 30)).toMatchObject({ kind: "taken", effect: true });
  });

  test("stretches that the mark holds are not booked a second time", () => {
    const ledger = replayUnder(mark);
    ledger.take(first, "telemetry", 20);
    ledger.take(first, "telemetry", 25, { from: 21, to: 25, state: "lost", reason: "full" });
    expect(ledger.mark(8, []).epochs).toEqual(mark.epochs);
  });

  test("a loss that was committed in part, and comes in another cut, is booked from there on", () => {
    const ledger = replayUnder(mark);
    ledger.take(first, "telemetry", 30, { from: 1, to: 30, state: "lost", reason: "rollback" });
    expect(ledger.mark(8, []).epochs[0]?.logs.telemetry.stretches).toEqual([
      { from: 21, to: 25, state: "lost", reason: "full" },
      { from: 26, to: 30, state: "lost", reason: "rollback" },
    ]);
  });

  test("the mark of a replay never says less than was committed", () => {
    const ledger = replayUnder(mark);
    ledger.take(first, "telemetry", 3);
    expect(ledger.mark(8, []).epochs[0]?.logs.telemetry.through).toBe(25);
  });

  test("a hole is waited for until the commit that covers it is passed, then told and passed", () => {
    const ledger = replayUnder(mark);
    ledger.take(first, "telemetry", 10);
    expect(ledger.judge(first, "telemetry", 16, 20)).toMatchObject({ kind: "expected" });
    expect(ledger.passFloor()).toEqual([{ epoch: first, log: "telemetry", from: 11, to: 25 }]);
    expect(ledger.judge(first, "telemetry", 26, 26)).toMatchObject({ kind: "taken", effect: true });
  });

  test("continuing from a mark takes the next position only", () => {
    const ledger = GatewayLedger.fromMark(mark);
    expect(ledger.judge(first, "telemetry", 1, 25)).toEqual({ kind: "repeat" });
    expect(ledger.judge(first, "telemetry", 26, 26)).toMatchObject({ kind: "taken", effect: true });
  });
});

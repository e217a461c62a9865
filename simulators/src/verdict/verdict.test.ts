// What a verdict calls lost, repeated, re-sent, misordered and late, and what it does not.
import { expect, test } from "vitest";
import { examplesMax, Verdict } from "./verdict.ts";

interface Line {
  readonly device?: string;
  readonly seq: number;
  readonly epoch?: string;
  readonly position?: number;
  readonly lane?: string;
  readonly gateway?: string;
  readonly receivedAt?: number | string;
  readonly timeQuality?: string;
}

const first = "1-00000000";
const second = "2-00000000";

/** The two lines of one event: a value and the sequence number. */
function tail(line: Line): readonly string[] {
  const { device = "pump", seq, epoch = first, position = seq, lane = "live" } = line;
  const { gateway = "site", receivedAt = 1_000 + seq, timeQuality = "synchronised" } = line;
  const id = `${gateway}/${epoch}/telemetry/${position}`;
  const common = { gateway, device, receivedAt, timeQuality, lane, quality: "good" };
  return [
    JSON.stringify({ id: `${id}/0`, ...common, metric: "temperature", value: 21 }),
    JSON.stringify({ id: `${id}/1`, ...common, metric: "seq", value: seq }),
  ];
}

function acked(seq: number, extra: object = {}): string {
  return JSON.stringify({ device: "pump", topic: "t", seq, hash: "", ackedAt: 1_005, ...extra });
}

function judge(ackedLines: readonly string[], tailLines: readonly Line[], gateway?: string) {
  const verdict = new Verdict({ gateway });
  for (const line of ackedLines) expect(verdict.ackedLine(line)).toBe(true);
  for (const line of tailLines.flatMap(tail)) verdict.tailLine(line);
  return verdict.result();
}

const none = { lost: 0, repeated: 0, misordered: 0, late: 0, resent: 0, unacknowledged: 0 };

test("everything acknowledged and taken once in order is good", () => {
  const result = judge([acked(1), acked(2)], [{ seq: 1 }, { seq: 2 }]);
  expect(result).toMatchObject({ good: true, acked: 2, taken: 2, unreadable: 0, ...none });
});

test("what was acknowledged and never came is lost", () => {
  const result = judge([acked(1), acked(2), acked(3)], [{ seq: 1 }, { seq: 3 }]);
  expect(result).toMatchObject({ ...none, good: false, lost: 1, taken: 2 });
  expect(result.examples.lost).toEqual([
    { device: "pump", seq: 2, detail: "acknowledged, never taken" },
  ]);
});

test("one event id twice is repeated, once an event, not once a reading", () => {
  const result = judge([acked(1), acked(2)], [{ seq: 1 }, { seq: 2 }, { seq: 1 }]);
  expect(result).toMatchObject({ ...none, good: false, repeated: 1 });
  const again = judge([acked(1)], [{ seq: 1 }, { seq: 1 }]);
  expect(again).toMatchObject({ ...none, good: false, repeated: 1 });
});

test("one publish as two events is repeated where it was sent once", () => {
  const result = judge([acked(1)], [{ seq: 1 }, { seq: 1, position: 2 }]);
  expect(result).toMatchObject({ ...none, good: false, repeated: 1, taken: 1 });
});

test("one publish as two events is re-sent, and no fault, where the client sent it again", () => {
  const lines = [{ seq: 1 }, { seq: 1, position: 2 }];
  expect(judge([acked(1, { resends: 1 })], lines)).toMatchObject({
    ...none,
    good: true,
    resent: 1,
  });
  const thrice = [...lines, { seq: 1, position: 3 }];
  const result = judge([acked(1, { resends: 1 })], thrice);
  expect(result).toMatchObject({ ...none, good: false, resent: 1, repeated: 1 });
});

test("a publish whose acknowledgement was never seen may come, even twice", () => {
  const result = judge([acked(1)], [{ seq: 1 }, { seq: 2 }, { seq: 2, position: 3 }]);
  expect(result).toMatchObject({ ...none, good: true, unacknowledged: 1, resent: 1 });
});

test("an earlier publish after a later one is misordered", () => {
  const lines = [
    { seq: 2, position: 1 },
    { seq: 1, position: 2 },
  ];
  const result = judge([acked(1), acked(2)], lines);
  expect(result).toMatchObject({ ...none, good: false, misordered: 1 });
  expect(result.examples.misordered[0]?.detail).toContain("after seq 2");
});

test("another device, log or gateway in between misorders nothing", () => {
  const lines = [{ seq: 5, device: "fan" }, { seq: 1 }, { seq: 9, gateway: "other" }, { seq: 2 }];
  expect(judge([acked(1), acked(2)], lines)).toMatchObject({ good: true, misordered: 0 });
});

test("an older epoch that is caught up with later is late and not misordered", () => {
  const lines = [
    { seq: 3, epoch: second, position: 1 },
    { seq: 1, lane: "history" },
    { seq: 2, lane: "history" },
  ];
  const result = judge([acked(1), acked(2), acked(3)], lines);
  expect(result).toMatchObject({ ...none, good: true, late: 2 });
});

test("within an older epoch order counts all the same", () => {
  const lines = [
    { seq: 3, epoch: second, position: 1 },
    { seq: 2, position: 1, lane: "history" },
    { seq: 1, position: 2, lane: "history" },
  ];
  const result = judge([acked(1), acked(2), acked(3)], lines);
  expect(result).toMatchObject({ ...none, good: false, late: 2, misordered: 1 });
});

test("a newer epoch that goes back is misordered", () => {
  const lines = [
    { seq: 2, position: 1 },
    { seq: 1, epoch: second, position: 1 },
  ];
  expect(judge([acked(1), acked(2)], lines)).toMatchObject({ misordered: 1, late: 0 });
});

test("only the named gateway is looked at", () => {
  const lines = [{ seq: 1 }, { seq: 1, gateway: "other" }];
  expect(judge([acked(1)], lines, "site")).toMatchObject({ ...none, good: true });
  expect(judge([acked(1)], lines)).toMatchObject({ repeated: 1 });
});

test("lateness is received minus acknowledged, over times that can be trusted", () => {
  const lines = [
    { seq: 1, receivedAt: 1_001 },
    { seq: 2, receivedAt: new Date(1_015).toISOString() },
    { seq: 3, receivedAt: 9_000, timeQuality: "unsynchronised" },
  ];
  const result = judge([acked(1), acked(2), acked(3)], lines);
  expect(result.lateness).toEqual({ count: 2, p50Ms: -4, p99Ms: 10 });
  expect(judge([], []).lateness).toBeNull();
});

test("nothing acknowledged proves nothing and is not good", () => {
  expect(judge([], [{ seq: 1 }]).good).toBe(false);
});

test("events of other kinds are passed over", () => {
  const verdict = new Verdict();
  verdict.ackedLine(acked(1));
  const id = `site/${first}/telemetry/2`;
  verdict.tailLine(
    JSON.stringify({ id, gateway: "site", kind: "loss", lane: "live", device: null }),
  );
  for (const line of tail({ seq: 1 })) verdict.tailLine(line);
  expect(verdict.result()).toMatchObject({ ...none, good: true, unreadable: 0 });
});

test("lines that are no readings are told and not good", () => {
  const verdict = new Verdict();
  verdict.ackedLine(acked(1));
  for (const line of tail({ seq: 1 })) verdict.tailLine(line);
  for (const line of ["half a li", '{"id":"x"}', "null", ""]) verdict.tailLine(line);
  expect(verdict.result()).toMatchObject({ good: false, unreadable: 3, lost: 0 });
});

test("a publish that is acknowledged twice is told: the file is of two runs", () => {
  const verdict = new Verdict();
  expect(verdict.ackedLine(acked(1))).toBe(true);
  expect(verdict.ackedLine(acked(1))).toBe(false);
});

test("examples are few however much is wrong", () => {
  const lines = Array.from({ length: 1_000 }, (_, index) => acked(index + 1));
  const result = judge(lines, []);
  expect(result.lost).toBe(1_000);
  expect(result.examples.lost.length).toBe(examplesMax);
});

// A receiver that is away is left alone, and tried as soon as it may be back.
import { expect, test } from "vitest";
import type { Circuit } from "./circuit.ts";
import { admit, afterAttempt, closedCircuit, failuresMax, openMs } from "./circuit.ts";

const away = { kind: "retry", reason: "HTTP 503" } as const;

function failed(times: number, nowMs: number, from: Circuit = closedCircuit): Circuit {
  let circuit = from;
  for (let index = 0; index < times; index++) circuit = afterAttempt(circuit, away, nowMs);
  return circuit;
}

test("fewer failures than the bound hold nothing up", () => {
  expect(admit(failed(failuresMax - 1, 0), 0)).toMatchObject({ kind: "go" });
});

test("after the bound nothing is sent until the time is over; then one try decides (C1)", () => {
  const open = failed(failuresMax, 100);
  expect(admit(open, 100)).toEqual({
    kind: "wait",
    afterMs: openMs.first,
    reason: "not tried after 5 failures: HTTP 503",
  });
  const probe = admit(open, 100 + openMs.first);
  if (probe.kind !== "go") throw new Error("the circuit stays open for ever");
  const behind = admit(probe.circuit, 100 + openMs.first);
  expect(behind).toMatchObject({ kind: "wait", afterMs: 1_000 });
  const closed = afterAttempt(probe.circuit, { kind: "delivered" }, 9_000);
  expect(closed).toEqual(closedCircuit);
});

test("each try that fails doubles the time, to a bound (C1)", () => {
  let circuit = failed(failuresMax, 0);
  const waits: number[] = [];
  let nowMs = 0;
  for (let index = 0; index < 7; index++) {
    waits.push(circuit.openUntilMs - nowMs);
    nowMs = circuit.openUntilMs;
    const probe = admit(circuit, nowMs);
    if (probe.kind !== "go") throw new Error("no try");
    circuit = afterAttempt(probe.circuit, away, nowMs);
  }
  expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("a receiver that asks for time gets it at once, within a bound (C2)", () => {
  const asked = afterAttempt(closedCircuit, { ...away, afterMs: 60_000 }, 0);
  expect(admit(asked, 59_999)).toMatchObject({ kind: "wait", afterMs: 1 });
  expect(admit(asked, 60_000)).toMatchObject({ kind: "go" });
  const long = afterAttempt(closedCircuit, { ...away, afterMs: 10 ** 9 }, 0);
  expect(long.openUntilMs).toBe(600_000);
});

test("what is refused shows that the receiver is there (C3)", () => {
  const refused = { kind: "refused", reason: "HTTP 400" } as const;
  expect(afterAttempt(failed(failuresMax - 1, 0), refused, 0)).toEqual(closedCircuit);
});

test("a try that was cut off says nothing, and the next one may be made", () => {
  const open = failed(failuresMax, 0);
  const probe = admit(open, openMs.first);
  if (probe.kind !== "go") throw new Error("no try");
  const after = afterAttempt(probe.circuit, undefined, openMs.first);
  expect(after).toEqual(open);
  expect(admit(after, openMs.first)).toMatchObject({ kind: "go" });
});

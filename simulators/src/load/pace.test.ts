// The goal: in an open loop the connections together keep the rate, evenly in time.
import { expect, test } from "vitest";
import { closedLoop, openLoop } from "./pace.ts";

test("four connections at 1,000 messages a second have one due every millisecond", () => {
  const paces = [0, 1, 2, 3].map((number) => openLoop(1_000, number, 4, 500));
  const due = [0, 1, 2].flatMap((index) => paces.map((pace) => pace.dueMs(index)));
  expect(due).toEqual([500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511]);
});

test("in a closed loop everything is due at once", () => {
  expect(closedLoop.dueMs(1_000_000)).toBeLessThan(0);
});

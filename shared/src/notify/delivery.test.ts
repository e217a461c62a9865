// One who cannot be told must neither lose an alert nor hold back all others for ever.

import { expect, test } from "vitest";
import { seededRandom } from "../random.ts";
import {
  askedDelayMsMax,
  deliverySchedule,
  giveUpAfterMs,
  judgeStatus,
  stepAfter,
} from "./delivery.ts";

const random = seededRandom("delivery");

test.each([200, 201, 204])("%d is delivered", (status) => {
  expect(judgeStatus(status, null)).toEqual({ kind: "delivered" });
});

test.each([400, 401, 404, 410, 413])("%d is refused for good", (status) => {
  expect(judgeStatus(status, null)).toEqual({ kind: "refused", reason: `HTTP ${status}` });
});

test.each([301, 307, 408, 429, 500, 502, 503])("%d is tried again", (status) => {
  expect(judgeStatus(status, null)).toEqual({ kind: "retry", reason: `HTTP ${status}` });
});

test("a receiver that asks for time gets it, within a bound", () => {
  const attempt = judgeStatus(503, "120");
  expect(attempt).toMatchObject({ afterMs: 120_000 });
  const step = stepAfter(attempt, { count: 1, ageMs: 0 }, random);
  expect(step).toMatchObject({ kind: "wait" });
  if (step.kind === "wait") expect(step.delayMs).toBeGreaterThanOrEqual(120_000);
  const long = stepAfter(judgeStatus(429, "999999"), { count: 1, ageMs: 0 }, random);
  if (long.kind === "wait") expect(long.delayMs).toBeLessThanOrEqual(askedDelayMsMax + 500);
  expect(judgeStatus(503, "Wed, 21 Oct 2026 07:28:00 GMT")).not.toHaveProperty("afterMs");
});

test("tries grow rarer, at most a minute apart, and go on for a day", () => {
  for (let count = 1; count <= 2_000; count++) {
    const tries = { count, ageMs: giveUpAfterMs - 1 };
    const step = stepAfter({ kind: "retry", reason: "HTTP 503" }, tries, random);
    if (step.kind !== "wait") throw new Error(`try ${count} was the last`);
    const ceilingMs = Math.min(deliverySchedule.maxMs, 500 * 2 ** (count - 1));
    expect(step.delayMs).toBeLessThan(ceilingMs);
  }
});

test("after a day one is given up, so that those behind it are told", () => {
  const tries = { count: 1_500, ageMs: giveUpAfterMs };
  const step = stepAfter({ kind: "retry", reason: "HTTP 503" }, tries, random);
  expect(step).toEqual({ kind: "dead", reason: "HTTP 503; given up" });
});

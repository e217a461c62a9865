import { expect, test } from "vitest";
import { isGood, liveText, Rate, summaryJson, summaryText } from "./report.ts";

const counts = {
  sent: 22_695,
  acknowledged: 22_690,
  inFlight: 5,
  resent: 0,
  skipped: 0,
  badRows: 0,
};
const summary = {
  command: "replay",
  counts,
  failed: 5,
  complete: true,
  everOnline: true,
  elapsedMs: 2_000,
};

test("a run is good when nothing failed and a broker was there", () => {
  expect(isGood(summary)).toBe(false);
  expect(isGood({ ...summary, failed: 0 })).toBe(true);
  expect(isGood({ ...summary, failed: 0, everOnline: false })).toBe(false);
});

test("the summary for people names what there is and leaves out what there is not", () => {
  expect(summaryText(summary)).toBe(
    "replay ended after 2.0 s: 22,695 sent, 22,690 acknowledged (11,345/s), 5 failed",
  );
  const worse = { ...summary, complete: false, everOnline: false };
  expect(summaryText({ ...worse, counts: { ...counts, resent: 1_000, skipped: 2 } })).toBe(
    "replay was ended early after 2.0 s: 22,695 sent, 22,690 acknowledged (11,345/s), 5 failed, " +
      "1,000 re-sent, 2 skipped; no broker ever answered",
  );
});

test("the summary for programs has every count", () => {
  expect(JSON.parse(summaryJson(summary))).toEqual({
    command: "replay",
    good: false,
    complete: true,
    sent: 22_695,
    acked: 22_690,
    failed: 5,
    inFlight: 5,
    resent: 0,
    skipped: 0,
    badRows: 0,
    elapsedMs: 2_000,
    perSecond: 11_345,
  });
});

test("the live line fits its terminal and holds nothing that moves the cursor", () => {
  const progress = { command: "fleet", counts, connections: 2, online: 1, offlineReason: "a\nb" };
  expect(liveText(progress, 40, 200)).toBe(
    "fleet  1/2 connected  22,695 sent  22,690 acknowledged  5 in flight  40/s  a b",
  );
  expect(liveText(progress, 40, 21)).toBe("fleet  1/2 connected");
});

test("the rate is that of the last second", () => {
  const rate = new Rate();
  expect(rate.perSecond(0, 0)).toBe(0);
  expect(rate.perSecond(100, 500)).toBe(200);
  expect(rate.perSecond(200, 1_000)).toBe(200);
  expect(rate.perSecond(200, 2_000)).toBe(0);
});

/** Goal: lanes wait for their budget and for nothing else (U10), without asking the cloud or waking in vain. */
import { spansOf } from "@causeway/shared/hours.ts";
import { expect, test } from "vitest";
import { Bench, epochOf, first, second } from "../testing/uplink-bench.ts";
import type { BudgetSettings } from "./budget.ts";
import { noUse } from "./budget.ts";
import { defaultUplinkBounds } from "./uplink.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const noon = Date.parse("2026-05-05T12:00:00Z");
const old = defaultUplinkBounds.freshAfterMs;

/** A link that returned to an old backlog, of which history has 1,000 events; live has what comes. */
function jumped(settings: Partial<BudgetSettings>): Bench {
  const presentMs = (nowMs: number) => noon + nowMs;
  const budget = { settings: { zone: "UTC", ...settings }, use: noUse, presentMs };
  const bench = new Bench([epochOf(first, 1_000)], {}, { budget });
  bench.up();
  bench.finds(10, old);
  const ends = { telemetry: 1_000, priority: 0 };
  const before = { epoch: first, ends };
  bench.step({ kind: "epoch-opened", epoch: { ...epochOf(second, 0), before } });
  return bench;
}

let position = 0;
function appends(bench: Bench, log: "telemetry" | "priority" = "telemetry"): void {
  const last = ++position;
  bench.step({ kind: "appended", epoch: second, log, last, bytes: 100 });
}

const readsOf = (bench: Bench, epoch: string) =>
  bench.of("read").filter((read) => read.epoch === epoch);

test("history waits for its hours, while live goes and the mark is left in peace", () => {
  position = 0;
  const bench = jumped({ hours: { spans: spansOf("22:00-06:00") ?? [], zone: "UTC" } });
  const before = readsOf(bench, first).length;
  for (let minute = 0; minute < 9 * 60; minute++) {
    appends(bench);
    bench.pass(minuteMs);
    const live = readsOf(bench, second).at(-1);
    expect(live?.from, "live goes at once").toBe(position);
    bench.finds(1, 0, 100, live);
    bench.stored();
    bench.mark({ [second]: { telemetry: position } }, minute + 1);
  }
  expect(readsOf(bench, first).length, "until 21:00").toBe(before);
  expect(bench.status().budget.holds).toEqual({
    history: { why: "hours", until: noon + 10 * hourMs, waitsMs: expect.any(Number) },
  });
  const asked = bench.count("ask-mark");
  bench.pass(hourMs + minuteMs);
  expect(bench.count("ask-mark"), "nothing is sent, and no cap could end").toBe(asked);
  expect(readsOf(bench, first).length, "at 22:00").toBe(before + 1);
});

test("a day that is used up holds live until midnight, and alarms go on", () => {
  position = 0;
  const bench = jumped({ bytesPerDay: 100_000 });
  const sendsLive = (bytes: number) => {
    appends(bench);
    bench.pass(100);
    bench.finds(1, 0, bytes, readsOf(bench, second).at(-1));
    const { batch } = bench.last("publish");
    bench.step({ kind: "sent", batchId: batch.id, bytes });
    bench.stored();
    bench.mark({ [second]: { telemetry: position } }, position);
  };
  for (let batch = 0; batch < 9; batch++) sendsLive(10_000);
  expect(bench.of("notice").map(({ name }) => name)).toEqual(["budget-used"]);
  const used = bench.status().budget.day?.usedBytes ?? 0;
  expect(used).toBe(90_000);
  expect(bench.of("keep-use").at(-1)?.use.aheadBytes).toBe(200);
  appends(bench);
  const [reads, asked] = [bench.count("read"), bench.count("ask-mark")];
  bench.pass(11 * hourMs);
  expect(bench.count("read"), "live waits").toBe(reads);
  expect(bench.count("ask-mark")).toBe(asked);
  bench.step({ kind: "appended", epoch: second, log: "priority", last: 1, bytes: 100 });
  bench.pass(100);
  expect(bench.last("read").log).toBe("priority");
  bench.finds(1, 0, 100, bench.last("read"));
  bench.pass(2 * hourMs);
  expect(bench.of("read").at(-1)?.log, "after midnight").toBe("telemetry");
  expect(bench.of("notice")).toHaveLength(1);
});

test("a bound of its own is no reason to ask the cloud", () => {
  position = 0;
  const bench = jumped({ bytesPerSecond: 64 });
  appends(bench);
  bench.pass(100);
  bench.finds(1, 0, 1e6, readsOf(bench, second).at(-1));
  bench.stored();
  bench.mark({ [second]: { telemetry: position } }, 1);
  appends(bench);
  const [reads, asked] = [bench.count("read"), bench.count("ask-mark")];
  bench.pass(hourMs);
  expect([bench.count("read"), bench.count("ask-mark")]).toEqual([reads, asked]);
});

test("marks and what else goes over the wire count for the day", () => {
  const bench = jumped({ bytesPerDay: 100_000 });
  bench.step({ kind: "carried", bytes: 89_999 });
  expect(bench.status().budget.holds.live).toBeUndefined();
  bench.step({ kind: "carried", bytes: 1 });
  expect(bench.status().budget.holds.live?.why).toBe("day");
});

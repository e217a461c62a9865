// What is told of a gateway's backlog is what its heartbeats say, and no more than can be known.
import { compileFleet } from "@causeway/shared/rules/fleet.ts";
import { expect, test } from "vitest";
import { backlogOf, gatewayShown } from "./gateway-shown.ts";
import { GatewayTable, lossReasonsMax, recentHeartbeatsMax } from "./gateway-table.ts";
import { event, taken } from "./testing/taken.ts";

const minute = 60_000;

function beat(table: GatewayTable, at: number, untakenEvents: number, clock = "set"): void {
  const fields = { untakenEvents, outboxBytes: untakenEvents * 100, appended: 9, clock };
  const heartbeat = event({ kind: "system", name: "heartbeat", detail: "", fields });
  table.take(taken({ receivedAt: at, event: heartbeat }));
}

function rowOf(beats: readonly number[]) {
  const table = new GatewayTable(10);
  for (const [index, untaken] of beats.entries()) beat(table, index * minute, untaken);
  const row = table.get("gw-1");
  if (row === undefined) throw new Error("there is no row");
  return row;
}

test.each([
  ["nothing waits", [0, 0, 3], { trend: "steady", etaMs: null }],
  ["one heartbeat says little", [5_000], { trend: "unknown", etaMs: null }],
  ["it grows", [0, 2_000, 5_000], { trend: "growing", etaMs: null }],
  [
    "it drains by 1,000 a minute",
    [0, 6_000, 5_000, 4_000],
    { trend: "draining", etaMs: 4 * minute },
  ],
  ["it stands", [5_000, 5_010, 4_990], { trend: "steady", etaMs: null }],
])("%s", (_what, beats, wanted) => {
  expect(backlogOf(rowOf(beats))).toMatchObject({ events: beats.at(-1), ...wanted });
});

test("a gateway with a budget knows better when it will have sent all, and how much of its day is used", () => {
  const table = new GatewayTable(10);
  const tell = (at: number, untakenEvents: number, more: Record<string, number | null>) => {
    const fields = { untakenEvents, outboxBytes: 1, clock: "set", ...more };
    const heartbeat = event({ kind: "system", name: "heartbeat", detail: "", fields });
    table.take(taken({ receivedAt: at, event: heartbeat }));
    return table.get("gw-1") ?? rowOf([0]);
  };
  tell(0, 6_000, {});
  const told = { drainMs: 36_000_000, budgetBytes: 5e6, budgetBytesMax: 50e6 };
  const row = tell(minute, 5_000, told);
  expect(backlogOf(row)?.etaMs).toBe(36_000_000);
  expect(row.heartbeat?.budget).toEqual({ bytes: 5e6, bytesMax: 50e6 });
  expect(backlogOf(tell(2 * minute, 4_000, { drainMs: null }))?.etaMs, "nobody knows").toBeNull();
  expect(backlogOf(tell(3 * minute, 3_000, {}))?.etaMs).toBe(3 * minute);
});

test("without a heartbeat nothing is known of it", () => {
  const table = new GatewayTable(10);
  table.take(taken());
  expect(backlogOf(table.get("gw-1") ?? rowOf([0]))).toBeNull();
});

test("an older heartbeat that was overtaken changes nothing; those of late are kept, within a bound", () => {
  const table = new GatewayTable(10);
  for (let n = 0; n < recentHeartbeatsMax + 5; n++) beat(table, n * minute, n);
  beat(table, 1, 999);
  const row = table.get("gw-1");
  expect(row?.heartbeat?.untakenEvents).toBe(recentHeartbeatsMax + 4);
  expect(row?.recent).toHaveLength(recentHeartbeatsMax);
  expect(row?.recent.at(-1)).toEqual([(recentHeartbeatsMax + 4) * minute, recentHeartbeatsMax + 4]);
});

test("losses are told by reason, roll-ups as thinned, in bounds", () => {
  const table = new GatewayTable(10);
  table.take(taken({ event: event({ kind: "loss", to: 9, reason: "full", count: 9 }) }));
  table.take(taken({ event: event({ kind: "loss", to: 19, reason: "not-kept", count: 3 }) }));
  const window = [0, 1, 0, 1, 1, 1, 1];
  const series = [{ device: "d", metric: "m", time: "observed", windows: [window] }];
  const rollup = event({ kind: "rollup", to: 29, windowMs: 1_000, series });
  table.take(taken({ position: 20, event: rollup }));
  expect(table.get("gw-1")?.losses).toMatchObject([
    { reason: "full", events: 9 },
    { reason: "rollback", events: 3 },
    { reason: "thinned", events: 10 },
  ]);
  for (let n = 0; n < 100; n++) table.lost("gw-1", `reason-${n}`, 1, n);
  const losses = table.get("gw-1")?.losses ?? [];
  expect(losses).toHaveLength(lossReasonsMax + 1);
  expect(losses.at(-1)).toEqual({
    reason: "other",
    events: 100 - (lossReasonsMax - 3),
    lastAt: 99,
  });
});

test("a gateway is shown with its site, its clock in words, and whether it is silent", () => {
  const table = new GatewayTable(10);
  beat(table, 0, 0, "undated, behind");
  table.stored("gw-1", 3, 10_000, 2);
  const fleet = compileFleet({
    gateways: [{ match: ["gw-*"], site: "north", labels: { line: "1" } }],
    devices: [],
  });
  const row = table.get("gw-1");
  const shown = (now: number) =>
    row && gatewayShown(row, { fleet, firingOf: () => 2, now, silentAfterMs: minute });
  expect(shown(20_000)).toMatchObject({
    ...{ site: "north", labels: { line: "1" }, state: "online", dead: 2, alertsFiring: 2 },
    clock: { state: "undated", text: "not set; events go undated until it is" },
  });
  expect(shown(10_000 + minute)).toMatchObject({ state: "silent" });
});

// The first sentence is true: it says that all is well only where nothing is wrong.
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { compileFleet, emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { expect, test } from "vitest";
import { alertShown } from "./alert-shown.ts";
import type { GatewayShown } from "./gateway-shown.ts";
import type { OverviewSources } from "./overview.ts";
import { findingsOf, problemsMax } from "./overview.ts";

const now = 10 * 24 * 3_600_000;
const fleet = compileFleet(emptyFleet);

function gateway(over: Partial<GatewayShown> = {}): GatewayShown {
  return {
    ...{ gateway: "gw-1", name: "", site: "", labels: {}, state: "online", version: "1" },
    ...{ epoch: "1-00000001", receivedAt: now, storedAt: now, firstSeen: null, events: 1 },
    ...{ readings: 1, late: 0, quarantined: 0, dead: 0, devices: 1, heartbeat: null },
    ...{ backlog: null, clock: { state: "set", text: "set" }, losses: [], alertsFiring: 0 },
    ...over,
  };
}

function found(over: Partial<OverviewSources> = {}) {
  const sources = { reasons: [], gateways: [gateway()], alerts: [], deadGroups: [], now };
  const rest = { refusedRules: [], receivers: [], hasEvicted: false };
  return findingsOf({ ...sources, ...rest, ...over });
}

function alert(over: Parameters<typeof transition>[0] = {}, standing = {}) {
  const firing = transition(over);
  return alertShown({ first: firing, last: firing }, fleet, standing);
}

test("all is well where nothing is wrong, and it says how many gateways that are", () => {
  expect(found()).toEqual({
    ...{ verdict: "The gateway is up to date; nothing was lost.", isWell: true, problems: [] },
  });
  const twelve = Array.from({ length: 12 }, (_, n) => gateway({ gateway: `g${n}` }));
  expect(found({ gateways: twelve }).verdict).toBe(
    "All 12 gateways are up to date; nothing was lost.",
  );
  expect(found({ gateways: [] }).verdict).toBe("No gateway has reported yet.");
  const old = [{ reason: "full", events: 3, lastAt: 0 }];
  expect(found({ gateways: [gateway({ losses: old })] })).toMatchObject({
    ...{ verdict: "The gateway is up to date.", isWell: true },
  });
});

test("the gravest stands first, and the sentence counts what is wrong", () => {
  const { verdict, isWell, problems } = found({
    alerts: [alert({ id: "a", severity: "warning" }), alert({ id: "b", severity: "critical" })],
    gateways: [
      gateway({ state: "silent" }),
      gateway({ gateway: "gw-2", losses: [{ reason: "full", events: 7, lastAt: now }] }),
      gateway({ gateway: "gw-3", clock: { state: "behind", text: "behind" } }),
    ],
  });
  expect(isWell).toBe(false);
  expect(verdict).toBe("2 alerts fire, 1 gateway is silent, 1 loss was stated, 1 clock is wrong.");
  expect(problems[0]).toMatchObject({ kind: "alert", severity: "critical", alert: "b" });
  expect(problems.map(({ kind }) => kind)).toEqual([
    "alert",
    "alert",
    "gateway-silent",
    "loss",
    "clock",
  ]);
});

test("what someone knows of, and what is told by an alert already, is no second problem", () => {
  const acknowledged = { acknowledged: { by: "ann", note: "", at: now } };
  expect(found({ alerts: [alert({}, acknowledged)] })).toMatchObject({
    isWell: true,
    verdict: "The gateway is up to date; nothing was lost. 1 alert fires and is known of.",
  });
  const silent = alert({ rule: "system-gateway-silent", gateway: "gw-1" });
  const { problems, verdict } = found({
    ...{ alerts: [silent], gateways: [gateway({ state: "silent" })] },
  });
  expect(problems.map(({ kind, alert: id }) => [kind, id])).toEqual([
    ["gateway-silent", silent.id],
  ]);
  expect(verdict).toBe("1 gateway is silent: what devices send waits there.");
  const both = found({ alerts: [silent, alert({ id: "other" })] });
  expect(both.verdict).toBe("1 alert fires, 1 gateway is silent.");
});

test("a backlog that drains is news, one that grows is wrong; what is retired is neither", () => {
  const backlog = { events: 5_000, bytes: 1, at: now, etaMs: null };
  const of = (trend: "draining" | "growing", state: GatewayShown["state"] = "online") =>
    found({ gateways: [gateway({ state, backlog: { ...backlog, trend } })] });
  expect(of("draining")).toMatchObject({ isWell: true, problems: [{ severity: "info" }] });
  expect(of("draining").verdict).toBe(
    "One gateway catches up: 5,000 events to come; nothing was lost.",
  );
  expect(of("growing")).toMatchObject({ isWell: false, verdict: "1 gateway falls behind." });
  expect(of("growing", "retired")).toMatchObject({ isWell: true, problems: [] });
});

test("the cloud itself, its rules, receivers and dead letters count too, within a bound", () => {
  const { verdict, problems } = found({
    reasons: ["the engine is starting"],
    refusedRules: [{ source: "RULES:4", reason: "line 3" }],
    receivers: [{ receiver: "ops", waitingFor: "ECONNREFUSED" }, { receiver: "log" }],
    deadGroups: [
      {
        ...{ id: "1", kind: "notification", gateway: null, receiver: "ops", reason: "404" },
        ...{
          topic: null,
          counted: 0,
          detail: "",
          count: 2,
          firstAt: now,
          lastAt: now,
          samples: [],
        },
      },
    ],
  });
  expect(verdict).toBe(
    "The cloud is not ready, 1 receiver takes nothing, 1 kind of message is refused, changed rules are not in force.",
  );
  expect(problems[0]).toMatchObject({ kind: "not-ready", severity: "critical" });
  const many = Array.from({ length: 500 }, (_, n) => alert({ id: `a${n}` }));
  expect(found({ alerts: many }).problems).toHaveLength(problemsMax);
});

test("where latest values are left out for want of room, it is said, and is no fault", () => {
  const { isWell, problems } = found({ hasEvicted: true });
  expect({ isWell, problems }).toMatchObject({
    ...{ isWell: true, problems: [{ kind: "series-full", severity: "info" }] },
  });
});

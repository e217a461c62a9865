/**
 * Goal: rules over several series take the way of all others: a gateway's time drives them, a replay
 * finds the same, and what is not live moves nothing that is.
 */

import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { describe, expect, test } from "vitest";
import type { TakenEvent } from "../ingest/fold.ts";
import { faultsOfExamples } from "./example-replay.ts";
import type { RulesState, Told } from "./gateway-step.ts";
import { takeEvent, takeTick } from "./gateway-step.ts";

const door = {
  name: "door-open-while-warming",
  when: {
    all: [
      { metric: "door", is: "on", for: "1m" },
      { metric: "t", is: "value > -15" },
    ],
  },
  for: "2m",
  message: "{device}: door open at {value} {unit}",
  emit: { name: "door-ajar", value: "value" },
};
const cold = { name: "cold", when: { metric: "t", is: "value < -15" }, emit: "cold" };
const follower = { name: "ajar-too-often", when: { derived: "door-ajar" }, by: "gateway" };

const alertingOf = (rules: unknown) => createAlerting(compileRules(rulesSchema.parse(rules)));

function reading(second: number, metric: string, value: number | boolean, more = {}): TakenEvent {
  return taken(second, {
    kind: "reading",
    device: "freezer-1",
    readings: [{ metric, value, quality: "good", unit: "Cel" }],
    ...more,
  });
}

const heartbeat = (second: number, untakenEvents: number) => ({
  ...taken(second, { kind: "system", name: "heartbeat", detail: "", fields: { untakenEvents } }),
  log: "priority" as const,
});

function taken(second: number, body: object): TakenEvent {
  const place = { device: null, topic: null, bootMs: second * 1_000, observedAt: null };
  return {
    ...{ id: `g/1-00000001/telemetry/${second + 1}`, gateway: gatewayId("g"), lane: "live" },
    ...{ epoch: "1-00000001", log: "telemetry", position: second + 1 },
    ...{ event: eventSchema.parse({ ...place, ...body }), receivedAt: second * 1_000 },
    ...{ timeQuality: "synchronised", late: false, effect: true },
  };
}

type Step = TakenEvent | { readonly tick: number };

class Gateway {
  readonly alerting: Alerting;
  state: RulesState;

  constructor(alerting: Alerting) {
    this.alerting = alerting;
    this.state = { detection: alerting.detection("g"), alerts: alerting.alerts() };
  }

  take(step: Step, hasEffect = true): Told {
    if (!("tick" in step)) {
      return takeEvent(this.alerting, this.state, { ...step, effect: hasEffect });
    }
    const moment = { id: `clk/${step.tick / 5}`, gateway: "g", at: step.tick * 1_000 };
    return takeTick(this.alerting, this.state, moment, hasEffect);
  }
}

const wordsOf = ({ transitions, derived }: Told) => [
  ...transitions.map(({ rule, state, at }) => `${rule} ${state} ${at / 1_000}`),
  ...derived.map(({ name }) => name),
];

/** Door open from 0, warm from 10, cold at 300; a tick every 5 s, heartbeats with nothing left. */
function story(): Step[] {
  const steps: Step[] = [reading(0, "door", true), reading(10, "t", -10)];
  for (let second = 15; second <= 330; second += 5) {
    if (second % 60 === 0) steps.push(heartbeat(second, 0));
    if (second === 300) steps.push(reading(second, "t", -20));
    steps.push({ tick: second });
  }
  return steps;
}

test("a condition over two series fires, emits, and moves the rule that waits for it", () => {
  const gateway = new Gateway(alertingOf([door, follower]));
  const told = story().map((step) => gateway.take(step));
  expect(told.flatMap(wordsOf)).toEqual([
    ...["door-open-while-warming firing 180", "ajar-too-often firing 180", "door-ajar"],
    ...["ajar-too-often resolved 180.001", "door-open-while-warming resolved 300"],
  ]);
  const [firing, other] = told.flatMap(({ transitions }) => transitions);
  expect(firing).toMatchObject({
    ...{ device: "freezer-1", metric: "", value: -10 },
    reason: "freezer-1: door open at -10 Cel",
  });
  expect(other).toMatchObject({ device: "", metric: "" });
});

test("the same is told, with the same ids, wherever an engine crashes and begins from a snapshot", () => {
  const alerting = alertingOf([door, follower, cold]);
  const steps = story();
  const whole = new Gateway(alerting);
  const expected = steps.map((step) => whole.take(step));
  expect(expected.flatMap(wordsOf)).toHaveLength(7);
  for (let crash = 1; crash < steps.length; crash++) {
    const gateway = new Gateway(alerting);
    const kept = Math.max(0, crash - 7);
    const before = steps.slice(0, kept).map((step) => gateway.take(step));
    const text = alerting.encodeDetection(gateway.state.detection);
    before.push(...steps.slice(kept, crash).map((step) => gateway.take(step)));
    gateway.state = {
      detection: alerting.decodeDetection(text, "g"),
      alerts: alerting.decodeAlerts(alerting.encodeAlerts(gateway.state.alerts), "g"),
    };
    for (const step of steps.slice(kept, crash)) {
      expect(gateway.take(step, false)).toEqual({ transitions: [], derived: [], site: [] });
    }
    const after = steps.slice(crash).map((step) => gateway.take(step));
    expect([...before, ...after]).toEqual(expected);
  }
});

describe("a gateway's time", () => {
  const silent = { name: "silent", detector: "absence", after: "1m" };
  const isSilent = (...steps: Step[]) => {
    const gateway = new Gateway(alertingOf([silent]));
    const told = [reading(0, "t", 1), ...steps].flatMap((step) => wordsOf(gateway.take(step)));
    return told.length > 0;
  };

  test("goes on with telemetry and with heartbeats that leave nothing behind", () => {
    const other = reading(100, "t", 1, { device: "other" });
    expect(isSilent(other, { tick: 105 })).toBe(true);
    expect(isSilent(heartbeat(100, 0), { tick: 105 })).toBe(true);
  });

  test("stands still while the gateway is offline, and while its backlog is on its way", () => {
    const other = reading(100, "t", 1, { device: "other" });
    expect(isSilent({ tick: 100_000 })).toBe(false);
    expect(isSilent(heartbeat(100, 3), { tick: 105 })).toBe(false);
    expect(isSilent({ ...other, late: true }, { tick: 105 })).toBe(false);
    expect(isSilent({ ...other, timeQuality: "unsynchronised" }, { tick: 105 })).toBe(false);
  });
});

test("text, yes and no, and readings of bad quality reach patterns", () => {
  const rule = (is: string) => ({ name: "seen", when: { metric: "m", is } });
  const seen = (is: string, value: unknown, quality = "good") => {
    const gateway = new Gateway(alertingOf([rule(is)]));
    const body = { kind: "reading", device: "d", readings: [{ metric: "m", value, quality }] };
    return wordsOf(gateway.take(taken(1, body))).length > 0;
  };
  expect(seen('text == "stuck"', "stuck")).toBe(true);
  expect(seen("on", true)).toBe(true);
  expect(seen('quality == "bad"', null, "bad")).toBe(true);
  expect(seen("value > 1.0", 5, "bad")).toBe(false);
});

test("what rules in shadow emit reaches no live rule", () => {
  const gateway = new Gateway(alertingOf([{ ...door, mode: "shadow" }, follower]));
  const told = story().map((step) => gateway.take(step));
  const [firing, resolved, ...more] = told.flatMap(({ transitions }) => transitions);
  expect([firing?.shadow, resolved?.shadow, more]).toEqual([true, true, []]);
  expect(told.flatMap(({ derived }) => derived)).toMatchObject([{ shadow: true }]);
});

test("examples take the same way", () => {
  const given = [
    { at: "0s", device: "f", metric: "door", value: true },
    { at: "10s", device: "f", metric: "t", value: -10 },
    { at: "5m" },
  ];
  const run = (at: string) => {
    const expected = [{ at, state: "firing", device: "f" }];
    const rules = rulesSchema.parse([
      { ...door, examples: [{ given, expect: expected }] },
      follower,
    ]);
    return faultsOfExamples(rules);
  };
  expect(run("3m")).toEqual([]);
  expect(run("4m")).toHaveLength(1);
});

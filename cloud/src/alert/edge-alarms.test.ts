/** Goal: what a gateway's own rules find is an alert in the cloud, once, and told as news only while it is. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { AlarmTransition } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { beforeEach, describe, expect, test } from "vitest";
import type { TakenEvent } from "../ingest/fold.ts";
import type { RulesState } from "./gateway-step.ts";
import { takeEvent, takeTick } from "./gateway-step.ts";

const tooWarm = { name: "too-warm", detector: "limits", hi: 30, metrics: ["t"] };
const other = { name: "other", detector: "limits", hi: 30, metrics: ["t"] };
const alerting = createAlerting(compileRules(rulesSchema.parse([tooWarm, other])));

let state: RulesState;
let position = 0;

beforeEach(() => {
  state = { detection: alerting.detection("g"), alerts: alerting.alerts() };
  position = 0;
});

interface When {
  /** Seconds at which the gateway had it, and the journal. */
  readonly at: number;
  readonly storedAt?: number;
}

function take(body: object, { at, storedAt = at }: When): readonly string[] {
  position += 1;
  const place = { device: null, topic: null, bootMs: at * 1_000, observedAt: null };
  const event = eventSchema.parse({ ...place, ...body });
  const log = event.kind === "reading" ? "telemetry" : "priority";
  const taken: TakenEvent = {
    ...{ id: `g/1-00000001/${log}/${position}`, gateway: gatewayId("g"), lane: "live", log },
    ...{ epoch: "1-00000001" as TakenEvent["epoch"], position, event, receivedAt: at * 1_000 },
    ...{ storedAt: storedAt * 1_000, timeQuality: "synchronised", late: false, effect: true },
  };
  const told = takeEvent(alerting, state, taken).transitions;
  // What a commit holds is all that is known after a crash.
  state.alerts = alerting.decodeAlerts(alerting.encodeAlerts(state.alerts), "g");
  return told.map(shortOf);
}

function shortOf({ rule, state: now, id, late, raisedBy }: AlertTransition): string {
  const how = `${late ? " late" : ""}${raisedBy === undefined ? "" : ` by ${raisedBy}`}`;
  return `${rule} ${now} ${id.length === 24 ? "own" : id}${how}`;
}

const reading = (value: number) => ({
  ...{ kind: "reading", device: "pump" },
  readings: [{ metric: "t", value, quality: "good" }],
});

function alarm(id: string, now: "firing" | "resolved", more: Partial<AlarmTransition> = {}) {
  const transition = {
    ...{ id, state: now, fingerprint: "f", rule: "too-warm", ruleVersion: "1" },
    ...{ severity: "warning", device: "pump", metric: "t", at: 1, firingAt: 1, value: 31 },
    ...{ cause: "g/1-00000001/telemetry/1/0", reason: "31 is above 30", ...more },
  };
  return { kind: "alarm", transitions: [transition] };
}

const rules = (names: string, open = "") => ({
  ...{ kind: "system", name: "rules", detail: "" },
  fields: { names, open },
});
const started = { kind: "system", name: "started", detail: "", fields: {} };
const heartbeat = (takenAgoMs: number | null) => ({
  ...{ kind: "system", name: "heartbeat", detail: "" },
  fields: { takenAgoMs, untakenEvents: 0 },
});

describe("an alarm", () => {
  test("is an alert under its own id, and ends with it", () => {
    expect(take(alarm("a1", "firing"), { at: 10 })).toEqual(["too-warm firing a1 by edge"]);
    expect(take(alarm("a1", "firing"), { at: 10 })).toEqual([]);
    expect(take(alarm("a1", "resolved"), { at: 20 })).toEqual(["too-warm resolved a1 by edge"]);
    expect(take(alarm("a1", "resolved"), { at: 20 })).toEqual([]);
  });

  test("that is open keeps the cloud from raising the same, whatever the gateway said of its rules", () => {
    take(alarm("a1", "firing"), { at: 10 });
    expect(take(reading(40), { at: 11 })).toEqual(["other firing own"]);
    take(alarm("a1", "resolved"), { at: 12 });
    expect(take(reading(41), { at: 13 })).toEqual(["too-warm firing own"]);
  });

  test("ends what the cloud itself had raised of the same", () => {
    expect(take(reading(40), { at: 1 })).toEqual(["too-warm firing own", "other firing own"]);
    expect(take(alarm("a1", "firing"), { at: 2 })).toEqual([
      "too-warm resolved own",
      "too-warm firing a1 by edge",
    ]);
  });

  test("that the cloud has raised under the same id goes on as the gateway's", () => {
    take(reading(40), { at: 1 });
    const own = state.alerts.find({ name: "too-warm", mode: "live" }, "pump", "t");
    const id = own?.phase.kind === "firing" ? own.phase.id : "";
    expect(take(alarm(id, "firing"), { at: 2 })).toEqual([]);
    expect(take(alarm(id, "resolved"), { at: 3 })).toEqual(["too-warm resolved own by edge"]);
  });

  test("follows another of the same place only after that has ended", () => {
    take(alarm("a1", "firing"), { at: 10 });
    expect(take(alarm("a2", "firing"), { at: 20 })).toEqual([
      "too-warm resolved a1 by edge",
      "too-warm firing a2 by edge",
    ]);
  });
});

describe("after an outage", () => {
  const fromOutage = { at: 100, storedAt: 10_000 };

  test("an alarm that is over goes to the digest, both ends of it", () => {
    expect(take(alarm("a1", "firing"), fromOutage)).toEqual([]);
    expect(take(heartbeat(50_000), { at: 120, storedAt: 10_000 })).toEqual([]);
    expect(take(alarm("a1", "resolved"), { at: 130, storedAt: 10_000 })).toEqual([
      "too-warm firing a1 late by edge",
      "too-warm resolved a1 late by edge",
    ]);
  });

  test("one that fires still is news once the gateway has caught up", () => {
    expect(take(alarm("a1", "firing"), fromOutage)).toEqual([]);
    expect(take(reading(40), { at: 9_990, storedAt: 10_000 })).toEqual(["other firing own"]);
    expect(take(heartbeat(2_000), { at: 9_999, storedAt: 10_000 })).toEqual([
      "too-warm firing a1 by edge",
    ]);
    expect(take(alarm("a1", "resolved"), { at: 10_020 })).toEqual(["too-warm resolved a1 by edge"]);
  });

  test("a gateway whose clock is slow is told by its heartbeats, not by its clock", () => {
    expect(take(alarm("a1", "firing"), { at: 100, storedAt: 700 })).toEqual([]);
    expect(take(heartbeat(10_000), { at: 120, storedAt: 720 })).toEqual([
      "too-warm firing a1 by edge",
    ]);
  });
});

describe("the rules that a gateway judges", () => {
  test("are left to it, and are the cloud's again when it says so", () => {
    take(rules("too-warm"), { at: 1 });
    expect(take(reading(40), { at: 2 })).toEqual(["other firing own"]);
    take(rules(""), { at: 3 });
    expect(take(reading(41), { at: 4 })).toEqual(["too-warm firing own"]);
  });

  test("are the cloud's again when it starts without rules", () => {
    take(rules("too-warm"), { at: 1 });
    take({ ...started, fields: { rules: 1 } }, { at: 2 });
    expect(take(reading(40), { at: 3 })).toEqual(["other firing own"]);
    take(started, { at: 4 });
    expect(take(reading(41), { at: 5 })).toEqual(["too-warm firing own"]);
  });

  test("have no open alert of the cloud's own after the next heartbeat", () => {
    take(reading(40), { at: 1 });
    expect(take(rules("too-warm"), { at: 2 })).toEqual([]);
    expect(take(heartbeat(1_000), { at: 3 })).toEqual(["too-warm resolved own"]);
    expect(take(heartbeat(1_000), { at: 63 })).toEqual([]);
  });

  test("have no open alarm that the gateway does not name: it has lost what it knew", () => {
    take(alarm("a1", "firing"), { at: 1 });
    take(alarm("a2", "firing", { device: "fan" }), { at: 2 });
    expect(take(rules("too-warm", "a2"), { at: 3 })).toEqual(["too-warm resolved a1 by edge"]);
    expect(take(started, { at: 4 })).toEqual(["too-warm resolved a2 by edge"]);
  });
});

test("alarms beyond the bound are told, and end, though they are not followed", () => {
  const names = Array.from({ length: 600 }, (_, n) => `pump-${n}`);
  const fired = names.flatMap((device) => take(alarm(device, "firing", { device }), { at: 1 }));
  expect(fired).toHaveLength(600);
  expect(alerting.encodeAlerts(state.alerts).length).toBeLessThan(100 * 1_024);
  const ended = names.flatMap((device) => take(alarm(device, "resolved", { device }), { at: 2 }));
  expect(ended).toHaveLength(600);
  expect(JSON.parse(alerting.encodeAlerts(state.alerts)).edge).toBeUndefined();
});

test("alarms of a gateway that is taken out of service end at the next tick", () => {
  take(alarm("a1", "firing"), { at: 1 });
  const service = { out: [["g", ""]], as: [] } as const;
  const out = createAlerting(compileRules([], { ...emptyFleet, service }));
  const retired = { detection: out.detection("g"), alerts: state.alerts };
  const moment = { id: "clk/1", gateway: "g", at: 10_000 };
  const told = takeTick(out, retired, moment, true).transitions.map(shortOf);
  expect(told).toEqual(["too-warm resolved a1 by edge"]);
  expect(takeTick(out, retired, moment, true).transitions).toEqual([]);
});

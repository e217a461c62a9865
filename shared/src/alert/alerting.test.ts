/**
 * Goal: an alert fires once when a rule has held for long enough and is resolved once when it has
 * not held for long enough, whatever time does, across crashes, and with the same ids.
 */

import { describe, expect, test } from "vitest";
import { gaussian, seededRandom } from "../random.ts";
import { noteGatewayTime } from "../rules/detection.ts";
import { rulesSchema } from "../rules/rule.ts";
import { compileRules } from "../rules/rule-set.ts";
import type { AlertTransition } from "./alert.ts";
import type { Alerting } from "./alerting.ts";
import { createAlerting } from "./alerting.ts";
import type { Observation } from "./observation.ts";

const hot = { name: "hot", detector: "limits", hi: 80, severity: "critical" };
const alertingOf = (rules: unknown, bounds?: Parameters<typeof createAlerting>[1]) =>
  createAlerting(compileRules(rulesSchema.parse(rules)), bounds);

let position = 0;

function observation(second: number, more: Partial<Observation> = {}): Observation {
  position += 1;
  return {
    id: `g/000001-abc/telemetry/${position}/0`,
    gateway: "g",
    device: "boiler",
    metric: "temperature",
    value: 20,
    unit: "Cel",
    quality: "good",
    observedAt: second * 1_000,
    receivedAt: second * 1_000 + 50,
    late: false,
    ...more,
  };
}

/** One gateway that takes observations as the engine does. */
class Gateway {
  readonly #alerting: Alerting;
  readonly #detection;
  #alerts;

  constructor(alerting: Alerting, alertsText?: string) {
    this.#alerting = alerting;
    this.#detection = alerting.detection("g");
    this.#alerts =
      alertsText === undefined ? alerting.alerts() : alerting.decodeAlerts(alertsText, "g");
  }

  get isChanged(): boolean {
    return this.#alerting.changed(this.#alerts);
  }

  /** With `effect` false, as in a replay of what was committed. */
  take(one: Observation, effect = true): readonly AlertTransition[] {
    const verdicts = this.#alerting.observe(this.#detection, one);
    return effect ? this.#alerting.advance(this.#alerts, verdicts, one, this.#detection) : [];
  }

  takeAll(observations: readonly Observation[]): AlertTransition[] {
    return observations.flatMap((one) => this.take(one));
  }

  encodeAlerts(): string {
    return this.#alerting.encodeAlerts(this.#alerts);
  }
}

/** `80:H 90:n` = hot at second 80, normal at 90; a small h or n is late. */
function script(text: string): Observation[] {
  return text.split(" ").map((step) => {
    const [second, state] = step.split(":");
    const value = state?.toUpperCase() === "H" ? 90 : 20;
    return observation(Number(second), { value, late: state === "h" || state === "n" });
  });
}

/** `firing@80 resolved@90`; ` late` where it is. */
function told(transitions: readonly AlertTransition[]): string {
  return transitions
    .map(({ state, at, late }) => `${state}@${at / 1_000}${late ? " late" : ""}`)
    .join(", ");
}

describe("one rule over event time", () => {
  test.each<[string, object, string, string]>([
    ["fires at once and is resolved at once", {}, "0:N 1:H 2:H 3:N", "firing@1, resolved@3"],
    ["fires again after it was resolved", {}, "1:H 2:N 3:H", "firing@1, resolved@2, firing@3"],
    ["waits for `for`", { for: "10s" }, "1:H 5:H 10.9:H 11:H 12:H", "firing@11"],
    ["forgets a pending alert at a normal reading", { for: "10s" }, "1:H 9:N 10:H 19:H", ""],
    [
      "is resolved only after keepFiringFor",
      { keepFiringFor: "10s" },
      "1:H 2:N 11:N 12:N",
      "firing@1, resolved@12",
    ],
    [
      "fires on when it is wrong again within keepFiringFor",
      { keepFiringFor: "10s" },
      "1:H 2:N 11:H 12:N 21:N 22:N",
      "firing@1, resolved@22",
    ],
    ["does not count repeated times", { for: "1s" }, "1:H 1:H 1:H 2:H", "firing@2"],
    [
      "begins `for` anew where time steps back before it",
      { for: "10s" },
      "100:H 50:H 59:H 60:H",
      "firing@60",
    ],
    [
      "keeps `for` where time steps back within it",
      { for: "10s" },
      "100:H 108:H 103:H 110:H",
      "firing@110",
    ],
    [
      "begins keepFiringFor anew where time steps back before it",
      { keepFiringFor: "10s" },
      "1:H 100:N 50:N 59:N 60:N",
      "firing@1, resolved@60",
    ],
    ["is never resolved before it fired", {}, "100:H 50:N", "firing@100, resolved@100"],
    ["survives times before 1970", { for: "10s" }, "-20:H -10:H", "firing@-10"],
  ])("%s", (_, settings, steps, expected) => {
    const gateway = new Gateway(alertingOf([{ ...hot, ...settings }]));
    expect(told(gateway.takeAll(script(steps)))).toBe(expected);
  });
});

describe("what a transition says", () => {
  test("firing and resolved share id, labels and the time of firing", () => {
    const gateway = new Gateway(alertingOf([hot]));
    const cause = observation(1, { value: 90 });
    const end = observation(5, { value: 20 });
    const [firing, resolved] = [...gateway.take(cause), ...gateway.take(end)];
    expect(firing).toMatchObject({
      state: "firing",
      rule: "hot",
      severity: "critical",
      gateway: "g",
      device: "boiler",
      metric: "temperature",
      at: 1_000,
      firingAt: 1_000,
      value: 90,
      unit: "Cel",
      cause: cause.id,
      reason: "90 is above the HI limit 80",
      late: false,
    });
    expect(firing?.evidence).toEqual({
      ...{ readings: [{ at: 1_000, value: 90 }], expected: { high: 80 }, score: 0.5 },
    });
    expect(resolved).toEqual({
      ...firing,
      state: "resolved",
      at: 5_000,
      value: 20,
      cause: end.id,
      reason: "normal again at 20 Cel",
      evidence: {
        readings: [
          { at: 1_000, value: 90 },
          { at: 5_000, value: 20 },
        ],
        ...{ durationMs: 4_000, worst: { at: 1_000, value: 90 } },
      },
    });
  });

  test("where the device tells no time the gateway's is used", () => {
    const gateway = new Gateway(alertingOf([hot]));
    const [firing] = gateway.take(observation(1, { value: 90, observedAt: null }));
    expect(firing?.at).toBe(1_050);
  });
});

describe("which readings count", () => {
  test.each<[string, Partial<Observation>]>([
    ["text", { value: "90" }],
    ["a boolean", { value: true }],
    ["null", { value: null, quality: "bad" }],
    ["a number that is no number", { value: Number.NaN }],
    ["an infinite number", { value: Infinity }],
    ["a number of bad quality", { value: 90, quality: "bad" }],
  ])("%s never reaches a detector", (_, what) => {
    const gateway = new Gateway(alertingOf([hot]));
    expect(gateway.take(observation(1, what))).toEqual([]);
    expect(gateway.isChanged).toBe(false);
  });

  test("a number of uncertain quality does", () => {
    const gateway = new Gateway(alertingOf([hot]));
    expect(gateway.take(observation(1, { value: 90, quality: "uncertain" }))).toHaveLength(1);
  });

  test("a rule in shadow lives as a live one, but for its mark; one that is off does not judge", () => {
    const rules = [
      { ...hot, name: "shadow", mode: "shadow" },
      { ...hot, name: "off", mode: "off" },
    ];
    const gateway = new Gateway(alertingOf(rules));
    const restarted = () => new Gateway(alertingOf(rules), gateway.encodeAlerts());
    const told = gateway.takeAll(script("1:H 2:H"));
    expect(told).toMatchObject([{ rule: "shadow", state: "firing", shadow: true }]);
    expect(restarted().takeAll(script("3:H 4:N"))).toMatchObject([
      { id: told[0]?.id, state: "resolved", shadow: true },
    ]);
  });

  test("a rule in shadow takes no room from live ones (B1)", () => {
    const bounds = { seriesPerGatewayMax: 100, alertsPerGatewayMax: 1 };
    const gateway = new Gateway(
      alertingOf([{ ...hot, name: "shadow", mode: "shadow" }, hot], bounds),
    );
    const found = gateway.takeAll(script("1:H"));
    expect(found.map(({ rule, shadow }) => [rule, shadow])).toEqual([
      ["shadow", true],
      ["hot", undefined],
    ]);
    expect(gateway.takeAll([observation(2, { device: "other", value: 90 })])).toEqual([]);
    expect(JSON.parse(gateway.encodeAlerts()).refused).toBe(2);
  });

  test("a detector that warms up again leaves a firing alert as it is", () => {
    const warm = [{ name: "odd", detector: "ewma" }];
    const noise = Array.from({ length: 200 }, (_, second) =>
      observation(second, { value: 20 + (second % 7) / 10 }),
    );
    const before = new Gateway(alertingOf(warm));
    before.takeAll(noise);
    const burst = [201, 202, 203, 204].map((second) => observation(second, { value: 40 }));
    expect(told(before.takeAll(burst))).toBe("firing@203");
    const restarted = new Gateway(alertingOf(warm), before.encodeAlerts());
    expect(told(restarted.takeAll(noise))).toBe("resolved@203");
  });
});

describe("late readings (A4)", () => {
  test.each<[string, string, string]>([
    ["open and end an alert among themselves", "10:h 11:n", "firing@10 late, resolved@11 late"],
    [
      "that opened one give way to a normal live reading",
      "10:h 90:N 11:h",
      "firing@10 late, resolved@90 late, firing@11 late",
    ],
    [
      "that opened one do not keep what is wrong now from being news",
      "10:h 90:H",
      "firing@10 late, resolved@90 late, firing@90",
    ],
    ["do not end what live readings opened", "90:H 10:n 91:N", "firing@90, resolved@91"],
    [
      "do not open again what live readings opened",
      "90:H 10:h 11:n 91:N",
      "firing@90, resolved@91",
    ],
  ])("%s", (_, steps, expected) => {
    const gateway = new Gateway(alertingOf([hot]));
    expect(told(gateway.takeAll(script(`100:N ${steps}`)))).toBe(expected);
  });
});

describe("ids", () => {
  const rules = [{ name: "odd", detector: "ewma" }, hot];

  function recording(epoch: string): Observation[] {
    const random = seededRandom("recording");
    return Array.from({ length: 3_000 }, (_, second) => {
      const isFaulty = second > 500 && second % 400 < 30;
      const value = 20 + gaussian(random) + (isFaulty ? 70 : 0);
      return observation(second, { id: `g/${epoch}/telemetry/${second}/0`, value });
    });
  }

  test("are the same in two runs over the same recorded data, though epochs differ", () => {
    const runs = ["000001-abc", "000001-xyz"].map((epoch) =>
      new Gateway(alertingOf(rules)).takeAll(recording(epoch)).map(({ id, state }) => [id, state]),
    );
    expect(runs[0]?.length).toBeGreaterThanOrEqual(20);
    expect(runs[1]).toEqual(runs[0]);
  });

  test("are unique over occurrences, even where a device's clock stands still", () => {
    const gateway = new Gateway(alertingOf([{ ...hot, flap: "off" }]));
    const steps = Array.from({ length: 100 }, (_, index) => `7:${index % 2 === 0 ? "H" : "N"}`);
    const transitions = gateway.takeAll(script(steps.join(" ")));
    expect(transitions).toHaveLength(100);
    expect(new Set(transitions.map(({ id }) => id)).size).toBe(50);
  });

  test.each([1, 400, 505, 512, 1_210, 2_020])(
    "and all else are the same when the engine crashes after %i readings and replays",
    (committed) => {
      const alerting = alertingOf(rules);
      const readings = recording("000001-abc");
      const whole = new Gateway(alerting).takeAll(readings);
      const first = new Gateway(alerting);
      const before = first.takeAll(readings.slice(0, committed));
      const second = new Gateway(alerting, first.encodeAlerts());
      for (const one of readings.slice(0, committed)) second.take(one, false);
      expect([...before, ...second.takeAll(readings.slice(committed))]).toEqual(whole);
    },
  );
});

describe("alert state", () => {
  test("tells that it has changed, pending alerts included, until it is encoded", () => {
    const gateway = new Gateway(alertingOf([{ ...hot, for: "10s" }]));
    const seen = script("0:N 1:H 2:H 3:N 4:N").map((one) => {
      gateway.take(one);
      const { isChanged } = gateway;
      gateway.encodeAlerts();
      return isChanged;
    });
    expect(seen).toEqual([false, true, false, true, false]);
  });

  test("a fingerprint that was only pending leaves nothing behind (B2)", () => {
    const gateway = new Gateway(alertingOf([{ ...hot, for: "10s" }]));
    gateway.takeAll(script("1:H 2:N"));
    expect(JSON.parse(gateway.encodeAlerts()).alerts).toEqual([]);
  });

  test("unknown fields are skipped, another version is refused", () => {
    const alerting = alertingOf([{ ...hot, for: "10s", keepFiringFor: "10s" }]);
    const gateway = new Gateway(alerting);
    gateway.takeAll(script("1:H 11:H 12:N"));
    const text = gateway.encodeAlerts();
    const json = JSON.parse(text);
    json.more = json.alerts[0].more = json.alerts[0].firing.more = 1;
    expect(alerting.encodeAlerts(alerting.decodeAlerts(JSON.stringify(json), "g"))).toBe(text);
    const newer = JSON.stringify({ ...json, v: 2 });
    expect(() => alerting.decodeAlerts(newer, "g")).toThrow("BATCH_VERSION_UNKNOWN");
    expect(() => alerting.decodeAlerts("[]", "g")).toThrow("BATCH_MALFORMED");
  });

  const few = { seriesPerGatewayMax: 100, alertsPerGatewayMax: 2 };

  test("at the bound the alert that has been inactive for longest is forgotten (B1)", () => {
    const gateway = new Gateway(alertingOf([hot], few));
    const once = (device: string, second: number) => [
      observation(second, { device, value: 90 }),
      observation(second + 1, { device }),
    ];
    gateway.takeAll([...once("a", 0), ...once("b", 2), ...once("a", 4), ...once("c", 6)]);
    const { alerts } = JSON.parse(gateway.encodeAlerts());
    expect(alerts.map(({ device }: { device: string }) => device)).toEqual(["a", "c"]);
  });

  test("where all are open a new one is refused and counted (B1)", () => {
    const gateway = new Gateway(alertingOf([hot], few));
    const all = ["a", "b", "c"].map((device) => observation(1, { device, value: 90 }));
    expect(gateway.takeAll(all)).toHaveLength(2);
    expect(JSON.parse(gateway.encodeAlerts()).refused).toBe(1);
  });

  test("one message holds all of a gateway, however many alerts it has and long their names (B1)", () => {
    const [perMode, messageBytesMax] = [5_000, 960 * 1_024];
    const alerting = alertingOf([hot, { ...hot, name: "trial", mode: "shadow" }]);
    const gateway = new Gateway(alerting);
    const name = "a-device-with-a-name-of-some-length";
    const storm = (second: number, value: number) =>
      Array.from({ length: perMode }, (_, device) =>
        observation(second, { device: `${name}-${device}`, value }),
      );
    const fired = gateway.takeAll(storm(1, 90));
    const size = () => Buffer.byteLength(gateway.encodeAlerts());
    expect(size()).toBeLessThan(messageBytesMax);
    const live = fired.filter(({ shadow }) => shadow === undefined);
    expect(live.length).toBeGreaterThan(2_000);
    expect(JSON.parse(gateway.encodeAlerts()).refused).toBe(2 * perMode - fired.length);
    const ended = gateway.takeAll(storm(2, 20));
    expect(ended.map(({ id }) => id).sort()).toEqual(fired.map(({ id }) => id).sort());
    gateway.takeAll(storm(3, 90));
    expect(size()).toBeLessThan(messageBytesMax);
    const text = gateway.encodeAlerts();
    expect(alerting.encodeAlerts(alerting.decodeAlerts(text, "g"))).toBe(text);
  });

  test("what was worst gives way before that message is too large (B4)", () => {
    const alerting = alertingOf([{ ...hot, keepFiringFor: "1h" }]);
    const gateway = new Gateway(alerting);
    const start = 1_767_225_600;
    const storm = (second: number, value: number) =>
      Array.from({ length: 5_000 }, (_, device) =>
        observation(start + second, { device: `freezer-${device}`, value }),
      );
    const fired = gateway.takeAll(storm(1, 90 + 1 / 3));
    expect(fired.length).toBeGreaterThan(2_500);
    gateway.takeAll([...storm(2, 20), ...storm(3, 99), ...storm(4, 20)]);
    const text = gateway.encodeAlerts();
    expect(Buffer.byteLength(text)).toBeLessThan(704 * 1_024);
    expect(text).toContain('"normalSince"');
    expect(alerting.encodeAlerts(alerting.decodeAlerts(text, "g"))).toBe(text);
    const ended = gateway.takeAll(storm(3_700, 20));
    expect(ended.map(({ id }) => id).sort()).toEqual(fired.map(({ id }) => id).sort());
  });

  test.each<[string, object[]]>([
    ["is removed", []],
    ["goes into shadow", [{ ...hot, mode: "shadow" }]],
    ["no longer selects the series", [{ ...hot, devices: ["other"] }]],
  ])("an open alert is withdrawn once when its rule %s (B3)", (_, rules) => {
    const before = new Gateway(alertingOf([hot]));
    const [firing] = before.takeAll(script("1:H"));
    const after = new Gateway(alertingOf(rules), before.encodeAlerts());
    const transitions = after.takeAll([observation(5, { device: "other" }), observation(6)]);
    expect(transitions).toHaveLength(1);
    expect(transitions[0]).toMatchObject({
      id: firing?.id,
      state: "resolved",
      device: "boiler",
      value: null,
      at: 5_050,
      reason: "no rule looks at it any more",
    });
  });

  test("a rule that comes out of the shadow withdraws its alert there, and tells a live one", () => {
    const before = new Gateway(alertingOf([{ ...hot, mode: "shadow" }]));
    const [shadow] = before.takeAll(script("1:H"));
    const after = new Gateway(alertingOf([hot]), before.encodeAlerts());
    const [withdrawn, live, ...more] = after.takeAll(script("2:H 3:H"));
    expect(withdrawn).toMatchObject({ id: shadow?.id, state: "resolved", shadow: true });
    expect(live).toMatchObject({ state: "firing", rule: "hot" });
    expect(live?.shadow).toBeUndefined();
    expect(live?.id).not.toBe(shadow?.id);
    expect(more).toEqual([]);
  });

  test("an alert of an older version of a rule ends under that version", () => {
    const before = new Gateway(alertingOf([hot]));
    const [firing] = before.takeAll(script("1:H"));
    const after = new Gateway(alertingOf([{ ...hot, severity: "info" }]), before.encodeAlerts());
    const [resolved] = after.takeAll(script("2:H 3:N"));
    const { id, ruleVersion, severity } = resolved ?? {};
    expect([id, ruleVersion, severity]).toEqual([firing?.id, firing?.ruleVersion, "critical"]);
  });
});

test("a series that falls silent fires at a tick and is resolved by its next reading", () => {
  const alerting = alertingOf([{ name: "silent", detector: "absence", after: "1m" }]);
  const [detection, alerts] = [alerting.detection("g"), alerting.alerts()];
  const take = (second: number) => {
    const one = observation(second, { receivedAt: second * 1_000 });
    return alerting.advance(alerts, alerting.observe(detection, one), one, detection);
  };
  const tick = (second: number, gatewaySecond = second) => {
    noteGatewayTime(detection, "1-a", gatewaySecond * 1_000);
    const moment = { id: `clk/${second}`, gateway: "g", at: second * 1_000 };
    return alerting.advanceTick(alerts, alerting.tick(detection, moment), moment, detection);
  };
  take(0);
  expect(tick(3_600, 60)).toEqual([]); // of a gateway that is offline
  expect(tick(65)).toMatchObject([
    { state: "firing", rule: "silent", device: "boiler", metric: "temperature", at: 65_000 },
  ]);
  expect(tick(70)).toEqual([]);
  expect(take(75)).toMatchObject([{ state: "resolved", rule: "silent" }]);
});

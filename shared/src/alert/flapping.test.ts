// The goal: what comes and goes is a handful of transitions, whoever restarts in between, and it is
// over when it has been quiet, however that becomes known. And every transition tells what was around
// it, in bounded size.
import { describe, expect, test } from "vitest";
import { alertTexts } from "../notify/notification-words.ts";
import { Planned } from "../notify/testing/planned.ts";
import { noteGatewayTime } from "../rules/detection.ts";
import { rulesSchema } from "../rules/rule.ts";
import { compileRules } from "../rules/rule-set.ts";
import type { AlertTransition } from "./alert.ts";
import type { Alerting } from "./alerting.ts";
import { createAlerting } from "./alerting.ts";
import { charactersMax, shownMax } from "./evidence.ts";
import type { Observation } from "./observation.ts";

const hot = { name: "hot", detector: "limits", hi: 80 };
const alertingOf = (rules: unknown) => createAlerting(compileRules(rulesSchema.parse(rules)));

function observation(second: number, value: Observation["value"], more: object = {}): Observation {
  return {
    ...{ id: `g/000001-abc/telemetry/${second}/0`, gateway: "g", device: "boiler", metric: "t" },
    ...{ value, unit: "Cel", quality: "good", late: false },
    ...{ observedAt: second * 1_000, receivedAt: second * 1_000 + 50, ...more },
  };
}

/** One gateway that is stored and read again after every step. */
class Gateway {
  alerting: Alerting;
  detection;
  alerts;

  constructor(alerting: Alerting) {
    this.alerting = alerting;
    this.detection = alerting.detection("g");
    this.alerts = alerting.alerts();
  }

  restart(alerting = this.alerting): void {
    const detection = this.alerting.encodeDetection(this.detection);
    this.detection = alerting.decodeDetection(detection, "g");
    this.alerts = alerting.decodeAlerts(this.alerting.encodeAlerts(this.alerts), "g");
    this.alerting = alerting;
  }

  take(one: Observation): readonly AlertTransition[] {
    this.restart();
    const verdicts = this.alerting.observe(this.detection, one);
    return this.alerting.advance(this.alerts, verdicts, one, this.detection);
  }

  /** `gatewaySecond`: how far the gateway's time has come by then. */
  tick(second: number, gatewaySecond = second): readonly AlertTransition[] {
    this.restart();
    noteGatewayTime(this.detection, "1-a", gatewaySecond * 1_000);
    const moment = { id: `clk/${second}`, gateway: "g", at: second * 1_000 };
    const verdicts = this.alerting.tick(this.detection, moment);
    return this.alerting.advanceTick(this.alerts, verdicts, moment, this.detection);
  }

  /** `80:H 90:n t100` = hot at second 80, normal at 90, a tick at 100; a small letter is late. */
  play(text: string): string {
    const found = text.split(" ").flatMap((step) => {
      if (step.startsWith("t")) return this.tick(Number(step.slice(1)));
      const [second, state = ""] = step.split(":");
      const late = state === state.toLowerCase();
      return this.take(
        observation(Number(second), state.toUpperCase() === "H" ? 90 : 20, { late }),
      );
    });
    return told(found);
  }
}

function told(transitions: readonly AlertTransition[]): string {
  const words = { firing: "F", resolved: "R" };
  return transitions
    .map(({ state, at, flapping, late }) => {
      return `${words[state]}${at / 1_000}${flapping ? "~" : ""}${late ? " late" : ""}`;
    })
    .join(" ");
}

describe("a rule that flaps (A5)", () => {
  const flap = { changes: 4, within: "60s", quiet: "30s" };

  test.each<[string, object, string, string]>([
    [
      "is held the third time, until it was normal for `quiet`",
      {},
      "1:H 2:N 3:H 4:N 5:H 6:N 7:H 8:N 20:N 37:N 38:N 39:H",
      "F1 R2 F3 R4 F5~ R38~ F39",
    ],
    [
      "counts the changes within `within` alone",
      {},
      "1:H 2:N 3:H 4:N 62:H 63:N",
      "F1 R2 F3 R4 F62 R63",
    ],
    [
      "is held no more where flap is off",
      { flap: "off" },
      "1:H 2:N 3:H 4:N 5:H 6:N",
      "F1 R2 F3 R4 F5 R6",
    ],
    [
      "is held sooner by fewer changes",
      { flap: { ...flap, changes: 2 } },
      "1:H 2:N 3:H 4:N",
      "F1 R2 F3~",
    ],
    [
      "waits for `for` as ever",
      { for: "2s" },
      "1:H 2:N 3:H 5:H 6:N 7:H 9:H 10:N 11:H 13:H 14:N",
      "F5 R6 F9 R10 F13~",
    ],
    [
      "is kept for the longer of quiet and keepFiringFor",
      { keepFiringFor: "40s", flap: { ...flap, changes: 2, within: "10m" } },
      "1:H 2:N 42:N 43:H 44:N 74:N 84:N",
      "F1 R42 F43~ R84~",
    ],
    [
      "ends at a tick where nothing more comes",
      {},
      "1:H 2:N 3:H 4:N 5:H 6:N t30 t36 t40",
      "F1 R2 F3 R4 F5~ R36~",
    ],
    [
      "does not end at a tick while it is wrong",
      {},
      "1:H 2:N 3:H 4:N 5:H t90 91:N t100 t122",
      "F1 R2 F3 R4 F5~ R121~",
    ],
    [
      "begins quiet anew where time steps back",
      {},
      "101:H 102:N 103:H 104:N 105:H 106:N 50:N 79:N 80:N",
      "F101 R102 F103 R104 F105~ R105~",
    ],
    [
      "forgets changes that a clock far off has dated",
      {},
      "901:H 902:N 903:H 904:N 5:H 6:N",
      "F901 R902 F903 R904 F5 R6",
    ],
    [
      "counts late changes apart, and hears no ticks for late ones",
      {},
      "500:N 1:h 2:n 3:h 4:n 5:h 6:n t600 30:n 36:n 601:H 602:N",
      "F1 late R2 late F3 late R4 late F5~ late R36~ late F601 R602",
    ],
    [
      "gives way to live readings when it is late",
      {},
      "500:N 1:h 2:n 3:h 4:n 5:h 501:N 502:H",
      "F1 late R2 late F3 late R4 late F5~ late R501~ late F502",
    ],
  ])("%s", (_, settings, steps, expected) => {
    const rule = { ...hot, flap, ...settings };
    expect(new Gateway(alertingOf([rule])).play(steps)).toBe(expected);
  });

  test("at 1 Hz for an hour is six transitions, and a receiver is told three times", () => {
    const gateway = new Gateway(alertingOf([hot]));
    const found = Array.from({ length: 3_600 }, (_, second) => {
      return gateway.take(observation(second, second % 2 === 0 ? 90 : 20));
    }).flat();
    expect(told(found)).toBe("F0 R1 F2 R3 F4~");
    expect(told(gateway.tick(4_198))).toBe("");
    const [resolved, ...more] = gateway.tick(4_200);
    expect(more).toEqual([]);
    expect(resolved).toMatchObject({ state: "resolved", id: found.at(-1)?.id, at: 4_199_000 });
    expect(resolved?.reason).toBe("normal again for 10 min");
    expect(found.at(-1)?.reason).toBe(
      "90 is above the HI limit 80; it comes and goes, 4 changes in 10 min, and is over once normal for 10 min",
    );
    expect(new Set(found.map(({ id }) => id)).size).toBe(3);
    const receiver = new Planned();
    let now = 0;
    for (const transition of [...found, ...(resolved === undefined ? [] : [resolved])]) {
      receiver.advance(transition.at - now);
      now = transition.at;
      receiver.step({ kind: "transitions", transitions: [transition] });
    }
    receiver.advance(3_600_000);
    const words = receiver.told.map((one) => alertTexts(one, {}, 9).join());
    expect(words.length).toBeLessThanOrEqual(3);
    expect(words.at(0)).toContain("hot");
    expect(words.at(-1)).toContain("resolved: hot");
  });

  test("that looks at more than one series ends at a tick, as its clock says", () => {
    const door = { name: "ajar", when: { metric: "door", is: "on" }, flap };
    const gateway = new Gateway(alertingOf([door]));
    const flips = [1, 2, 3, 4, 5, 6].flatMap((second) => {
      return gateway.take(observation(second, second % 2 === 1, { metric: "door" }));
    });
    expect(told(flips)).toBe("F1 R2 F3 R4 F5~");
    // The gateway is away: nothing is known of the door.
    expect(gateway.tick(500, 20)).toEqual([]);
    expect(told(gateway.tick(505, 40))).toBe("R36~");
  });

  test("ends at once where the rule holds nothing any more, and once where the rule goes", () => {
    const flapping = () => {
      const gateway = new Gateway(alertingOf([{ ...hot, flap }]));
      expect(gateway.play("1:H 2:N 3:H 4:N 5:H 6:N")).toBe("F1 R2 F3 R4 F5~");
      return gateway;
    };
    const off = flapping();
    off.restart(alertingOf([{ ...hot, flap: "off" }]));
    expect(off.play("t7 t8 9:H 10:N 11:H")).toBe("R6~ F9 R10 F11");
    const gone = flapping();
    gone.restart(alertingOf([]));
    expect(gone.play("t7 t8 100:H")).toBe("R7~");
  });

  test("a state of before there was flapping is read as it was", () => {
    const alerting = alertingOf([{ ...hot, flap }]);
    const firing = { id: "a", ruleVersion: "b", severity: "info", at: 1_000, late: false };
    const row = { rule: "hot", device: "boiler", metric: "t", occurrences: 7, firing };
    const alerts = alerting.decodeAlerts(JSON.stringify({ v: 1, refused: 0, alerts: [row] }), "g");
    const gateway = new Gateway(alerting);
    gateway.alerts = alerts;
    expect(gateway.play("2:N 3:H")).toBe("R2 F3");
  });
});

describe("evidence", () => {
  const shownBy = (gateway: Gateway, values: readonly (readonly [number, number])[]) =>
    values.flatMap(([second, value]) => gateway.take(observation(second, value)));

  test("is the newest readings up to the cause, what was expected, and how odd it was", () => {
    const gateway = new Gateway(alertingOf([{ ...hot, lo: 0 }]));
    const rising = Array.from({ length: 20 }, (_, index) => [index, 62 + index] as const);
    const [firing] = shownBy(gateway, rising);
    const evidence = firing?.evidence;
    expect(evidence?.readings).toHaveLength(shownMax);
    expect(evidence?.readings.at(0)).toEqual({ at: 12_000, value: 74 });
    expect(evidence?.readings.at(-1)).toEqual({ at: 19_000, value: 81 });
    expect(evidence).toMatchObject({ expected: { low: 0, high: 80 }, score: 0.5 });
  });

  test("of a resolved one has its worst reading and how long it fired, over every break", () => {
    const gateway = new Gateway(alertingOf([{ ...hot, keepFiringFor: "10s" }]));
    const values = [
      [1, 85],
      [2, 97.5],
      [3, 20],
      [4, 88],
      [5, 20],
      [15, 20],
    ] as const;
    const resolved = shownBy(gateway, values).at(-1);
    expect(resolved?.evidence).toMatchObject({
      ...{ durationMs: 14_000, worst: { at: 2_000, value: 97.5 } },
    });
    expect(resolved?.evidence?.readings.map(({ value }) => value)).toEqual([
      85, 97.5, 20, 88, 20, 20,
    ]);
  });

  test("is that of late readings where they opened the alert", () => {
    const gateway = new Gateway(alertingOf([hot]));
    shownBy(gateway, [[100, 20]]);
    const late = [
      [1, 20],
      [2, 99],
      [3, 85],
      [4, 20],
    ] as const;
    const [firing, resolved] = late.flatMap(([second, value]) =>
      gateway.take(observation(second, value, { late: true })),
    );
    expect(firing?.evidence?.readings.map(({ value }) => value)).toEqual([20, 99]);
    expect(resolved?.evidence?.worst).toEqual({ at: 2_000, value: 99 });
  });

  test("of a silent series is its last readings", () => {
    const gateway = new Gateway(alertingOf([{ name: "silent", detector: "absence", after: "1m" }]));
    shownBy(gateway, [
      [1, 5],
      [2, 6],
    ]);
    const [firing] = gateway.tick(70);
    expect(firing?.evidence?.readings).toEqual([
      { at: 1_000, value: 5 },
      { at: 2_000, value: 6 },
    ]);
  });

  test("of a rule over several series is the readings that made it so", () => {
    const rule = {
      name: "ajar",
      when: {
        all: [
          { metric: "door", is: "on" },
          { metric: "t", is: "value > -15" },
        ],
      },
    };
    const gateway = new Gateway(alertingOf([rule]));
    gateway.take(observation(1, true, { metric: "door", unit: undefined }));
    const [firing] = gateway.take(observation(9, -10));
    expect(firing?.evidence?.readings).toEqual([
      { at: 1_000, device: "boiler", metric: "door", value: true },
      { at: 9_000, device: "boiler", metric: "t", value: -10, unit: "Cel" },
    ]);
    const [resolved] = gateway.take(observation(12, false, { metric: "door", unit: undefined }));
    expect(resolved?.evidence).toEqual({
      readings: [{ at: 12_000, device: "boiler", metric: "door", value: false }],
      durationMs: 3_000,
    });
  });

  test("is bounded, however long the names (E2)", () => {
    const steps = Array.from({ length: 16 }, (_, index) => ({
      metric: `m${index}-*`,
      is: "value > 0",
    }));
    const gateway = new Gateway(
      alertingOf([{ name: "long", when: { all: steps }, by: "gateway" }]),
    );
    const device = "d".repeat(120);
    const [firing] = steps.flatMap(({ metric }, index) => {
      const more = { device, metric: metric.replace("*", "x".repeat(100)), unit: "u".repeat(60) };
      return gateway.take(observation(index, 1.234567890123456e-300, more));
    });
    const { readings = [] } = firing?.evidence ?? {};
    expect(readings.length).toBeGreaterThan(3);
    expect(JSON.stringify(readings).length).toBeLessThanOrEqual(charactersMax);
    expect(readings.at(-1)?.metric).toContain("m15-");
  });
});

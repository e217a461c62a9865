// The goal: each condition, at the edges of its windows, in both time bases, with silence, with
// repeated and stepping times; a line of a table is a stream and what the rule says to it.
import { describe, expect, test } from "vitest";
import type { RuleVerdict } from "../rule-set.ts";
import type { PatternVerdict } from "./pattern.ts";
import type { Given, RuleText } from "./testing/rig.ts";
import { patternSet, Rig, shown } from "./testing/rig.ts";

type Step = Given | { readonly tick: number; readonly gatewayAt?: number | undefined };

interface Case {
  readonly promise: string;
  readonly rule: RuleText;
  readonly steps: readonly Step[];
  /** What changed, by `shown`: "! at" fires, ". at" ends. */
  readonly says: readonly string[];
}

/** Without what is said again. */
function play(rule: RuleText, steps: readonly Step[]): readonly PatternVerdict[] {
  const rig = new Rig([rule]);
  const said: PatternVerdict[] = [];
  const before = new Map<boolean, string>();
  for (const step of steps) {
    const verdicts =
      "tick" in step
        ? rig.tick(step.tick, "gatewayAt" in step ? step.gatewayAt : step.tick)
        : rig.read(step);
    for (const verdict of verdicts) {
      if (verdict.at === undefined) continue;
      const isLate = verdict.late === true;
      const [line = ""] = shown([verdict]);
      if (before.get(isLate) === line) continue;
      before.set(isLate, line);
      said.push(verdict);
    }
  }
  return said;
}

const on = (at: number, value = true): Given => ({ at, metric: "door", value });
const warm = (at: number, value = -10): Given => ({ at, metric: "temperature", value });
const value = (at: number, number: number): Given => ({ at, value: number });
const seconds = (steps: readonly Given[]): readonly Given[] =>
  steps.map((step) => ({ ...step, at: step.at * 1_000 }));

const doorWarm = {
  all: [
    { metric: "door", is: "on" },
    { metric: "temperature", is: "value > -15" },
  ],
};

const cases: readonly Case[] = [
  {
    promise: "a leaf holds until its series says otherwise",
    rule: { when: "value > 5" },
    steps: [value(1, 5), value(2, 6), value(3, 7), value(4, 5)],
    says: ["! 2", ". 4"],
  },
  {
    promise: "a leaf hears only readings of its type, and none of bad quality",
    rule: { when: "value > 5" },
    steps: [
      ...[value(1, 6), { at: 2, value: "text" }, { at: 3, value: false }],
      { at: 4, value: 1, quality: "bad" },
    ],
    says: ["! 1"],
  },
  {
    promise: "a leaf of every series waits for all that spoke",
    rule: { when: { is: "value > 5", of: "every" }, by: "device" },
    steps: [
      { at: 1, metric: "a", value: 6 },
      { at: 2, metric: "b", value: 1 },
      { at: 3, metric: "b", value: 9 },
    ],
    says: ["! 1", ". 2", "! 3"],
  },
  {
    promise: "a leaf of two series of a gateway does not count one device twice",
    rule: { when: { is: "value > 5", metric: "m", of: 2 }, by: "gateway" },
    steps: [
      { at: 1, device: "x", value: 6 },
      { at: 2, device: "x", value: 7 },
      { at: 3, device: "y", value: 8 },
    ],
    says: ["! 3"],
  },
  {
    promise: "all holds while each part does, whichever came last",
    rule: { when: doorWarm },
    steps: [on(1), warm(2), warm(3, -20), warm(4), on(5, false)],
    says: ["! 2", ". 3", "! 4", ". 5"],
  },
  {
    promise: "not holds from the first reading on where the part never did",
    rule: { when: { not: { is: "on", metric: "door" } } },
    steps: [warm(1), on(2), on(3, false)],
    says: ["! 1", ". 2", "! 3"],
  },
  {
    promise: "for holds at its end, not a millisecond before, by ticks",
    rule: { when: "on", for: "10ms" },
    steps: [on(100), { tick: 109 }, { tick: 110 }, on(120, false)],
    says: ["! 110", ". 120"],
  },
  {
    promise: "a reading at the very end of for is heard first",
    rule: { when: "on", for: "10ms" },
    steps: [on(100), on(110, false), { tick: 130 }],
    says: [],
  },
  {
    promise: "for that passed between two readings is told, though it is over",
    rule: { when: "on", for: "10ms" },
    steps: [on(100), on(150, false)],
    says: ["! 110", ". 150"],
  },
  {
    promise: "for begins anew after a break",
    rule: { when: "on", for: "10ms" },
    steps: [on(100), on(105, false), on(106), on(115), on(116)],
    says: ["! 116"],
  },
  {
    promise: "keepFiringFor bridges what is shorter, and ends at its end",
    rule: { when: "on", keepFiringFor: "10ms" },
    steps: [on(100), on(110, false), on(119), on(130, false), { tick: 139 }, { tick: 140 }],
    says: ["! 100", ". 140"],
  },
  {
    promise: "a sequence wants its order, and both ends of within count",
    rule: { when: { sequence: ["value > 5", "on"], within: "10ms" } },
    steps: [on(90), value(100, 6), on(110), on(111)],
    says: ["! 110", ". 111"],
  },
  {
    promise: "a sequence is not what took too long",
    rule: { when: { sequence: ["value > 5", "on"], within: "10ms" } },
    steps: [value(100, 6), on(111)],
    says: [],
  },
  {
    promise: "a sequence takes the last beginning that is early enough",
    rule: { when: { sequence: ["value > 5", "on"], within: "10ms" } },
    steps: [value(100, 6), value(105, 6), on(112)],
    says: ["! 112"],
  },
  {
    promise: "readings of one moment have no order, and one reading is not two steps",
    rule: { when: { sequence: ["value > 5", "value > 6"], within: "10ms" } },
    steps: [value(100, 9), value(100, 9), value(101, 9)],
    says: ["! 101"],
  },
  {
    promise: "a match uses up what came before it",
    rule: { when: { sequence: ["value > 5", "on"], within: "10ms" } },
    steps: [value(100, 6), on(101), on(103), { tick: 120 }],
    says: ["! 101", ". 102"],
  },
  {
    promise: "silence as long as usual is none, and one longer is told at a tick",
    rule: { when: { absence: {}, after: "10ms" } },
    steps: [value(100, 1), { tick: 110 }, { tick: 111 }, value(115, 1)],
    says: ["! 111", ". 115"],
  },
  {
    promise: "what never came is missed from the key's first reading on",
    rule: { when: { absence: { metric: "beat" }, after: "10ms" } },
    steps: [warm(100), warm(105), warm(110), warm(111)],
    says: ["! 111"],
  },
  {
    promise: "a gateway that is offline does not make its devices silent",
    rule: { when: { absence: {}, after: "10ms" } },
    steps: [value(100, 1), { tick: 500, gatewayAt: 105 }, { tick: 900, gatewayAt: undefined }],
    says: [],
  },
  {
    promise: "silence is counted by the gateway's time where the device's clock is behind",
    rule: { when: { absence: {}, after: "10ms" } },
    steps: [{ at: 100, receivedAt: 5_000, value: 1 }, { tick: 5_010 }, { tick: 5_011 }],
    says: ["! 111"],
  },
  {
    promise: "a device whose clock stands still is not silent while readings come",
    rule: { when: { absence: {}, after: "10ms" } },
    steps: [
      ...[1, 9, 17, 25].map((ms) => ({ at: 100, receivedAt: 1_000 + ms, value: 1 })),
      { tick: 1_034 },
    ],
    says: [],
  },
  {
    promise: "a count leaves out what is just as old as its window",
    rule: { when: { count: "value > 5", within: "10ms", atLeast: 3 } },
    steps: [value(100, 6), value(105, 6), value(110, 6), value(111, 6), { tick: 115 }],
    says: ["! 111", ". 115"],
  },
  {
    promise: "fewer than so many is told once the window has been watched",
    rule: { when: { count: "value > 5", within: "10ms", fewerThan: 2 } },
    steps: [
      value(100, 6),
      value(104, 6),
      { tick: 109 },
      { tick: 110 },
      value(111, 6),
      value(112, 6),
    ],
    says: ["! 110", ". 111"],
  },
  {
    promise: "a rate is that of the window's ends, and both ends count",
    rule: { when: { rate: {}, over: "10ms", per: "1ms", above: 2 } },
    steps: [
      value(90, 999),
      value(100, 0),
      value(110, 20),
      value(111, 30),
      { tick: 121 },
      { tick: 122 },
    ],
    says: ["! 111", ". 122"],
  },
  {
    promise: "a rate that falls is below",
    rule: { when: { rate: {}, over: "10ms", per: "1ms", below: -1 } },
    steps: [value(100, 50), value(105, 46), value(106, 39)],
    says: ["! 106"],
  },
  {
    promise: "the noise of two readings a moment apart is no rate",
    rule: { when: { rate: {}, over: "1m", per: "1m", above: 5 } },
    steps: [value(0, 20), value(3, 20.5), value(60_000, 25), value(60_003, 25.6)],
    says: ["! 60003"],
  },
  {
    promise: "a rate is whole where readings come less often than every half `over`",
    rule: { when: { rate: {}, over: "10ms", per: "1ms", below: -3 } },
    steps: [value(0, 90), value(8, 58), value(16, 26)],
    says: ["! 8"],
  },
  {
    promise: "after comes once, and not where it was false in between",
    rule: { when: { after: "10ms", since: "on" } },
    steps: [on(100), on(105, false), on(106), on(115), on(116), on(117), { tick: 140 }],
    says: ["! 116", ". 117"],
  },
  {
    promise: "received counts by the gateway's time",
    rule: { when: "on", for: "10ms", time: "received" },
    steps: [
      { ...on(0), receivedAt: 100 },
      { ...on(0), receivedAt: 109 },
      { ...on(0), receivedAt: 110 },
    ],
    says: ["! 110"],
  },
  {
    promise: "observed counts by the device's time where it tells one",
    rule: { when: "on", for: "10ms" },
    steps: [
      { ...on(100), receivedAt: 900 },
      { ...on(110), receivedAt: 901 },
    ],
    says: ["! 110"],
  },
  {
    promise: "a clock far ahead of its gateway does not make all that follows late",
    rule: { when: "on" },
    steps: [{ ...on(900_000, false), receivedAt: 100 }, on(101)],
    says: ["! 101"],
  },
  {
    promise: "a reading that is late is judged among late ones only",
    rule: { when: "on" },
    steps: [on(100, false), on(90), on(101), on(91, false), { ...on(102, false), late: true }],
    says: ["late ! 90", "! 101", "late . 91"],
  },
  {
    promise: "within allowedLateness a reading is heard in its order",
    rule: { when: { sequence: ["value > 5", "on"], within: "10ms" }, allowedLateness: "5ms" },
    steps: [on(105), value(102, 6), value(99, 6)],
    says: ["! 105"],
  },
  {
    promise: "a break that comes out of order is a break",
    rule: { when: "on", for: "10ms", allowedLateness: "8ms" },
    steps: [on(100), on(108), on(104, false), on(111), on(118)],
    says: ["! 118"],
  },
  {
    promise: "what a tick held for over is heard where the next reading is older than that",
    rule: { when: "on", for: "10ms" },
    steps: [on(100), { tick: 130 }, { ...on(105, false), receivedAt: 131 }],
    says: ["! 110", ". 105"],
  },
  {
    promise: "door open for two minutes while warm",
    rule: { when: doorWarm, for: "2m" },
    steps: [...seconds([on(0), warm(10), warm(60), warm(129), warm(130)])],
    says: ["! 130000"],
  },
];

describe("a condition", () => {
  test.each(cases)("$promise", ({ rule, steps, says }) => {
    expect(shown(play(rule, steps))).toEqual(says);
  });
});

const minutes = 60_000;
const reasons: readonly (readonly [rule: RuleText, steps: readonly Step[], reason: string])[] = [
  [
    { when: { all: [{ ...doorWarm.all[0], for: "1m" }, doorWarm.all[1]] } },
    [on(0), { at: 2 * minutes, metric: "temperature", value: -10.2, unit: "Cel" }],
    "door on for 2 min while temperature -10.2 Cel above -15",
  ],
  [
    { when: { count: { is: "on", metric: "door" }, within: "10m", atLeast: 6 } },
    Array.from({ length: 6 }, (_, n) => on(n * minutes)),
    "door on 6 times in 10 min, 5 are allowed",
  ],
  [
    { when: { absence: {}, after: "10m" } },
    [on(0), { tick: 12 * minutes }],
    "nothing for 12 min; at most 10 min are usual",
  ],
  [
    {
      when: {
        sequence: [
          { is: "on", metric: "door" },
          { is: "value > -15", metric: "temperature" },
        ],
        within: "5m",
      },
    },
    [on(0), warm(3 * minutes)],
    "door on, then temperature -10 above -15, within 3 min; 5 min count",
  ],
  [
    { when: { rate: { metric: "temperature" }, over: "5m", per: "1m", above: 2 } },
    [warm(0, 0), { at: 5 * minutes, metric: "temperature", value: 12.5, unit: "Cel" }],
    "temperature changes by 2.5 Cel per 1 min over 5 min, above 2",
  ],
  [
    { when: { is: 'text == "open"', metric: "lid", of: 2 }, by: "gateway" },
    [
      { at: 1, device: "x", metric: "lid", value: "open" },
      { at: 2, device: "y", metric: "lid", value: "open" },
    ],
    "y lid open (2 of 2 series)",
  ],
  [
    { when: { all: [{ is: "on", metric: "pump" }, { not: { is: "on", metric: "valve" } }] } },
    [{ at: 1, metric: "pump", value: true }],
    "pump on while no valve on",
  ],
];

test.each(reasons)("a reason is one sentence for a technician: %j", (rule, steps, reason) => {
  const [first] = play(rule, steps);
  expect(first?.verdict).toMatchObject({ kind: "anomalous", reason });
});

describe("rules together", () => {
  test("a derived event comes to the rule that waits for it within the same step", () => {
    const rig = new Rig([
      { name: "high", when: { all: [{ derived: "low" }, "value > 5"] } },
      { name: "low", when: "on", emit: { name: "low", value: "on" }, by: "device" },
    ]);
    rig.read({ at: 1, metric: "m", value: 6 });
    const said = rig.read({ at: 2, metric: "door", value: true });
    const fired = said.filter(({ verdict }) => verdict.kind === "anomalous");
    expect(fired.map(({ rule }) => rule.name)).toEqual(["low", "high"]);
    const [low] = fired;
    expect(low?.derived).toMatchObject({
      name: "low",
      value: true,
      at: 2,
      causes: ["i2"],
      device: "d",
    });
    const again = rig.read({ at: 3, metric: "door", value: true });
    expect(again.flatMap(({ derived }) => derived ?? [])).toEqual([]);
  });

  test("what a rule in shadow emits comes to rules in shadow only", () => {
    const rules = ["live", "shadow"].map((mode) => ({ name: mode, when: { derived: "e" }, mode }));
    const rig = new Rig([{ name: "source", when: "on", emit: "e", mode: "shadow" }, ...rules]);
    const said = rig.read({ at: 1, value: true });
    const fired = said.filter(({ verdict }) => verdict.kind === "anomalous");
    expect(fired.map(({ rule }) => rule.name)).toEqual(["source", "shadow"]);
  });

  test("the newest verdict of a detector rule is heard, an unknown one is not", () => {
    const detector = { name: "det", detector: "limits", hi: 5 };
    const set = patternSet([detector, { name: "p", when: { rule: "det" } }]);
    const rig = new Rig(set);
    const rule = { ...set.patterns[0], name: "det" } as RuleVerdict["rule"];
    const told = (kind: "normal" | "anomalous" | "unknown") =>
      [{ rule, verdict: { kind, reason: "", score: 1 } }] as readonly RuleVerdict[];
    const kinds = (["anomalous", "unknown", "normal"] as const).map((kind, at) =>
      rig.read({ at, value: 1 }, told(kind)).map(({ verdict }) => verdict.kind),
    );
    expect(kinds).toEqual([["anomalous"], ["anomalous"], ["normal"]]);
  });

  test("a schedule is told at the first tick at or after it, once, in its zone", () => {
    const schedule = { cron: "0 6 * * 1-5", zone: "Europe/Berlin" };
    const rig = new Rig([{ when: { schedule }, by: "gateway", emit: "morning" }]);
    const monday = Date.parse("2026-01-05T05:00:00Z");
    const ticks = [-5_000, 0, 0, 2_000, 24 * 3_600_000 + 3_000].map((ms) => monday + ms);
    const said = ticks.map((at) => rig.tick(at, at).flatMap(({ derived }) => derived?.kind ?? []));
    expect(said).toEqual([[], ["timer"], [], [], ["timer"]]);
  });

  test("a schedule goes on after a restart, and an idle tick changes nothing", () => {
    const rig = new Rig([{ when: { schedule: { cron: "0 * * * *" } }, by: "gateway" }]);
    const hour = 3_600_000;
    rig.tick(hour - 1, undefined);
    rig.restart();
    const { revision } = rig.patterns;
    rig.tick(hour - 1, undefined);
    expect(rig.patterns.revision).toBe(revision);
    expect(shown(rig.tick(hour + 1, hour + 1))).toEqual([`! ${hour + 1}`]);
  });
});

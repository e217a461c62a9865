// The goal: replays, snapshots at any point and changes of rules give the same verdicts; hostile
// input meets bounds; late readings change nothing of the present.
import { describe, expect, test } from "vitest";
import type { Random } from "../../random.ts";
import { seededRandom } from "../../random.ts";
import { GatewayPatterns } from "./gateway-patterns.ts";
import { patternBounds } from "./pattern.ts";
import { decodePatterns } from "./pattern-codec.ts";
import { samplesMax } from "./rate.ts";
import type { RuleText } from "./testing/rig.ts";
import { patternSet, Rig } from "./testing/rig.ts";
import { itemsMax } from "./timeline.ts";

const rules: readonly RuleText[] = [
  {
    ...{ name: "door", when: { all: ["on", { is: "value > 5", of: 2, metric: "*" }] } },
    ...{ for: "3ms", keepFiringFor: "4ms", emit: "open" },
  },
  {
    ...{ name: "chain", when: { sequence: [{ derived: "open" }, "value > 7"], within: "20ms" } },
    emit: { name: "worse", value: "value * 2" },
  },
  {
    name: "count",
    when: { count: { derived: undefined, is: "value > 3" }, within: "9ms", atLeast: 3 },
  },
  {
    name: "wide",
    by: "gateway",
    when: { any: [{ rate: {}, over: "8ms", per: "1ms", above: 1 }, { derived: "worse" }] },
  },
  { name: "silent", by: "series", when: { absence: {}, after: "7ms" } },
  {
    name: "timer",
    by: "gateway",
    when: { after: "5ms", since: "on" },
    allowedLateness: "6ms",
    time: "observed",
  },
  { name: "clock", by: "gateway", when: { schedule: { cron: "* * * * *" } } },
].map((rule) => JSON.parse(JSON.stringify(rule)) as RuleText);

const between = (random: Random, from: number, to: number) =>
  from + Math.floor(random.next() * (to - from + 1));

/** Readings and ticks of a gateway with devices that lag, repeat themselves and come late. */
function storm(seed: string, count: number): readonly ((rig: Rig) => string)[] {
  const random = seededRandom(seed);
  let receivedAt = 1_000;
  return Array.from({ length: count }, () => {
    receivedAt += between(random, 0, 3);
    const at = receivedAt;
    if (random.next() < 0.2) return (rig: Rig) => said(rig, rig.tick(at * 1_000, at));
    const given = {
      ...{ at: at - between(random, 0, 6), receivedAt: at, late: random.next() < 0.1 },
      ...{ device: `d${between(random, 1, 3)}`, metric: `m${between(random, 1, 2)}` },
      value: random.next() < 0.4 ? random.next() < 0.5 : between(random, 0, 9),
    };
    const id = `i${at}.${between(random, 0, 1e6)}`;
    return (rig: Rig) => said(rig, rig.read({ ...given, id }));
  });
}

function said(_rig: Rig, verdicts: ReturnType<Rig["read"]>): string {
  return JSON.stringify(verdicts.map(({ rule, ...verdict }) => [rule.name, verdict]));
}

describe("what rules know of a gateway", () => {
  const set = patternSet(rules);
  test("is the same after a snapshot at any point, and in a replay", () => {
    for (let seed = 0; seed < 20; seed++) {
      const steps = storm(`storm ${seed}`, 200);
      const [first, other] = [new Rig(set), new Rig(set)];
      const random = seededRandom(`restarts ${seed}`);
      for (const [index, step] of steps.entries()) {
        if (random.next() < 0.3) other.restart();
        expect(step(other), `seed ${seed}, step ${index}`).toBe(step(first));
      }
      expect(other.encoded()).toBe(first.encoded());
      const replayed = new Rig(set);
      for (const step of steps) step(replayed);
      expect(replayed.encoded()).toBe(first.encoded());
    }
  });

  test("fires and ends each rule of the storm at least once, so that the storm tests them", () => {
    const rig = new Rig(set);
    const texts = storm("storm 1", 400).map((step) => step(rig));
    for (const rule of set.patterns) {
      const own = texts.filter((text) => text.includes(`"${rule.name}"`));
      expect(
        own.some((text) => text.includes("anomalous")),
        rule.name,
      ).toBe(true);
    }
    expect(texts.join()).toContain('"name":"worse"');
  });

  test("goes on for rules whose pattern is the same, and begins anew for others", () => {
    const rig = new Rig([
      { name: "a", when: "on", severity: "info" },
      { name: "b", when: "on" },
    ]);
    rig.read({ at: 1, value: true });
    rig.restart(
      patternSet([
        { name: "a", when: "on", severity: "critical" },
        { name: "b", when: "!on" },
      ]),
    );
    const kinds = rig
      .read({ at: 2, metric: "x", value: 1 })
      .map(({ rule, verdict }) => [rule.name, verdict.kind]);
    expect(kinds).toEqual([
      ["a", "anomalous"],
      ["b", "normal"],
    ]);
  });

  test("is not changed by what is late", () => {
    const rig = new Rig(set);
    const random = seededRandom("late");
    for (const step of storm("storm 2", 100)) step(rig);
    const isPresent = (json: string) =>
      JSON.stringify(
        (JSON.parse(json) as { rules: { keys: unknown[][] }[] }).rules.map(({ keys }) =>
          keys.map((key) => key.slice(0, 4)),
        ),
      );
    const before = isPresent(rig.encoded());
    for (let n = 0; n < 200; n++) {
      const value = n % 3 === 0 ? n % 2 === 0 : between(random, 0, 9);
      const device = `d${between(random, 1, 3)}`;
      const metric = `m${between(random, 1, 2)}`;
      const verdicts = rig.read({ at: 5_000 + n, device, metric, value, late: true });
      expect(verdicts.every(({ late }) => late === true)).toBe(true);
    }
    expect(isPresent(rig.encoded())).toBe(before);
  });

  test("is of the present again once a gateway's clock that was a year ahead is right", () => {
    const rig = new Rig([
      { name: "on", when: "on", keepFiringFor: "1h" },
      { name: "silent", when: { absence: {}, after: "1m" } },
    ]);
    const [year, minute] = [365 * 86_400_000, 60_000];
    rig.read({ at: year, value: true });
    rig.gatewayAt = 0;
    const kinds = (verdicts: ReturnType<Rig["read"]>) =>
      verdicts.map(
        ({ rule, verdict, late }) => `${rule.name} ${verdict.kind}${late ? " late" : ""}`,
      );
    expect(kinds(rig.read({ at: 5 * minute, value: false }))).toEqual([
      "on normal",
      "silent normal",
    ]);
    expect(kinds(rig.read({ at: 5 * minute + 1, value: true })).at(0)).toBe("on anomalous");
    expect(kinds(rig.tick(7 * minute, 7 * minute))).toEqual(["silent anomalous"]);
  });

  test("of the greatest numbers is restored, too", () => {
    const when = { rate: {}, over: "1s", per: "1s", above: 1 };
    const rig = new Rig([{ name: "r", when, emit: { name: "e", value: "value * 10" } }]);
    rig.read({ at: 0, value: -1e308 });
    expect(rig.read({ at: 1_000, value: 1e308 })).toMatchObject([
      { verdict: { kind: "anomalous" }, derived: { value: null } },
    ]);
    const text = rig.encoded();
    rig.restart();
    expect(rig.encoded()).toBe(text);
    expect(rig.patterns.byPattern[0]?.keys.size).toBe(1);
  });

  test("begins anew where its state is damaged, and never throws", () => {
    const rig = new Rig(set);
    for (const step of storm("storm 3", 150)) step(rig);
    const text = rig.encoded();
    const random = seededRandom("damage");
    for (let n = 0; n < 300; n++) {
      const damaged = JSON.stringify(JSON.parse(text), (_key, part: unknown) =>
        random.next() < 0.003 ? [null, "x", -1, {}, [[]]][between(random, 0, 4)] : part,
      );
      const patterns = decodePatterns(JSON.parse(damaged ?? "null"), set);
      const other = new Rig(set);
      other.patterns = patterns;
      for (const step of storm("storm 3", 20)) step(other);
    }
    expect(decodePatterns(undefined, set).byPattern.every(({ keys }) => keys.size === 0)).toBe(
      true,
    );
  });
});

describe("bounds", () => {
  const bounds = { keysMax: 5, seriesMax: 4 };

  test("keys beyond the bound are counted and not judged, those before go on", () => {
    const rig = new Rig(patternSet([{ name: "r", when: "on" }]), bounds);
    for (let n = 0; n < 100; n++) rig.read({ at: n, device: `d${n}`, value: true });
    expect(rig.patterns.byPattern[0]?.keys.size).toBe(5);
    expect(rig.patterns.counts.refused.get("r")).toBe(95);
    expect(rig.read({ at: 200, device: "d1", value: false })).toHaveLength(1);
  });

  test("series that no condition looks at take no room from those that one looks at", () => {
    const rig = new Rig(
      patternSet([{ name: "r", by: "gateway", when: { is: "on", metric: "door" } }]),
      bounds,
    );
    for (let n = 0; n < 100; n++) rig.read({ at: n, device: `d${n}`, metric: "t", value: 1 });
    expect(rig.read({ at: 200, device: "d", metric: "door", value: true })).toMatchObject([
      { verdict: { kind: "anomalous" } },
    ]);
    expect(rig.patterns.counts.refused.get("r")).toBe(undefined);
  });

  test("series beyond the bound are counted and not judged", () => {
    const rig = new Rig(
      patternSet([{ name: "r", by: "gateway", when: { is: "on", of: 5 } }]),
      bounds,
    );
    for (let n = 0; n < 20; n++) rig.read({ at: n, device: `d${n}`, value: true });
    expect(rig.patterns.counts.refused.get("r")).toBe(16);
  });

  test("a state is flat, however much comes to one key", () => {
    const texts: readonly RuleText[] = [
      { when: { count: {}, within: "1d", atLeast: 1_000 } },
      { when: { rate: {}, over: "1d", above: 1e9 } },
      { when: { sequence: [{ metric: "*" }, { metric: "*" }, "on"], within: "1d" } },
      { when: { all: ["value > 5", { absence: {}, after: "1s" }] }, allowedLateness: "1h" },
      { when: "value > 0.5", emit: "flicker", allowedLateness: "1h", keepFiringFor: "1ms" },
    ];
    const rig = new Rig(patternSet(texts));
    const random = seededRandom("hostile");
    const sizes = Array.from({ length: 6 }, (_, round) => {
      for (let n = 0; n < 2_000; n++) {
        const at = 1e9 + round * 2_000 + n;
        const disorder = random.next() < 0.2 ? between(random, 0, 200) : 0;
        const value = random.next() < 0.1 ? "x".repeat(10_000) : random.next();
        rig.read({ at: at - disorder, receivedAt: at, value });
        if (n % 50 === 0) rig.tick(at + 5_000, at + 5_000);
      }
      return rig.encoded().length;
    });
    expect(Math.max(...sizes)).toBeLessThan(1.1 * (sizes[1] ?? 0));
    expect(Math.max(...sizes)).toBeLessThan(100 * (itemsMax + samplesMax + 1_000));
    expect(rig.patterns.deadlines.size).toBeLessThanOrEqual(texts.length);
  });

  test("a tick touches only keys whose time has come", () => {
    const rig = new Rig(patternSet([{ when: { absence: {}, after: "1m" } }]));
    for (let n = 0; n < 1_000; n++) rig.read({ at: n * 100, device: `d${n}`, value: 1 });
    const { revision } = rig.patterns;
    rig.tick(60_000, 60_000);
    expect(rig.patterns.revision).toBe(revision);
    expect(rig.tick(60_250, 60_250)).toHaveLength(3);
    expect(rig.patterns.revision).toBe(revision + 3);
  });

  test("a rate of more samples than are kept is right to 1/100 of its window", () => {
    const rig = new Rig(patternSet([{ when: { rate: {}, over: "10s", per: "1s", above: 1 } }]));
    const [pace, stepAt] = [7, 30_000];
    const kinds = new Map<number, string | undefined>();
    for (let at = 0; at < 60_000; at += pace) {
      const value = at < stepAt ? 0 : 11;
      kinds.set(Math.floor(at / 100), rig.read({ at, value })[0]?.verdict.kind);
    }
    const anomalous = [...kinds].filter(([, kind]) => kind === "anomalous").map(([at]) => at);
    expect(anomalous).toEqual(Array.from({ length: anomalous.length }, (_, n) => 300 + n));
    expect(anomalous.length).toBeGreaterThanOrEqual(99);
    expect(anomalous.length).toBeLessThanOrEqual(101);
    expect(rig.encoded().length).toBeLessThan(20 * samplesMax);
  });

  test("are those that the design names", () => {
    expect(patternBounds).toEqual({ keysMax: 10_000, seriesMax: 1_000 });
    expect(new GatewayPatterns(patternSet([])).bounds).toBe(patternBounds);
  });
});

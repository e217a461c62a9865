/**
 * Goal: a rule by site judges the readings of all its gateways as one, whichever comes first, however
 * often the state is stored in between; who is away is not waited for, and what was lost is told.
 */

import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import type { SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { describe, expect, test } from "vitest";
import { faultsOfExamples } from "../alert/example-replay.ts";
import type { RulesState, Told } from "../alert/gateway-step.ts";
import { takeEvent, takeTick } from "../alert/gateway-step.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import { Site } from "./site.ts";

const fleet = fleetSchema.parse({
  gateways: [
    { match: ["a-*"], site: "hall-a", labels: { floor: "1" } },
    { match: ["b-*"], site: "hall-b" },
  ],
});
const open = { metric: "door", is: "on" };
const twoDoors = { name: "two-doors", by: "site", when: { metric: "door", is: "on", of: 2 } };

const named = (rules: unknown, of = fleet, name = "r"): NamedRules => {
  return { name, alerting: createAlerting(compileRules(rulesSchema.parse(rules), of)) };
};

function taken(gateway: string, second: number, body: object, more = {}): TakenEvent {
  const place = { device: null, topic: null, bootMs: second * 1_000, observedAt: null };
  return {
    ...{ id: `${gateway}/1-00000001/telemetry/${second}`, gateway: gatewayId(gateway) },
    ...{ lane: "live", epoch: "1-00000001", log: "telemetry", position: second + 1 },
    ...{ event: eventSchema.parse({ ...place, ...body }), receivedAt: second * 1_000 },
    ...{ timeQuality: "synchronised", late: false, effect: true },
    ...more,
  };
}

const reading = (gateway: string, second: number, metric: string, value: unknown, more = {}) =>
  taken(
    gateway,
    second,
    { kind: "reading", device: "d", readings: [{ metric, value, quality: "good" }] },
    more,
  );

function inputOf({ id, gateway, event, receivedAt, late }: TakenEvent): SiteInput | undefined {
  if (event.kind !== "reading" || event.device === null) return undefined;
  const [first] = event.readings;
  if (first === undefined) return undefined;
  const { device, observedAt } = event;
  const { metric, value, unit, quality } = first;
  const own = { id: `${id}/0`, gateway, device, metric, value, unit, quality, observedAt };
  return { kind: "reading", n: 0, ...own, receivedAt, late };
}

/** Gateways and their site, with nothing in between. */
class Hall {
  readonly rules: NamedRules;
  site: Site;
  readonly inputs: SiteInput[] = [];
  /** The last reading, whether or not its site was told. */
  given: SiteInput | undefined;
  lastTick = { n: 0, at: 0 };
  readonly #gateways = new Map<string, RulesState>();
  #ticks = 0;

  constructor(rules: NamedRules, name = "hall-a") {
    this.rules = rules;
    this.site = new Site(name, rules);
  }

  take(event: TakenEvent): string[] {
    this.given = inputOf(event);
    return this.#give(takeEvent(this.rules.alerting, this.#state(event.gateway), event));
  }

  tick(second: number): string[] {
    this.#ticks += 1;
    const told = [...this.#gateways].flatMap(([gateway, state]) => {
      const moment = { id: `clk/${this.#ticks}`, gateway, at: second * 1_000 };
      return this.#give(takeTick(this.rules.alerting, state, moment, true));
    });
    this.lastTick = { n: this.#ticks, at: second * 1_000 };
    return [...told, ...wordsOf(this.site.tick(this.lastTick))];
  }

  #give({ site }: Told): string[] {
    this.inputs.push(...site);
    return site.flatMap((input) => wordsOf(this.site.take(input)));
  }

  #state(gateway: string): RulesState {
    const { alerting } = this.rules;
    const known = this.#gateways.get(gateway);
    if (known !== undefined) return known;
    const state = { detection: alerting.detection(gateway), alerts: alerting.alerts() };
    this.#gateways.set(gateway, state);
    return state;
  }
}

const wordsOf = ({ transitions, derived }: Told) => [
  ...transitions.map(({ rule, state, gateway, at }) => `${rule} ${state} ${gateway} ${at / 1_000}`),
  ...derived.map(({ name, gateway }) => `${name} of ${gateway}`),
];

describe("a rule by site", () => {
  test("judges the readings of all gateways of its site, and of no other", () => {
    const hall = new Hall(named([{ ...twoDoors, emit: "draught" }]));
    expect(hall.take(reading("a-1", 1, "door", true))).toEqual([]);
    expect(hall.take(reading("b-1", 2, "door", true))).toEqual([]);
    // The device has the same name as the other gateway's.
    expect(hall.take(reading("a-2", 3, "door", true))).toEqual([
      "two-doors firing @hall-a 3",
      "draught of @hall-a",
    ]);
    expect(hall.take(reading("a-1", 4, "door", false))).toEqual(["two-doors resolved @hall-a 4"]);
  });

  test("is tried by examples as it judges, with what detectors and other rules say", () => {
    const rules = rulesSchema.parse([
      { name: "hot", detector: "limits", hi: 50, metrics: ["t"], severity: "info" },
      { name: "smoke", by: "gateway", when: { metric: "smoke", is: "on" }, emit: "smoke" },
      {
        ...{ name: "fire", by: "site", keepFiringFor: "1m" },
        when: { sequence: [{ rule: "hot" }, { derived: "smoke" }], within: "1m" },
        examples: [
          {
            given: [
              { at: "0s", gateway: "a-1", device: "x", metric: "t", value: 20 },
              { at: "10s", gateway: "a-1", device: "x", metric: "t", value: 60 },
              { at: "20s", gateway: "a-2", device: "y", metric: "smoke", value: true },
              { at: "3m" },
            ],
            expect: [
              { at: "20s", state: "firing", gateway: "@hall-a" },
              { at: "80s", state: "resolved" },
            ],
          },
          {
            given: [
              { at: "10s", gateway: "a-1", device: "x", metric: "t", value: 60 },
              { at: "20s", gateway: "b-1", device: "y", metric: "smoke", value: true },
            ],
            expect: [],
          },
        ],
      },
    ]);
    expect(faultsOfExamples(rules, fleet)).toEqual([]);
  });

  test("sees labels and names of the gateway that a reading came from, and is selected by them", () => {
    const wide = {
      by: "site",
      when: { is: 'labels.floor == "1" && gateway == "a-1"', metric: "x" },
    };
    const rules = [
      { ...wide, name: "seen" },
      { ...wide, name: "others", gateways: ["a-2"] },
      { ...wide, name: "elsewhere", site: ["hall-b"] },
    ];
    const hall = new Hall(named(rules));
    expect(hall.take(reading("a-2", 1, "x", 1))).toEqual([]);
    expect(hall.take(reading("a-1", 2, "x", 1))).toEqual(["seen firing @hall-a 2"]);
  });

  test("hears a slower gateway's readings as of the newest before them (V1)", () => {
    const hall = new Hall(named([twoDoors]));
    hall.take(reading("a-1", 10, "door", true));
    expect(hall.take(reading("a-2", 7, "door", true))).toEqual(["two-doors firing @hall-a 10"]);
  });

  test("goes on in time though a gateway's clock is far ahead (V1)", () => {
    const still = { name: "still", by: "site", when: { absence: { metric: "door" }, after: "2m" } };
    const hall = new Hall(named([still]));
    const told: string[] = [];
    for (let second = 0; second <= 300; second += 5) {
      if (second === 20) hall.take(reading("a-2", 7_200, "other", 1));
      if (second <= 30) hall.take(reading("a-1", second, "door", true));
      hall.take(reading("a-1", second, "other", second));
      told.push(...hall.tick(second).map((what) => `${what} told ${second}`));
    }
    // At 20 it counted as 75, a minute after the newest tick.
    expect(told).toEqual(["still firing @hall-a 195.001 told 200"]);
  });

  test("judges as late what a gateway had for three minutes, then hears it again (S2)", () => {
    const hall = new Hall(named([twoDoors]));
    hall.take(reading("a-1", 1_000, "door", true));
    hall.take(reading("a-2", 900, "door", false));
    const behind = reading("a-2", 901, "door", true);
    const { inputs } = hall;
    const state = { ...behind, late: true };
    expect(hall.take(state)).toEqual([]);
    expect(inputs.at(-1)).toMatchObject({ late: true });
    expect(hall.take(reading("a-2", 1_001, "door", true))).toEqual([
      "two-doors firing @hall-a 1001",
    ]);
  });

  test("waits for time of the gateway furthest behind, not of one that is away, and says so (V2)", () => {
    const still = { name: "still", by: "site", when: { absence: { metric: "door" }, after: "2m" } };
    const hall = new Hall(named([still]));
    hall.take(reading("a-1", 0, "door", true));
    hall.take(reading("a-2", 1, "other", 1));
    const told: string[] = [];
    for (let second = 5; second <= 600; second += 5) {
      if (second <= 60) hall.take(reading("a-2", second, "other", second));
      hall.take(reading("a-1", second, "other", second));
      told.push(...hall.tick(second).map((what) => `${what} told ${second}`));
    }
    // a-2 was last heard at 60: it is waited for until 240, and left out from then on.
    expect(told).toEqual(["still firing @hall-a 120.001 told 245"]);
    const reasons: string[] = [];
    const other = new Hall(named([still]));
    for (const input of hall.inputs) {
      other.site.take(input);
    }
    for (const { reason } of other.site.tick({ n: 1, at: 600_000 }).transitions)
      reasons.push(reason);
    expect(reasons).toEqual([
      expect.stringContaining("; without a-2, of which nothing recent came"),
    ]);
  });

  test("says nothing of a gateway without a site", () => {
    const hall = new Hall(named([{ ...twoDoors, when: open }]), "");
    expect(hall.take(reading("c-1", 1, "door", true))).toEqual([]);
    expect(hall.inputs).toEqual([]);
  });
});

/** Doors and numbers of three gateways, with ticks between them. */
function story(seed: string): ((hall: Hall) => string[])[] {
  const random = seededRandom(seed);
  const pick = (count: number) => Math.floor(random.next() * count);
  const steps = Array.from({ length: 300 }, (_, index) => {
    const [gateway, second] = [`a-${pick(3)}`, index * 2 + pick(3)];
    if (pick(5) === 0) return (hall: Hall) => hall.tick(index * 2);
    if (pick(2) === 0) {
      const value = pick(2) === 0;
      return (hall: Hall) => hall.take(reading(gateway, second, "door", value));
    }
    const value = pick(10);
    return (hall: Hall) => hall.take(reading(gateway, second, "t", value));
  });
  const last = ["a-0", "a-1", "a-2"].map((gateway) => (hall: Hall) => {
    return hall.take(reading(gateway, 700, "last", 1));
  });
  return [...steps, ...last, (hall) => hall.tick(700)];
}

const several = [
  twoDoors,
  { name: "long", by: "site", when: { ...open, of: "every" }, for: "10s", emit: "long" },
  { name: "often", by: "site", when: { count: { is: "value > 6.0" }, within: "30s", atLeast: 4 } },
  { name: "calm", by: "site", when: { absence: { is: "value > 7.0" }, after: "20s" } },
  {
    ...{ name: "order", by: "site", keepFiringFor: "5s" },
    when: { sequence: [{ is: "value > 8.0" }, { derived: "long" }], within: "1m" },
  },
];

const steps = {
  ...{ name: "steps", by: "site", keepFiringFor: "5s" },
  when: { sequence: [{ is: "value > 8.0" }, open], within: "20s" },
};

test("the state of a site goes on as it was, wherever it is stored and read again (V5)", () => {
  const rules = named(several);
  for (const seed of ["one", "two"]) {
    const steps = story(seed);
    const whole = new Hall(rules);
    const expected = steps.map((step) => step(whole));
    expect(expected.flat().length).toBeGreaterThan(20);
    const stored = new Hall(rules);
    const found = steps.map((step, index) => {
      if (index % 3 === 0) stored.site = Site.decode(stored.site.encode(index), rules);
      return step(stored);
    });
    expect(found).toEqual(expected);
  }
});

test("a site that is told what changes something finds what one finds that is told all (S1)", () => {
  // What an event moves hangs on the moment at which that is told.
  const rules = named([...several.filter(({ name }) => name !== "order"), steps]);
  let told = 0;
  let all = 0;
  for (const seed of ["three", "four", "five"]) {
    const hall = new Hall(rules);
    const whole = new Site("hall-a", rules);
    const found = story(seed).map((step) => {
      const before = hall.inputs.length;
      const own = step(hall);
      const { given } = hall;
      hall.given = undefined;
      const news = hall.inputs.slice(before);
      told += news.filter(({ kind }) => kind === "reading").length;
      const inputs: readonly SiteInput[] = given === undefined ? news : [given];
      if (given !== undefined) all += 1;
      const others = inputs.flatMap((input) => wordsOf(whole.take({ ...input, n: 0 })));
      if (given === undefined) others.push(...wordsOf(whole.tick(hall.lastTick)));
      return { own, others };
    });
    // What has passed is told when anything comes, or at the next tick.
    const ours = found.flatMap(({ own }) => own).toSorted();
    expect(ours.length).toBeGreaterThan(20);
    expect(ours).toEqual(found.flatMap(({ others }) => others).toSorted());
  }
  expect(told).toBeLessThan(all * 0.8);
});

test("what was lost on the way is told once (V4)", () => {
  const hall = new Hall(named([twoDoors]));
  for (const second of [1, 2, 3]) hall.take(reading("a-1", second, "door", second !== 2));
  const [first, , third] = hall.inputs;
  const site = new Site("hall-a", hall.rules);
  const told = [first, third].flatMap((input) =>
    input === undefined ? [] : site.take(input).transitions,
  );
  expect(told.map(({ rule, state, gateway }) => `${rule} ${state} ${gateway}`)).toEqual([
    "system-state-incomplete firing @hall-a",
    "system-state-incomplete resolved @hall-a",
  ]);
  expect(told[0]?.reason).toContain("1 of what gateway a-1 told its site");
});

describe("rules that change", () => {
  test("go on where they are the same, and forget a gateway that left the site", () => {
    const hall = new Hall(named([twoDoors]));
    hall.take(reading("a-1", 1, "door", true));
    hall.take(reading("a-2", 2, "door", true));
    hall.take(reading("a-3", 3, "door", true));
    const moved = fleetSchema.parse({
      gateways: [{ match: ["a-2", "a-3"], site: "hall-b" }, ...fleet.gateways],
    });
    const next = named([{ ...twoDoors, severity: "info" }], moved, "next");
    expect(hall.site.wants("next", { n: 1, at: 5_000 })).toBe(true);
    hall.site.useRules(next, { n: 1, at: 5_000 });
    const told = new Hall(next);
    told.site = hall.site;
    // What a-1 said still stands; it is one door.
    expect(told.take(reading("a-1", 10, "door", true))).toEqual(["two-doors resolved @hall-a 3"]);
    expect(told.take(reading("a-4", 11, "door", true))).toEqual(["two-doors firing @hall-a 11"]);
  });

  test("withdraw what none of them judges, at the next tick", () => {
    const hall = new Hall(named([{ ...twoDoors, when: open }]));
    hall.take(reading("a-1", 1, "door", true));
    hall.site.useRules(named([], fleet, "next"), { n: 0, at: 0 });
    expect(hall.tick(5)).toEqual(["two-doors resolved @hall-a 5"]);
  });
});

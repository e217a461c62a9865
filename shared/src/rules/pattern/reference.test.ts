// The goal: what rules say of random streams is what their definitions say, in order and out of it,
// with ticks and without, and whatever a snapshot comes between.
import { describe, expect, test } from "vitest";
import type { Random } from "../../random.ts";
import { seededRandom } from "../../random.ts";
import { compileCondition } from "../condition.ts";
import type { PatternRule } from "../rule.ts";
import { rulesSchema } from "../rule.ts";
import type { PatternVerdict } from "./pattern.ts";
import type { ReferenceRule, Told } from "./testing/reference.ts";
import { judge } from "./testing/reference.ts";
import type { RuleText } from "./testing/rig.ts";
import { patternSet, Rig } from "./testing/rig.ts";

const metrics = ["a", "b"];
const devices = ["d1", "d2"];

const between = (random: Random, from: number, to: number) =>
  from + Math.floor(random.next() * (to - from + 1));
const oneOf = <Item>(random: Random, items: readonly Item[]): Item =>
  items[between(random, 0, items.length - 1)] as Item;
const span = (random: Random) => `${between(random, 1, 12)}ms`;

function leafOf(random: Random): RuleText {
  const is = oneOf(random, ["value > 3", "value > 6", "on"]);
  return { is, metric: oneOf(random, [...metrics, "*"]) };
}

const kinds = [
  "all",
  "any",
  "not",
  "sequence",
  "absence",
  "count",
  "rate",
  "after",
  "leaf",
  "derived",
];

function conditionOf(random: Random, depth: number, kind = oneOf(random, kinds)): RuleText {
  const part = () => conditionOf(random, depth - 1, depth <= 1 ? "leaf" : undefined);
  const parts = () => Array.from({ length: between(random, 2, 3) }, part);
  switch (kind) {
    case "all":
    case "any":
    case "sequence":
      return { [kind]: parts(), ...(kind === "sequence" ? { within: span(random) } : {}) };
    case "not":
      return { not: part() };
    case "absence":
      return { absence: random.next() < 0.3 ? {} : leafOf(random), after: span(random) };
    case "count": {
      const bound = oneOf(random, ["atLeast", "fewerThan"]);
      return { count: leafOf(random), within: span(random), [bound]: between(random, 1, 4) };
    }
    case "rate": {
      const bound = oneOf(random, ["above", "below"]);
      const limit = between(random, -2, 2);
      const metric = oneOf(random, [...metrics, "*"]);
      return { rate: { metric }, over: span(random), per: "1ms", [bound]: limit };
    }
    case "after":
      return { after: span(random), since: part() };
    case "derived":
      return { derived: "e" };
    default: {
      const of = oneOf(random, ["any", "any", "every", 2]);
      const lasting = random.next() < 0.3 ? { for: span(random) } : {};
      return { ...leafOf(random), of, ...lasting };
    }
  }
}

/** What `derived: e` names. */
const emitter = { name: "emitter", by: "gateway", when: "text == 'e'", emit: "e" };

interface Setup {
  readonly text: RuleText;
  readonly rule: PatternRule;
  readonly reference: ReferenceRule;
}

function setupOf(random: Random, kind: string | undefined, latenessMs: number): Setup {
  for (;;) {
    const text = {
      ...{ name: "r", by: "gateway", time: "observed", when: conditionOf(random, 3, kind) },
      for: random.next() < 0.3 ? span(random) : "0s",
      keepFiringFor: random.next() < 0.3 ? span(random) : "0s",
      allowedLateness: `${latenessMs}ms`,
    };
    // What can never hold is refused at load; then another one is drawn.
    const parsed = rulesSchema.safeParse([text, emitter]);
    if (!parsed.success) continue;
    const rule = parsed.data[0] as PatternRule;
    const { for: forMs, keepFiringFor: keepMs } = rule;
    return { text, rule, reference: { when: compileCondition(rule.when), forMs, keepMs } };
  }
}

type Step =
  | {
      readonly kind: "reading" | "derived";
      readonly at: number;
      readonly receivedAt: number;
      readonly told: Told;
    }
  | { readonly kind: "tick"; readonly gatewayAt: number };

function stepsOf(random: Random, latenessMs: number, text: RuleText): readonly Step[] {
  const steps: Step[] = [];
  // An event that it does not wait for is none of its time either.
  const waits = JSON.stringify(text).includes('"derived"');
  let [newest, receivedAt] = [100, 1_000];
  for (let n = 0; n < 45; n++) {
    receivedAt += between(random, 0, 5);
    if (random.next() < 0.25) {
      steps.push({ kind: "tick", gatewayAt: receivedAt });
      continue;
    }
    const at =
      random.next() < 0.5
        ? newest + between(random, 0, 5)
        : newest - between(random, 0, latenessMs);
    newest = Math.max(newest, at);
    const isDerived = waits && random.next() < 0.3;
    const value = random.next() < 0.4 ? random.next() < 0.5 : between(random, 0, 9);
    const kind = isDerived ? "derived" : "reading";
    const told = {
      at,
      kind,
      device: oneOf(random, devices),
      metric: oneOf(random, metrics),
      value,
    } as const;
    steps.push({ kind, at, receivedAt, told });
  }
  return steps;
}

function apply(rig: Rig, step: Step): readonly PatternVerdict[] {
  if (step.kind === "tick") return rig.tick(step.gatewayAt, step.gatewayAt);
  const { at, receivedAt, told } = step;
  const { device, metric, value } = told;
  if (step.kind === "reading") return rig.read({ at, receivedAt, device, metric, value });
  return rig.derive({ at, receivedAt, device, metric, value, name: "e" });
}

const own = (verdicts: readonly PatternVerdict[]) =>
  verdicts.filter(({ rule }) => rule.name === "r");

/** Plays a stream; what the rule said, after each step compared with the definition. */
function compare(
  seed: string,
  kind: string | undefined,
  latenessMs: number,
  restarts: boolean,
): void {
  const random = seededRandom(seed);
  const { text, reference } = setupOf(random, kind, latenessMs);
  const rig = new Rig(patternSet([text, emitter]));
  const items: Told[] = [];
  const told = new Set<number>();
  let [newest, newestReceivedAt, holds] = [Number.NEGATIVE_INFINITY, 0, false];
  let expected: ReturnType<typeof judge> = { level: false, occurrences: [] };
  let end = Number.NEGATIVE_INFINITY;
  for (const [index, step] of stepsOf(random, latenessMs, text).entries()) {
    if (restarts && index % 7 === 3) rig.restart();
    const where = `${seed} step ${index} ${JSON.stringify(step)} ${JSON.stringify(text)}`;
    const verdicts = own(apply(rig, step));
    for (const { verdict, at, late } of verdicts) {
      expect(late, where).toBeFalsy();
      holds = verdict.kind === "anomalous";
      if (holds && at !== undefined) told.add(at);
    }
    if (step.kind === "tick") {
      if (items.length === 0) continue;
      const now = newest + Math.max(0, step.gatewayAt - newestReceivedAt);
      end = Math.max(end, now);
    } else {
      const place = items.findLastIndex(({ at }) => at <= step.at) + 1;
      items.splice(place, 0, step.told);
      if (step.at >= newest) [newest, newestReceivedAt] = [step.at, step.receivedAt];
      end = newest;
    }
    expected = judge(reference, items, end);
    expect(holds, `${where} level`).toBe(expected.level);
    for (const at of expected.occurrences) expect(told.has(at), `${where} at ${at}`).toBe(true);
  }
}

/** Without disorder and ticks nothing is told but what the definition says. */
function compareInOrder(seed: string, kind: string): void {
  const random = seededRandom(seed);
  const { text, reference } = setupOf(random, kind, 0);
  const rig = new Rig(patternSet([text, emitter]));
  const items: Told[] = [];
  const told: number[] = [];
  let holds = false;
  for (const step of stepsOf(random, 0, text)) {
    if (step.kind === "tick") continue;
    for (const { verdict, at } of own(apply(rig, step))) {
      const isNews = verdict.kind === "anomalous" && at !== told.at(-1);
      holds = verdict.kind === "anomalous";
      if (isNews && at !== undefined) told.push(at);
    }
    items.push(step.told);
    const expected = judge(reference, items, step.at);
    const where = `${seed} ${JSON.stringify(step)} ${JSON.stringify(text)}`;
    expect(holds, where).toBe(expected.level);
    expect(told, where).toEqual(expected.occurrences);
  }
}

/** Of each kind and way; the long run takes minutes. */
const seeds = process.env["CAUSEWAY_LONG"] === undefined ? 12 : 400;

describe.each(kinds)("%s, on random streams", (kind) => {
  test("tells what its definition tells, in order", () => {
    for (let seed = 0; seed < seeds; seed++) compareInOrder(`order ${kind} ${seed}`, kind);
  });
  test("holds when its definition holds, with ticks", () => {
    for (let seed = 0; seed < seeds; seed++) compare(`ticks ${kind} ${seed}`, kind, 0, false);
  });
  test("holds when its definition holds, out of order within allowedLateness", () => {
    for (let seed = 0; seed < seeds; seed++) compare(`disorder ${kind} ${seed}`, kind, 8, false);
  });
  test("goes on after a snapshot as if there had been none", () => {
    for (let seed = 0; seed < seeds; seed++) compare(`snapshots ${kind} ${seed}`, kind, 5, true);
  });
});

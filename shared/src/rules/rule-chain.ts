/**
 * Rules that build on others: `derived: name` waits for what a rule emits, `rule: name` for what a
 * detector rule says. Which wait for which has no cycles, so that each reading is judged once, in one
 * order; and no long chains, so that its cost has a bound.
 */
import type { ConditionDocument } from "./condition-document.ts";
import type { Rule } from "./rule.ts";

export const chainMax = 8;
const cyclesToldMax = 8;

export interface RuleFault {
  readonly path: PropertyKey[];
  readonly message: string;
}

type Path = readonly PropertyKey[];

interface Reference {
  readonly kind: "derived" | "rule";
  readonly name: string;
  readonly path: Path;
}

export function faultsBetween(rules: readonly Rule[]): readonly RuleFault[] {
  const emitted = emittersOf(rules);
  const byName = new Map(rules.map((rule) => [rule.name as string, rule]));
  const faults = rules.flatMap((rule, index) =>
    referencesOf(rule).flatMap(({ kind, name, path }) => {
      const message = kind === "derived" ? faultOfDerived(name, rule) : faultOfRule(name);
      return message === undefined ? [] : [{ path: [index, ...path], message }];
    }),
  );
  return faults.length > 0 ? faults : faultsOfChains(rules);

  function faultOfDerived(name: string, rule: Rule): string | undefined {
    const emitters = emitted.get(name);
    if (emitters !== undefined) {
      // What is found of a whole site does not go back to its gateways.
      const isForSites = isBySite(rule) || !emitters.every(isBySite);
      return isForSites ? undefined : `${name} is emitted by site: wait for it by: site`;
    }
    const known = emitted.size === 0 ? "" : `; there are ${[...emitted.keys()].join(", ")}`;
    return `no rule emits ${name}${known}`;
  }

  function faultOfRule(name: string): string | undefined {
    const found = byName.get(name);
    if (found === undefined) return `no rule ${name}`;
    if (found.detector === undefined)
      return `${name} has no detector: let it emit an event, and wait for that by derived:`;
    // Silence is found by time, which brings no reading that a condition could look at.
    return found.detector === "absence" ? "write absence: in place of a rule for it" : undefined;
  }
}

/** Rules from those that wait for none to those that wait for others, as far as they are without cycles. */
export function inOrder(rules: readonly Rule[]): readonly Rule[] {
  const { heights } = heightsOf(rules);
  return rules.toSorted((a, b) => (heights.get(a) ?? 0) - (heights.get(b) ?? 0));
}

function emittersOf(rules: readonly Rule[]): ReadonlyMap<string, readonly Rule[]> {
  const emitters = rules.filter((rule) => emitOf(rule) !== undefined);
  return Map.groupBy(emitters, (rule) => emitOf(rule) ?? "");
}

function isBySite(rule: Rule): boolean {
  return rule.detector === undefined && rule.by === "site";
}

function emitOf(rule: Rule): string | undefined {
  return rule.detector === undefined ? rule.emit?.name : undefined;
}

function referencesOf(rule: Rule): readonly Reference[] {
  return rule.detector === undefined ? referencesIn(rule.when, ["when"]) : [];
}

function referencesIn(condition: ConditionDocument, path: Path): readonly Reference[] {
  const several = (parts: readonly ConditionDocument[], key: string) =>
    parts.flatMap((part, index) => referencesIn(part, [...path, key, index]));
  if ("all" in condition) return several(condition.all, "all");
  if ("any" in condition) return several(condition.any, "any");
  if ("sequence" in condition) return several(condition.sequence, "sequence");
  if ("not" in condition) return referencesIn(condition.not, [...path, "not"]);
  if ("since" in condition) return referencesIn(condition.since, [...path, "since"]);
  if ("derived" in condition)
    return [{ kind: "derived", name: condition.derived, path: [...path, "derived"] }];
  if ("rule" in condition) return [{ kind: "rule", name: condition.rule, path: [...path, "rule"] }];
  return [];
}

interface Heights {
  /** How many rules stand below each that it waits for, one by one. */
  readonly heights: ReadonlyMap<Rule, number>;
  /** Each begins and ends with the same rule. */
  readonly cycles: readonly (readonly Rule[])[];
}

function heightsOf(rules: readonly Rule[]): Heights {
  const emitted = emittersOf(rules);
  const heights = new Map<Rule, number>();
  const cycles: (readonly Rule[])[] = [];
  const below = (rule: Rule): readonly Rule[] => {
    const waitsFor = referencesOf(rule).filter(({ kind }) => kind === "derived");
    const names = new Set(waitsFor.map(({ name }) => name));
    return [...names].flatMap((name) => emitted.get(name) ?? []);
  };
  // Without recursion: a list of rules may be as long as it likes before its chains are refused.
  const open = new Set<Rule>();
  const waiting: (readonly [rule: Rule, isDone: boolean])[] = rules.map(
    (rule) => [rule, false] as const,
  );
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [rule, isDone] = next;
    if (isDone) {
      open.delete(rule);
      const under = below(rule).map((one) => heights.get(one) ?? 0);
      heights.set(rule, 1 + Math.max(0, ...under));
      continue;
    }
    if (heights.has(rule) || open.has(rule)) continue;
    open.add(rule);
    waiting.push([rule, true]);
    for (const one of below(rule)) {
      if (!open.has(one)) waiting.push([one, false]);
      else if (cycles.length < cyclesToldMax)
        cycles.push([...[...open].slice([...open].indexOf(one)), one]);
    }
  }
  return { heights, cycles };
}

function faultsOfChains(rules: readonly Rule[]): readonly RuleFault[] {
  const { heights, cycles } = heightsOf(rules);
  if (cycles.length > 0) {
    return cycles.map((cycle) => {
      const names = cycle.map(({ name }) => name).join(" waits for ");
      const message = `${names}: a rule cannot wait for what it brings about itself`;
      return { path: placeOf(cycle[0]), message };
    });
  }
  const high = rules.filter((rule) => (heights.get(rule) ?? 0) > chainMax);
  return high.map((rule) => {
    const message = `${heights.get(rule)} rules wait for each other; at most ${chainMax}`;
    return { path: placeOf(rule), message };
  });

  function placeOf(rule: Rule | undefined): PropertyKey[] {
    return [rule === undefined ? 0 : rules.indexOf(rule), "when"];
  }
}

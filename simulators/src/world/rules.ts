/**
 * The world's rules: what they find depends on every value and on the order of values. There are two
 * sets; between them one rule goes, one comes, one changes its limit and one stays as it is.
 */
import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";

const odd = { name: "odd", detector: "ewma", limit: 1.5, memory: 10, warmUp: 10 };
const long = { name: "long", detector: "limits", hi: 50, for: "3s", keepFiringFor: "2s" };
const sets = {
  first: [{ name: "hot", detector: "limits", hi: 50, hysteresis: 5 }, long, odd],
  second: [
    { name: "hot", detector: "limits", hi: 58, hysteresis: 2 },
    odd,
    { name: "cold", detector: "limits", lo: 18 },
  ],
};

/** What an engine goes by before the first tick. */
export const firstRules = "first";
export const secondRules = "second";

const alertings: ReadonlyMap<string, Alerting> = new Map(
  Object.entries(sets).map(([name, rules]) => {
    // Every change is told: a checker that waits for few of them sees little.
    const common = { metrics: ["value"], flap: "off" };
    const parsed = rulesSchema.parse(rules.map((rule) => ({ ...rule, ...common })));
    return [name, createAlerting(compileRules(parsed))];
  }),
);

export function alertingOf(name: string): Alerting {
  const alerting = alertings.get(name);
  if (alerting === undefined) throw new Error(`the world has no rules ${name}`);
  return alerting;
}

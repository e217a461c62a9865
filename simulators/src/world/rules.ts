/** The world's rules: what they find depends on every value and on the order of values. */
import { createAlerting } from "@causeway/cloud/alert/alerting.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";

const rules = rulesSchema.parse([
  { name: "hot", detector: "limits", hi: 50, hysteresis: 5, metrics: ["value"] },
  { name: "long", detector: "limits", hi: 50, for: "3s", keepFiringFor: "2s", metrics: ["value"] },
  { name: "odd", detector: "ewma", limit: 1.5, memory: 10, warmUp: 10, metrics: ["value"] },
]);

export const worldAlerting = createAlerting(compileRules(rules));

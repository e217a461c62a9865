/** Goal: who sets a filter in front of a rule learns that the rule leaves it nothing to do. */
import { ruleSchema } from "@causeway/shared/rules/rule.ts";
import { expect, test } from "vitest";
import { filtersSchema } from "./filter-settings.ts";
import { idleFilters } from "./idle-filters.ts";

const slow = { rateLimit: { every: "1m" } };

test.each([
  [{ metrics: ["level"] }, { metrics: ["level"] }, true],
  [{ metrics: ["level"] }, {}, true],
  [{}, {}, true],
  [{ metrics: ["level", "t"] }, { metrics: ["l*", "t"] }, true],
  [{ metrics: ["tank*"] }, { metrics: ["tank*"] }, true],
  [{ devices: ["d1"] }, { devices: ["d*"] }, true],
  [{ metrics: ["level", "t"] }, { metrics: ["level"] }, false],
  [{}, { metrics: ["level"] }, false],
  [{ metrics: ["level"] }, { devices: ["d1"] }, false],
  [{ metrics: ["level"] }, { mode: "off" }, false],
  [{ metrics: ["level"] }, { tags: ["wet"] }, false],
])("a filter of %j in front of a rule of %j: %s", (filter, rule, isIdle) => {
  const filters = filtersSchema.parse([{ pass: true }, { name: "slow", ...slow, ...filter }]);
  const rules = [ruleSchema.parse({ name: "high", detector: "limits", hi: 1, ...rule })];
  const told = "filters.1 (slow) keeps nothing back: rule high of the gateway looks at all";
  expect(idleFilters(filters, rules)).toEqual(isIdle ? [expect.stringContaining(told)] : []);
});

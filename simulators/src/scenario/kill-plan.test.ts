// The plan of `scenario kill9` is fair and comes from its seed alone.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { killPlan, victims } from "./kill-plan.ts";

test("every program is killed equally often, and not one after the other in turn", () => {
  const plan = killPlan(20, seededRandom("a"));
  for (const victim of victims) {
    expect(plan.filter((kill) => kill.victim === victim)).toHaveLength(20);
  }
  expect(plan.map(({ victim }) => victim)).not.toEqual(
    Array.from({ length: 20 }, () => victims).flat(),
  );
});

test("a seed gives the same plan again, another seed another one", () => {
  expect(killPlan(5, seededRandom("a"))).toEqual(killPlan(5, seededRandom("a")));
  expect(killPlan(5, seededRandom("a"))).not.toEqual(killPlan(5, seededRandom("b")));
});

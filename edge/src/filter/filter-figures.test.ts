/** Goal: an operator sees what filters keep back, and why, with labels that are bounded. */
import { expect, test } from "vitest";
import { FilterLife } from "../testing/filter-life.ts";
import { filterMetrics, filterRows } from "./filter-figures.ts";

test("what was suppressed is shown by filter and reason, and what is held", async () => {
  const life = await FilterLife.begin([
    { name: "band", metrics: ["t"], deadband: { absolute: 1 }, heartbeat: "1h" },
    { metrics: ["r"], rateLimit: { every: "1h" } },
  ]);
  for (const metric of ["t", "r"])
    for (const value of [1, 1, 1, 1]) await life.send(value, { metric });
  expect(filterRows(life.filter.status())).toEqual([
    ["Filter band", "1 passed; suppressed: 2 within the deadband"],
    ["Filter 2", "1 passed; suppressed: 2 within the rate limit"],
    ["Held", "2 readings of 2 series wait to be sent, or gather"],
  ]);
  const metrics = filterMetrics(life.filter.status());
  const told = metrics.map(({ name, labels = {}, value }) => {
    return `${name} ${Object.values(labels).join(" ")} ${value}`;
  });
  expect(told).toContain("causeway_edge_filter_suppressed_total band deadband 2");
  expect(told).toContain("causeway_edge_filter_suppressed_total 2 rate 2");
  expect(told).toContain("causeway_edge_filter_held  2");
  expect(filterMetrics(undefined)).toEqual([]);
});

/** Goal: a filter that says nothing, or two things at once, is refused with the cure. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "@causeway/shared/settings.ts";
import { expect, test } from "vitest";
import { z } from "zod";
import { filtersSchema, routeFilterSchema } from "./filter-settings.ts";

test.each([
  [{}, "says nothing"],
  [{ metrics: ["t"] }, "says nothing"],
  [{ pass: true, deadband: { absolute: 1 } }, "leave one of them out"],
  [{ deadband: {} }, "absolute or percent"],
  [{ deadband: { absolute: 1, percent: 1 } }, "absolute or percent"],
  [{ deadband: { absolute: -1 } }, "expected number to be >=0"],
  [{ heartbeat: "1m" }, "says nothing"],
  [{ rateLimit: { every: "1m" }, heartbeat: "1m" }, "belongs to a deadband"],
  [{ rateLimit: { every: "1m" }, deadband: { absolute: 1 }, heartbeat: "1s" }, "is shorter"],
  [{ rateLimit: { every: "0s" } }, "longer than nothing"],
  [{ downsample: { window: "1m" }, deadband: { absolute: 1 } }, "stands alone"],
  [{ downsample: { window: "1m" }, heartbeat: "off" }, "stands alone"],
  [{ downsample: { window: "1m", keep: ["mean", "mean"] } }, "twice"],
  [{ downsample: { window: "60" } }, "write a time"],
  [{ deadband: { absolute: 1 }, heartbeat: "often" }, "write a time such as 30s or 10m, or off"],
  [{ rateLimit: { every: "1m" }, topic: "a/#/b" }, "no filter of MQTT"],
  [{ rateLimit: { every: "1m" }, every: "1m" }, "every"],
])("%j is refused", (filter, message) => {
  const parsed = filtersSchema.safeParse([filter]);
  expect(parsed.error?.issues[0]?.message).toContain(message);
});

test("the filters of docs/operations.md are understood", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/operations.md"), "utf8");
  const [, below = ""] = page.split("## Sending less: filters");
  const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(below) ?? [];
  const file = { fileName: "operations.md", text: yaml, environment: {}, sets: [] };
  const { filters } = loadSettings(z.object({ filters: filtersSchema }), file);
  expect(filters).toHaveLength(4);
});

test("two filters of one name are refused, and more than the counts have room for", () => {
  const named = { name: "a", rateLimit: { every: "1s" } };
  expect(filtersSchema.safeParse([named, named]).error?.issues[0]?.path).toEqual([1, "name"]);
  expect(filtersSchema.safeParse(Array(257).fill({ pass: true })).success).toBe(false);
  expect(filtersSchema.safeParse(Array(256).fill({ pass: true })).success).toBe(true);
});

test("a route's filter is that of the list without topic and devices", () => {
  expect(routeFilterSchema.safeParse({ rateLimit: { every: "1s" } }).success).toBe(true);
  expect(routeFilterSchema.safeParse({ rateLimit: { every: "1s" }, topic: "a" }).success).toBe(
    false,
  );
});

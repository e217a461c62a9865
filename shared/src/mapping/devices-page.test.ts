// The goal: what docs/devices.md shows of routes loads as it stands, and passes its examples.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { loadSettings } from "../settings.ts";
import { mappingFunctions } from "./mapping-environment.ts";
import { plainAdapters } from "./plain-message.ts";
import { examplesInRoutes, faultsOfRouteExamples } from "./route-examples.ts";
import { routeSchema } from "./route-settings.ts";
import { routesSchema } from "./routes.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/devices.md"), "utf8");
const [, own = ""] = page.split("\n## Your own devices\n");
const [part = ""] = own.split(/^## /m);
const blocks = [...part.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);

test.each(blocks.map((text, at) => [at + 1, text] as const))("example %i", (_at, text) => {
  const schema = z.strictObject({ routes: routesSchema });
  const document = loadSettings(schema, { fileName: "page", text, environment: {}, sets: [] });
  expect(faultsOfRouteExamples(document)).toEqual([]);
  expect(examplesInRoutes(document)).toBeGreaterThan(0);
});

test("there are examples", () => {
  expect(blocks.length).toBeGreaterThanOrEqual(3);
});

test("every part of a route, every adapter and every function has its words", () => {
  const told = (name: string) => new RegExp(`\\b${name}\\b`).test(part);
  const numbers = /^(?:[uif](?:8|16|24|32|64))(?:be|le)$/;
  const names = [...Object.keys(routeSchema.shape), ...plainAdapters, ...mappingFunctions];
  const left = names.filter((name) => !told(name) && !numbers.test(name) && name !== "name");
  expect(left).toEqual([]);
});

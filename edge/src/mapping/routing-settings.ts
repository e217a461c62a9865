/** edge.yaml where it has routes, and a file of them alone. */
import { faultsOfRouteExamples } from "@causeway/shared/mapping/route-examples.ts";
import { routeSchema } from "@causeway/shared/mapping/route-settings.ts";
import { routesSchemaOf } from "@causeway/shared/mapping/routes.ts";
import type { SettingsFault } from "@causeway/shared/settings.ts";
import { loadSettings } from "@causeway/shared/settings.ts";
import { z } from "zod";
import { edgeSchema } from "../config.ts";
import { routeFilterSchema } from "../filter/filter-settings.ts";

const routes = routesSchemaOf(routeSchema.extend({ filter: routeFilterSchema.optional() }));

export const routingSchema = edgeSchema
  .extend({ routes: routes.optional() })
  .check(({ value, issues }) => {
    const { routesFile, routes: written } = value;
    if (routesFile === undefined || written === undefined) return;
    const message = `stands in the file that routesFile names: move it to ${routesFile}, or leave routesFile out`;
    issues.push({ code: "custom", path: ["routes"], message, input: value });
  });
export type RoutingConfig = z.infer<typeof routingSchema>;

const given = z.unknown().refine((value) => value !== undefined, "write routes:, and [] for none");
/** A text that is cut off, or empty, must not stand for no routes. */
const routesTextSchema = z.strictObject({ routes: given.pipe(routes) });

/** In file order. */
export type WrittenRoutes = z.infer<typeof routesTextSchema>["routes"];

export const fewerRoutes = "write fewer routes, or fewer examples";

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function parseRoutes(
  text: string,
  fileName: string,
  findFaults?: (document: { readonly routes: WrittenRoutes }) => readonly SettingsFault[],
): WrittenRoutes {
  const sources = { fileName, text, environment: {}, sets: [] };
  return loadSettings(routesTextSchema, sources, findFaults).routes;
}

/** What the examples of routes expect and is not so; paths begin at the settings that hold them. */
export function faultsInExamples(written: WrittenRoutes): readonly SettingsFault[] {
  const faults = faultsOfRouteExamples({ routes: written });
  return faults.map(({ path, ...fault }) => ({ ...fault, path: ["routes", ...path] }));
}

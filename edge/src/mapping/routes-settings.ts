/**
 * Routes of topics, as edge.yaml has them. They are looked into only where there are some
 * (routing-settings.ts): most gateways need not load what expressions are made of.
 */
import { z } from "zod";

export const routesSettings = {
  routes: z.array(z.unknown()).optional(),
  /** Relative to the configuration file. */
  routesFile: z.string().min(1).optional(),
  /** What becomes of topics that neither a route nor a family has. */
  unknownTopics: z.enum(["generic", "quarantine"]).default("generic"),
};

/** Whether there is anything to be looked into. */
export function hasRoutes({ routes, routesFile, unknownTopics }: WrittenRoutes): boolean {
  return routes !== undefined || routesFile !== undefined || unknownTopics !== "generic";
}

interface WrittenRoutes {
  readonly routes?: unknown;
  readonly routesFile?: string | undefined;
  readonly unknownTopics: "generic" | "quarantine";
}

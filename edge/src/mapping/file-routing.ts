/** Reads edge.yaml with its routes, and checks these by their examples. */
import { dirname, isAbsolute, join } from "node:path";
import { readBoundedText } from "@causeway/shared/file-watched-text.ts";
import { examplesInRoutes } from "@causeway/shared/mapping/route-examples.ts";
import { routesTextBytesMax } from "@causeway/shared/mapping/route-settings.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import { compileRoutes } from "@causeway/shared/mapping/routes.ts";
import { faultsThrown } from "@causeway/shared/rules/rules-document.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import type { Checked } from "../cli/checked-lines.ts";
import type { RoutingConfig, WrittenRoutes } from "./routing-settings.ts";
import { faultsInExamples, fewerRoutes, parseRoutes, routingSchema } from "./routing-settings.ts";

export type RoutingSettings = Pick<RoutingConfig, "routes" | "routesFile" | "unknownTopics">;

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function readRouting(file: string | undefined, sets: readonly string[]): RoutingSettings {
  const { routes, routesFile, unknownTopics } = readSettings(routingSchema, file, sets);
  const isPlaced = routesFile === undefined || isAbsolute(routesFile);
  const placed = isPlaced ? routesFile : join(dirname(file ?? "."), routesFile);
  return { routes, routesFile: placed, unknownTopics };
}

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function readRoutesText(fileName: string): string {
  return readBoundedText(fileName, routesTextBytesMax, fewerRoutes);
}

/** As they stand in edge.yaml, or in their file. Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function writtenRoutes({ routes = [], routesFile }: RoutingSettings): WrittenRoutes {
  return routesFile === undefined ? routes : parseRoutes(readRoutesText(routesFile), routesFile);
}

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function compiledRoutes(routing: RoutingSettings): Routes {
  return compileRoutes({ routes: writtenRoutes(routing), unknownTopics: routing.unknownTopics });
}

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function checkRouting(
  routing: RoutingSettings,
  file: string | undefined,
  sets: readonly string[],
): Checked {
  const { routesFile } = routing;
  const routes = writtenRoutes(routing);
  const failures = faultsThrown(() =>
    routesFile === undefined
      ? readSettings(routingSchema, file, sets, (config) => faultsInExamples(config.routes ?? []))
      : parseRoutes(readRoutesText(routesFile), routesFile, (text) =>
          faultsInExamples(text.routes),
        ),
  );
  const counts = `${routes.length} routes, ${examplesInRoutes({ routes })} examples`;
  return { counts, failures };
}

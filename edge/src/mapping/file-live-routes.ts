/**
 * The routes that are in force. Where a file has them they change with it while the gateway runs. A
 * file that cannot be used replaces nothing: those before stay in force, over restarts too, for without
 * them readings would go on under other names. Only a first start without good routes fails.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { FoundText } from "@causeway/shared/file-watched-text.ts";
import { WatchedText } from "@causeway/shared/file-watched-text.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Route } from "@causeway/shared/mapping/route.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import { compileRoutes } from "@causeway/shared/mapping/routes.ts";
import type { RouteFilter } from "../filter/filter-settings.ts";
import type { Records } from "../outbox/companions.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { RoutingSettings } from "./file-routing.ts";
import { readRoutesText } from "./file-routing.ts";
import type { WrittenRoutes } from "./routing-settings.ts";
import { parseRoutes } from "./routing-settings.ts";

export interface LiveRoutesParts {
  readonly routing: RoutingSettings;
  readonly records: Records;
  readonly clock: Clock;
  readonly log: Logger;
  /** Becomes a `system` event. */
  readonly notice: (name: string, detail: string) => void;
}

export interface RoutesStatus {
  readonly routes: number;
  /** The file; undefined where they stand in edge.yaml. */
  readonly file: string | undefined;
  /** Why the file as it is now is not in force; undefined where it is. */
  readonly refused: string | undefined;
}

interface Loaded {
  readonly text: string;
  readonly routes: Routes;
  readonly filters: ReadonlyMap<Route, RouteFilter>;
}

const keptKey = Buffer.from("rt");
const kept = { from: keptKey, until: Buffer.from("ru"), countMax: 1 };

export class LiveRoutes {
  readonly #parts: LiveRoutesParts;
  readonly #file: WatchedText<Loaded> | undefined;
  #now: Loaded;
  #refused: string | undefined;
  #changed: (routes: Routes) => void = () => {};

  /** Throws CONFIG_INVALID or CONFIG_UNREADABLE where there are none that could be used. */
  static async open(parts: LiveRoutesParts): Promise<LiveRoutes> {
    const { routing, clock, log } = parts;
    const { routesFile: fileName, routes = [] } = routing;
    if (fileName === undefined) return new LiveRoutes(parts, undefined, load("", routes, routing));
    const file = new WatchedText({
      ...{ fileName, clock, log },
      readText: () => readRoutesText(fileName),
      load: (text) => load(text, parseRoutes(text, fileName), routing),
    });
    const found = file.read();
    if (found.kind === "good") return new LiveRoutes(parts, file, found.loaded);
    const before = await lastGood(parts);
    if (before === undefined) throw found.cause;
    return new LiveRoutes(parts, file, before);
  }

  private constructor(
    parts: LiveRoutesParts,
    file: WatchedText<Loaded> | undefined,
    loaded: Loaded,
  ) {
    this.#parts = parts;
    this.#file = file;
    this.#now = loaded;
  }

  get routes(): Routes {
    return this.#now.routes;
  }

  /** Of those in force, and of those before while their last readings are on their way. */
  filterOf(route: Route): RouteFilter | undefined {
    return this.#now.filters.get(route);
  }

  start(changed: (routes: Routes) => void): void {
    this.#changed = changed;
    const found = this.#file?.read();
    if (found !== undefined) this.#found(found);
    if (this.#file !== undefined && found?.kind === "good") this.#keep(found.loaded);
    this.#file?.start((next) => this.#found(next));
  }

  stop(): void {
    this.#file?.stop();
  }

  reload(): void {
    this.#file?.reload();
  }

  status(): RoutesStatus {
    const { routesFile: file } = this.#parts.routing;
    return { routes: this.#now.routes.all.length, file, refused: this.#refused };
  }

  #found(found: FoundText<Loaded>): void {
    const { log, notice, routing } = this.#parts;
    if (found.kind === "refused") {
      const { source, reason } = found;
      if (reason === this.#refused) return;
      this.#refused = reason;
      log.error({ source, reason }, "routes are refused; those before stay in force");
      return notice("routes-refused", `those before stay in force: ${reason}`);
    }
    this.#refused = undefined;
    if (found.loaded.text === this.#now.text) return;
    this.#now = found.loaded;
    this.#keep(found.loaded);
    this.#changed(found.loaded.routes);
    const detail = `${found.loaded.routes.all.length} routes of ${routing.routesFile}`;
    log.info({ routes: found.loaded.routes.all.length }, "routes changed");
    notice("routes-changed", detail);
  }

  #keep({ text }: Loaded): void {
    this.#parts.records.write([{ kind: "put", key: keptKey, value: encodeRecord({ text }) }]);
  }
}

function load(text: string, written: WrittenRoutes, { unknownTopics }: RoutingSettings): Loaded {
  const routes = compileRoutes({ routes: written, unknownTopics });
  const filters = routes.all.flatMap((route) => {
    const filter = written[route.index]?.filter;
    return filter === undefined ? [] : [[route, filter] as const];
  });
  return { text, routes, filters: new Map(filters) };
}

async function lastGood({ records, routing, log }: LiveRoutesParts): Promise<Loaded | undefined> {
  const [entry] = await records.scan(kept);
  if (entry === undefined) return undefined;
  try {
    const { text } = decodeRecord(entry[1], "the last good routes");
    if (typeof text !== "string") return undefined;
    return load(text, parseRoutes(text, "the last good routes"), routing);
  } catch (failure) {
    log.warn({ reason: String(failure) }, "the last good routes cannot be used any more");
    return undefined;
  }
}

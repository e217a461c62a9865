/** What routes of the API show, for one who asks: gateways and alerts, put together of several views. */

import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import type { OperationsView } from "@causeway/shared/operate/operations.ts";
import type { Fleet, FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { compileFleet } from "@causeway/shared/rules/fleet.ts";
import type { ViewSources } from "../devices/device-view.ts";
import type { Telling } from "../notify/told-table.ts";
import { standings } from "../operate/alert-standing.ts";
import type { AlertShown } from "../views/alert-shown.ts";
import { alertShown } from "../views/alert-shown.ts";
import type { FleetView } from "../views/fleet-view.ts";
import type { GatewayShown } from "../views/gateway-shown.ts";
import { gatewayShown } from "../views/gateway-shown.ts";

export interface ApiSources {
  readonly view: FleetView;
  readonly fleetDocument: () => FleetDocument;
  /** The same, compiled. */
  readonly fleet: () => Fleet;
  /** The registry; undefined where there is none. */
  readonly devices: (() => ViewSources) | undefined;
  /** What people say of alerts. */
  readonly operations: OperationsView;
  /** Who was told of an alert. */
  readonly tellingsOf: (alert: string) => readonly Telling[];
  /** Ms since 1970. */
  readonly now: () => number;
  /** A gateway is silent after so long; undefined: never. */
  readonly silentAfterMs: number | undefined;
}

interface Sees {
  sees(gateway: string): boolean;
}

export const everything: Sees = { sees: () => true };

/** The same object for the same document. */
export function compiledOf(document: () => FleetDocument): () => Fleet {
  let made: { readonly of: FleetDocument; readonly fleet: Fleet } | undefined;
  return () => {
    const current = document();
    if (made?.of !== current) made = { of: current, fleet: compileFleet(current) };
    return made.fleet;
  };
}

const gatewaysMax = 10_000;

/** The last heard of first; one alone where it is named. */
export function shownGateways(
  sources: ApiSources,
  { sees }: Sees,
  only?: string,
  limit = gatewaysMax,
): readonly GatewayShown[] {
  const { view, fleet, devices, now, silentAfterMs } = sources;
  const found = only === undefined ? view.gateways(gatewaysMax) : [view.gateway(only)];
  const { registry, book } = devices?.() ?? {};
  const around = {
    ...{ fleet: fleet(), now: now(), silentAfterMs },
    firingOf: (gateway: string) => view.alertTable.firingOf(gateway),
    ...(registry === undefined ? {} : { registry }),
    ...(book === undefined ? {} : { book }),
  };
  return found
    .filter((row) => row !== undefined)
    .filter(({ gateway }) => sees(gateway))
    .slice(0, limit)
    .map((row) => gatewayShown(row, around));
}

/** In the order in which they began to fire. */
export function firingAlerts(
  { view, fleet, fleetDocument, operations }: ApiSources,
  { sees }: Sees,
  now: number,
): readonly AlertShown[] {
  const open = view.alertTable.open();
  const circumstances = circumstancesOf(operations, fleetDocument());
  const standing = standings(
    open.map(({ last }) => last),
    circumstances,
    now,
  );
  const own = fleet();
  return open
    .filter(({ last }) => sees(last.gateway))
    .map((entry) => alertShown(entry, own, standing.get(entry.last.id)));
}

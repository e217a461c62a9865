/** What people say and what is known of the fleet, as a plan takes it. */
import type { Fleet, FleetDocument } from "../rules/fleet.ts";
import { compileFleet } from "../rules/fleet.ts";
import type { OperationsView } from "./operations.ts";

export interface Circumstances extends OperationsView {
  readonly fleet: Fleet;
}

const compiled = new WeakMap<FleetDocument, Fleet>();

export function circumstancesOf(view: OperationsView, document: FleetDocument): Circumstances {
  const known = compiled.get(document);
  const fleet = known ?? compileFleet(document);
  if (known === undefined) compiled.set(document, fleet);
  return { silences: view.silences, acknowledgements: view.acknowledgements, fleet };
}

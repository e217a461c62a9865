/** Rules judge, and where they fail their state is that of before (X1). */
import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import type { RulesState, Told } from "../alert/gateway-step.ts";
import type { Failure, Suspects } from "./suspects.ts";

export interface CarefulState extends RulesState {
  /** Alerts changed before they were put by last. */
  isAlertsChanged: boolean;
}

export function isAlertsChanged(alerting: Alerting, state: CarefulState): boolean {
  return state.isAlertsChanged || alerting.changed(state.alerts);
}

/** What is told, or why nothing is. Throws at the first failure of a gateway. */
export function judgeCarefully(
  suspects: Suspects,
  alerting: Alerting,
  state: CarefulState,
  { gateway, id }: { readonly gateway: string; readonly id: string },
  act: () => Told,
): Told | Failure {
  const known = suspects.failureOf(id);
  if (known !== undefined) return known;
  const before = suspects.isCareful(gateway) ? putBy(alerting, state) : undefined;
  try {
    return act();
  } catch (thrown) {
    const failure = suspects.note(gateway, id, thrown);
    if (before === undefined) throw thrown;
    state.detection = alerting.decodeDetection(before.detection, gateway);
    state.alerts = alerting.decodeAlerts(before.alerts, gateway);
    return failure;
  }
}

function putBy(alerting: Alerting, state: CarefulState) {
  state.isAlertsChanged = isAlertsChanged(alerting, state); // to encode them forgets it
  const detection = alerting.encodeDetection(state.detection);
  return { detection, alerts: alerting.encodeAlerts(state.alerts) };
}

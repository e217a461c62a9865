/** Why nobody is told of an alert just now, apart from what single receivers choose. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { Inhibition } from "@causeway/shared/notify/inhibition.ts";
import { defaultPlan, planBounds } from "@causeway/shared/notify/plan-settings.ts";
import type { Acknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import type { Circumstances } from "@causeway/shared/operate/circumstances.ts";
import { labelsOf } from "@causeway/shared/operate/labels.ts";
import { silencedBy } from "@causeway/shared/operate/silence.ts";

export interface AlertStanding {
  readonly acknowledged?: Acknowledgement;
  /** Id of the silence. */
  readonly silencedBy?: string;
  /** Id of the alert that it follows from. */
  readonly inhibitedBy?: string;
}

/** By alert id, of those that fire; `firing` are all of them. */
export function standings(
  firing: readonly AlertTransition[],
  { silences, acknowledgements, fleet }: Circumstances,
  now: number,
): ReadonlyMap<string, AlertStanding> {
  const inhibition = new Inhibition(planBounds.inhibitors);
  for (const transition of firing) inhibition.note(transition, defaultPlan.siteDown);
  const found = new Map<string, AlertStanding>();
  for (const transition of firing) {
    const labels = labelsOf(transition, fleet);
    const acknowledged = acknowledgements.get(transition.id);
    const silence = silencedBy(silences, labels, now);
    const inhibitor = inhibition.inhibits(transition, labels["site"] ?? "");
    if (acknowledged === undefined && silence === undefined && inhibitor === undefined) continue;
    found.set(transition.id, {
      ...(acknowledged === undefined ? {} : { acknowledged }),
      ...(silence === undefined ? {} : { silencedBy: silence.id }),
      ...(inhibitor === undefined ? {} : { inhibitedBy: inhibitor }),
    });
  }
  return found;
}

export function standingText(standing: AlertStanding | undefined): string {
  const { acknowledged, silencedBy: silence, inhibitedBy } = standing ?? {};
  const parts = [
    ...(acknowledged === undefined ? [] : [`acknowledged by ${acknowledged.by}`]),
    ...(silence === undefined ? [] : [`silenced by ${silence}`]),
    ...(inhibitedBy === undefined ? [] : [`follows from ${inhibitedBy}`]),
  ];
  return parts.length === 0 ? "" : `  [${parts.join(", ")}]`;
}

/** An alert as it is shown: in its last state, with what people said of it. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { AlertEvidence } from "@causeway/shared/alert/evidence.ts";
import { siteIn } from "@causeway/shared/names.ts";
import type { Circumstances } from "@causeway/shared/operate/circumstances.ts";
import { labelsOf } from "@causeway/shared/operate/labels.ts";
import { silencedBy } from "@causeway/shared/operate/silence.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import type { AlertStanding } from "../operate/alert-standing.ts";
import type { AlertEntry } from "./alert-table.ts";

export interface AlertShown extends AlertStanding {
  readonly id: string;
  readonly state: AlertTransition["state"];
  readonly fingerprint: string;
  readonly rule: string;
  readonly ruleVersion: string;
  readonly severity: AlertTransition["severity"];
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly site: string;
  readonly firingAt: number;
  readonly resolvedAt: number | null;
  readonly value: AlertTransition["value"];
  readonly unit: string | null;
  readonly reason: string;
  readonly late: boolean;
  readonly knownAt?: number;
  readonly flapping?: true;
  readonly raisedBy?: "edge";
}

export function alertShown(
  { first, last }: AlertEntry,
  fleet: Fleet,
  standing: AlertStanding = {},
): AlertShown {
  const { id, state, fingerprint, rule, ruleVersion, severity, gateway, device, metric } = last;
  const { flapping, raisedBy, knownAt, firingAt, late } = last;
  return {
    ...{ id, state, fingerprint, rule, ruleVersion, severity, gateway, device, metric },
    ...{ site: siteIn(gateway) ?? fleet.gateway(gateway).site, firingAt },
    resolvedAt: state === "resolved" ? last.at : null,
    ...{ value: first.value, unit: first.unit ?? null, reason: first.reason, late },
    ...(late && knownAt !== undefined ? { knownAt } : {}),
    ...(flapping === undefined ? {} : { flapping }),
    ...(raisedBy === undefined ? {} : { raisedBy }),
    ...standing,
  };
}

export interface TimelineEntry {
  readonly at: number;
  readonly what: "fired" | "resolved" | "acknowledged" | "silenced";
  readonly text: string;
  readonly by?: string;
  readonly note?: string;
}

/** Oldest first; `silenced` by the silence that is in force now. */
export function timelineOf(
  { first, last }: AlertEntry,
  circumstances: Circumstances,
  now: number,
): readonly TimelineEntry[] {
  const { silences, acknowledgements, fleet } = circumstances;
  const { state, firingAt, at } = last;
  const told: TimelineEntry[] = [{ at: firingAt, what: "fired", text: first.reason }];
  const acknowledged = acknowledgements.get(last.id);
  if (acknowledged !== undefined) {
    const { at: when, by, note } = acknowledged;
    told.push({ at: when, what: "acknowledged", text: `by ${by}`, by, note });
  }
  const silence = silencedBy(silences, labelsOf(last, fleet), now);
  if (state === "firing" && silence !== undefined) {
    const { author: by, comment: note, startsAt, endsAt } = silence;
    const until = endsAt === null ? "" : ` until ${new Date(endsAt).toISOString()}`;
    const since = Math.max(startsAt, firingAt);
    told.push({ at: since, what: "silenced", text: `by ${by}${until}`, by, note });
  }
  if (state === "resolved") told.push({ at, what: "resolved", text: last.reason });
  return told.sort((left, right) => left.at - right.at);
}

export function evidenceOf({ last }: AlertEntry): AlertEvidence | null {
  return last.evidence ?? null;
}

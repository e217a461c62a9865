/**
 * The life of an alert:
 *
 *   inactive --anomalous--> pending --for `for`--> firing --normal for `keepFiringFor`--> resolved
 *      ^                       |                                                           |
 *      +-------- normal -------+-----------------------------------------------------------+
 *
 * A1 Time is event time, and a stretch of it is never negative: where it steps back before the
 *    beginning of a stretch, the stretch begins anew from there.
 * A2 A firing transition is followed by exactly one resolved transition with the same id, rule
 *    version and severity, whatever becomes of the rule in between; it is never earlier.
 * A3 An unknown verdict (a detector that warms up) changes nothing.
 * A4 Live readings have precedence. Late ones may open an alert, which then lives among late
 *    readings only: the next live verdict ends it, and opens another if things are wrong now, so
 *    that what is wrong now is news. An alert that live readings opened hears no late ones.
 */
import type { Verdict } from "../detect/detector.ts";
import type { CompiledRule } from "../rules/rule-set.ts";
import type { AlertTransition, Severity } from "./alert.ts";
import { alertIdOf, fingerprintOf } from "./fingerprint.ts";
import type { Observation } from "./observation.ts";
import { eventTimeOf } from "./observation.ts";

/** What is kept of one fingerprint of a gateway; a phase is replaced, never changed. */
export interface Alert {
  readonly rule: string;
  readonly device: string;
  readonly metric: string;
  /** Of the rule; one that changes its mode has another alert in each. */
  readonly mode: CompiledRule["mode"];
  /** How often it has fired. */
  occurrences: number;
  phase: Phase;
}

export type Phase = Inactive | Pending | Firing;

interface Inactive {
  readonly kind: "inactive";
}

interface Pending {
  readonly kind: "pending";
  /** Event time of the first anomalous reading, in ms. */
  readonly since: number;
  /** Opened by a late reading (A4). */
  readonly late: boolean;
}

interface Firing {
  readonly kind: "firing";
  readonly id: string;
  readonly ruleVersion: string;
  readonly severity: Severity;
  /** Event time at which it began to fire, in ms. */
  readonly at: number;
  readonly late: boolean;
  /** Event time since which readings are normal, in ms. */
  readonly normalSince?: number | undefined;
}

export const inactive: Phase = { kind: "inactive" };

/** Shared: nothing that anyone has to be told. */
export const noTransitions: readonly AlertTransition[] = [];

/** Moves `alert` by a verdict of its rule; what came of it, in order. */
export function advanceAlert(
  alert: Alert,
  rule: CompiledRule,
  verdict: Verdict,
  observation: Observation,
): readonly AlertTransition[] {
  const { phase } = alert;
  if (verdict.kind === "unknown") return noTransitions;
  const isOtherTime = phase.kind !== "inactive" && phase.late !== observation.late;
  if (isOtherTime && observation.late) return noTransitions;
  const ended = isOtherTime ? endAlert(alert, observation, "live readings took over") : undefined;
  const moved =
    verdict.kind === "anomalous"
      ? onAnomalous(alert, rule, verdict.reason, observation)
      : onNormal(alert, rule, observation);
  if (ended === undefined && moved === undefined) return noTransitions;
  return [ended, moved].filter((transition) => transition !== undefined);
}

/** Makes `alert` inactive; its resolved transition, with what `observation` shows, if it fired. */
export function endAlert(
  alert: Alert,
  observation: Observation,
  reason: string,
): AlertTransition | undefined {
  const { phase } = alert;
  alert.phase = inactive;
  if (phase.kind !== "firing") return undefined;
  const { value, unit, id: cause } = observation;
  return {
    ...labelsOf(alert, phase, observation.gateway),
    state: "resolved",
    at: Math.max(phase.at, eventTimeOf(observation)),
    value,
    unit,
    cause,
    reason,
    late: phase.late,
  };
}

function onAnomalous(
  alert: Alert,
  rule: CompiledRule,
  reason: string,
  observation: Observation,
): AlertTransition | undefined {
  const { phase } = alert;
  if (phase.kind === "firing") {
    if (phase.normalSince !== undefined) alert.phase = { ...phase, normalSince: undefined };
    return undefined;
  }
  const at = eventTimeOf(observation);
  const since = phase.kind === "pending" ? Math.min(phase.since, at) : at;
  if (at - since >= rule.forMs) return fire(alert, rule, reason, observation);
  if (phase.kind === "inactive" || since !== phase.since) {
    alert.phase = { kind: "pending", since, late: observation.late };
  }
  return undefined;
}

function onNormal(
  alert: Alert,
  rule: CompiledRule,
  observation: Observation,
): AlertTransition | undefined {
  const { phase } = alert;
  if (phase.kind === "inactive") return undefined;
  if (phase.kind === "pending") {
    alert.phase = inactive;
    return undefined;
  }
  const at = eventTimeOf(observation);
  const normalSince = Math.min(phase.normalSince ?? at, at);
  if (at - normalSince >= rule.keepFiringForMs) {
    return endAlert(alert, observation, normalText(observation));
  }
  if (normalSince !== phase.normalSince) alert.phase = { ...phase, normalSince };
  return undefined;
}

function fire(
  alert: Alert,
  rule: CompiledRule,
  reason: string,
  observation: Observation,
): AlertTransition {
  const { gateway, late, value, unit, id: cause } = observation;
  const at = eventTimeOf(observation);
  const fingerprint = fingerprintOf({ ...alert, gateway });
  alert.occurrences += 1;
  const id = alertIdOf(fingerprint, rule.version, alert.occurrences, observation);
  const { version: ruleVersion, severity, forMs, words } = rule;
  const phase: Firing = { kind: "firing", id, ruleVersion, severity, at, late };
  alert.phase = phase;
  const lasting = forMs === 0 ? reason : `${reason}, and has been wrong for ${forMs / 1_000} s`;
  const labels = labelsOf(alert, phase, gateway);
  return {
    ...labels,
    state: "firing",
    at,
    value,
    unit,
    cause,
    reason: words?.({ ...labels, value, unit, reason: lasting }) ?? lasting,
    late,
  };
}

function labelsOf(alert: Alert, { id, ruleVersion, severity, at }: Firing, gateway: string) {
  const { rule, device, metric, mode } = alert;
  const fingerprint = fingerprintOf({ rule, gateway, device, metric });
  const labels = { id, fingerprint, rule, ruleVersion, severity, gateway, device, metric };
  return { ...labels, firingAt: at, ...(mode === "shadow" ? { shadow: true as const } : {}) };
}

function normalText({ value, unit }: Observation): string {
  if (value === null) return "normal again";
  return `normal again at ${unit === undefined ? value : `${value} ${unit}`}`;
}

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
 * A5 An alert that has changed `flap.changes` times within `flap.within`, to firing and back, flaps
 *    when it fires again: it says so, and is resolved only once it was normal for `flap.quiet` (or
 *    `keepFiringFor`, if that is longer). Live and late changes are counted apart, by event time, a
 *    clock that was set back or forth by more than `within` begins anew. What says nothing any more
 *    is normal still: quiet is counted on by the gateway's time too, and a tick may end it.
 * A6 A resolved transition tells the worst reading while the alert fired: the worst of each run of
 *    odd readings (odd-run.ts) is taken over when that run ends.
 */
import type { Verdict } from "../detect/detector.ts";
import type { Flap } from "../rules/flap.ts";
import type { Worst } from "../rules/odd-run.ts";
import { worseOf } from "../rules/odd-run.ts";
import { duration } from "../rules/pattern/words.ts";
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
  /** When it changed lately, in ms, in the order in which it did; not the firing that lasts (A5). */
  changes: readonly number[];
  /** The same by late readings. */
  lateChanges: readonly number[];
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
  /** A5. */
  readonly flapping?: true | undefined;
  /** The gateway's time at `normalSince`, of one that flaps. */
  readonly normalHeardAt?: number | undefined;
  /** A6. Of the runs that are over. */
  readonly worst?: Worst | undefined;
}

export const inactive: Phase = { kind: "inactive" };
export const noTimes: readonly number[] = [];

/** Shared: nothing that anyone has to be told. */
export const noTransitions: readonly AlertTransition[] = [];

/** What was worst lately, of the alert's own readings: live ones, or late ones (A6). */
export type WorstOf = (late: boolean) => Worst | undefined;

/** Moves `alert` by a verdict of its rule; what came of it, in order. */
export function advanceAlert(
  alert: Alert,
  rule: CompiledRule,
  verdict: Verdict,
  observation: Observation,
  worstOf: WorstOf = () => undefined,
): readonly AlertTransition[] {
  const { phase } = alert;
  if (verdict.kind === "unknown") return noTransitions;
  const isOtherTime = phase.kind !== "inactive" && phase.late !== observation.late;
  if (isOtherTime && observation.late) return noTransitions;
  if (phase.kind === "firing" && (isOtherTime || verdict.kind === "normal")) {
    const worst = worseOf(phase.worst, worstOf(phase.late));
    if (worst !== phase.worst) alert.phase = { ...phase, worst };
  }
  const { flap } = rule;
  const ended = isOtherTime
    ? endAlert(alert, observation, "live readings took over", flap)
    : undefined;
  const moved =
    verdict.kind === "anomalous"
      ? onAnomalous(alert, rule, verdict.reason, observation)
      : onNormal(alert, rule, observation);
  if (ended === undefined && moved === undefined) return noTransitions;
  return [ended, moved].filter((transition) => transition !== undefined);
}

/** A5. Ends one that flaps where it has been normal for long by the gateway's time, in ms. */
export function passAlert(
  alert: Alert,
  rule: CompiledRule,
  tick: Observation,
  gatewayAt: number,
): AlertTransition | undefined {
  const { phase } = alert;
  if (phase.kind !== "firing" || !phase.flapping || phase.late) return undefined;
  const { normalSince, normalHeardAt = gatewayAt } = phase;
  if (normalSince === undefined) return undefined;
  if (gatewayAt < normalHeardAt) alert.phase = { ...phase, normalHeardAt: gatewayAt }; // A1
  const keepMs = keepMsOf(phase, rule);
  if (gatewayAt - normalHeardAt < keepMs) return undefined;
  const end = { ...tick, observedAt: normalSince + keepMs };
  return endAlert(alert, end, normalText(tick, keepMs), rule.flap);
}

/**
 * Makes `alert` inactive; its resolved transition, with what `observation` shows, if it fired. What
 * is to begin anew counts no changes.
 */
export function endAlert(
  alert: Alert,
  observation: Observation,
  reason: string,
  flap?: Flap,
): AlertTransition | undefined {
  const { phase } = alert;
  alert.phase = inactive;
  if (phase.kind !== "firing") return undefined;
  const { value, unit, id: cause } = observation;
  const at = Math.max(phase.at, eventTimeOf(observation));
  const counted = phase.flapping ? undefined : flap;
  const before = phase.late ? alert.lateChanges : alert.changes;
  setChanges(alert, phase.late, recentChanges([...before, phase.at, at], at, counted));
  const { worst } = phase;
  const shown = worst && { worst: { at: worst.at, value: worst.value } };
  return {
    ...labelsOf(alert, phase, observation.gateway),
    state: "resolved",
    at,
    value,
    unit,
    cause,
    reason,
    late: phase.late,
    evidence: { readings: [], durationMs: at - phase.at, ...shown },
  };
}

/** A5. Those that count at the time `at`, the newest few. */
function recentChanges(
  changes: readonly number[],
  at: number,
  flap: Flap | undefined,
): readonly number[] {
  if (flap === undefined) return noTimes;
  const recent = changes.filter((time) => Math.abs(at - time) < flap.withinMs);
  return recent.slice(-flap.changes);
}

function setChanges(alert: Alert, late: boolean, changes: readonly number[]): void {
  if (late) alert.lateChanges = changes;
  else alert.changes = changes;
}

function keepMsOf({ flapping }: Firing, { keepFiringForMs, flap }: CompiledRule): number {
  return flapping && flap !== undefined ? Math.max(flap.quietMs, keepFiringForMs) : keepFiringForMs;
}

function onAnomalous(
  alert: Alert,
  rule: CompiledRule,
  reason: string,
  observation: Observation,
): AlertTransition | undefined {
  const { phase } = alert;
  if (phase.kind === "firing") {
    if (phase.normalSince !== undefined) {
      alert.phase = { ...phase, normalSince: undefined, normalHeardAt: undefined };
    }
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
  const { receivedAt } = observation;
  const normalSince = Math.min(phase.normalSince ?? at, at);
  const isBegun = normalSince !== phase.normalSince;
  const heardAt = isBegun ? receivedAt : Math.min(phase.normalHeardAt ?? receivedAt, receivedAt);
  const keepMs = keepMsOf(phase, rule);
  const isQuiet = at - normalSince >= keepMs;
  if (isQuiet || (phase.flapping && receivedAt - heardAt >= keepMs)) {
    const end = isQuiet ? observation : { ...observation, observedAt: normalSince + keepMs };
    return endAlert(alert, end, normalText(observation, phase.flapping && keepMs), rule.flap);
  }
  const normalHeardAt = phase.flapping && heardAt;
  if (isBegun || normalHeardAt !== phase.normalHeardAt) {
    alert.phase = { ...phase, normalSince, normalHeardAt };
  }
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
  const { version: ruleVersion, severity, forMs, words, flap } = rule;
  const changes = recentChanges(late ? alert.lateChanges : alert.changes, at, flap);
  setChanges(alert, late, changes);
  const isFlapping = flap !== undefined && changes.length >= flap.changes;
  const flapping = isFlapping ? { flapping: true as const } : {};
  const phase: Firing = { kind: "firing", id, ruleVersion, severity, at, late, ...flapping };
  alert.phase = phase;
  const wrong = forMs === 0 ? reason : `${reason}, and has been wrong for ${forMs / 1_000} s`;
  const lasting = isFlapping ? `${wrong}; ${flappingText(flap)}` : wrong;
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

function labelsOf(alert: Alert, phase: Firing, gateway: string) {
  const { id, ruleVersion, severity, at, flapping } = phase;
  const { rule, device, metric, mode } = alert;
  const fingerprint = fingerprintOf({ rule, gateway, device, metric });
  const labels = { id, fingerprint, rule, ruleVersion, severity, gateway, device, metric };
  return {
    ...{ ...labels, firingAt: at },
    ...(flapping ? { flapping } : {}),
    ...(mode === "shadow" ? { shadow: true as const } : {}),
  };
}

function normalText({ value, unit }: Observation, quietMs?: number): string {
  const quiet = quietMs === undefined ? "" : ` for ${duration(quietMs)}`;
  if (value === null) return `normal again${quiet}`;
  return `normal again at ${unit === undefined ? value : `${value} ${unit}`}${quiet}`;
}

function flappingText({ changes, withinMs, quietMs }: Flap): string {
  const often = `it comes and goes, ${changes} changes in ${duration(withinMs)}`;
  return `${often}, and is over once normal for ${duration(quietMs)}`;
}

/**
 * Rules over readings, in two steps that know nothing of each other: `observe` works detectors and
 * gives verdicts, `advance` works alerts and gives transitions. After a crash all readings are
 * observed again, while alerts are loaded from the last commit and advanced only by what that
 * commit does not hold; the same readings then give the same transitions with the same ids.
 */
import type { GatewayDetection } from "@causeway/shared/rules/detection.ts";
import {
  decodeDetection,
  detect,
  detectSilence,
  emptyDetection,
  encodeDetection,
} from "@causeway/shared/rules/detection.ts";
import type { RuleSet, RuleVerdict } from "@causeway/shared/rules/rule-set.ts";
import type { AlertTransition } from "./alert.ts";
import { GatewayAlerts } from "./gateway-alerts.ts";
import { advanceAlert, endAlert, noTransitions } from "./lifecycle.ts";
import type { Observation } from "./observation.ts";
import { eventTimeOf } from "./observation.ts";

export type { GatewayAlerts, GatewayDetection };

export interface AlertingBounds {
  /** Series of a gateway that are detected on; readings of more are counted, not judged. */
  readonly seriesPerGatewayMax: number;
  /** Fingerprints of a gateway that are remembered. */
  readonly alertsPerGatewayMax: number;
}

export const alertingBounds: AlertingBounds = {
  seriesPerGatewayMax: 10_000,
  alertsPerGatewayMax: 10_000,
};

/** Of a tick. */
export interface Moment {
  readonly id: string;
  readonly gateway: string;
  /** In ms. */
  readonly at: number;
}

export interface Alerting {
  /** What the detectors of a gateway know before its first reading. */
  detection(): GatewayDetection;
  /** The alerts of a gateway before its first reading. */
  alerts(): GatewayAlerts;
  /** A verdict of each rule that selects the series; changes `detection` only. */
  observe(detection: GatewayDetection, observation: Observation): readonly RuleVerdict[];
  /** What has to be told, in order; changes `alerts` only. Rules in shadow change nothing. */
  advance(
    alerts: GatewayAlerts,
    verdicts: readonly RuleVerdict[],
    observation: Observation,
  ): readonly AlertTransition[];
  /**
   * What time alone brings, in order: alerts that no rule looks at any more are withdrawn, and
   * rules that miss readings judge the silence.
   */
  tick(
    detection: GatewayDetection,
    alerts: GatewayAlerts,
    moment: Moment,
  ): readonly AlertTransition[];
  /** To be called when these rules follow others. */
  rejudge(alerts: GatewayAlerts): void;
  /** Whether `alerts` has changed since it was last encoded or decoded. */
  changed(alerts: GatewayAlerts): boolean;
  encodeAlerts(alerts: GatewayAlerts): string;
  /** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
  decodeAlerts(text: string): GatewayAlerts;
  encodeDetection(detection: GatewayDetection): string;
  /** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
  decodeDetection(text: string): GatewayDetection;
}

export function createAlerting(ruleSet: RuleSet, bounds = alertingBounds): Alerting {
  const { seriesPerGatewayMax, alertsPerGatewayMax } = bounds;
  const missesReadings = ruleSet.rules.some(({ detector }) => detector.tick !== undefined);
  return {
    detection: emptyDetection,
    alerts: () => new GatewayAlerts(alertsPerGatewayMax),
    observe(detection, observation) {
      const { device, metric, value, unit, quality, receivedAt, late } = observation;
      if (typeof value !== "number" || !Number.isFinite(value) || quality === "bad") {
        return noVerdicts;
      }
      const timeMs = eventTimeOf(observation);
      const reading = { device, metric, value, timeMs, receivedAt, late, unit };
      return detect(detection, ruleSet, seriesPerGatewayMax, reading);
    },
    advance,
    tick(detection, alerts, moment) {
      const isUnjudged = alerts.unjudged.length > 0;
      const withdrawn = isUnjudged ? withdraw(alerts, observationOf(moment)) : noTransitions;
      if (!missesReadings) return withdrawn;
      const observation = observationOf(moment);
      const silent = detectSilence(detection, moment.at).flatMap(({ device, metric, verdicts }) =>
        advance(alerts, verdicts, { ...observation, device, metric }),
      );
      return silent.length === 0 ? withdrawn : [...withdrawn, ...silent];
    },
    rejudge: (alerts) => alerts.rejudge(ruleSet),
    changed: (alerts) => alerts.isChanged,
    encodeAlerts: (alerts) => alerts.encode(),
    decodeAlerts: (text) => GatewayAlerts.decode(text, ruleSet, alertsPerGatewayMax),
    encodeDetection,
    decodeDetection: (text) => decodeDetection(text, ruleSet),
  };
}

function observationOf({ id, gateway, at }: Moment): Observation {
  const nothing = {
    device: "",
    metric: "",
    value: null,
    unit: undefined,
    quality: "good",
  } as const;
  return { ...nothing, id, gateway, observedAt: null, receivedAt: at, late: false };
}

const noVerdicts: readonly RuleVerdict[] = [];

function advance(
  alerts: GatewayAlerts,
  verdicts: readonly RuleVerdict[],
  observation: Observation,
): readonly AlertTransition[] {
  let transitions = alerts.unjudged.length === 0 ? noTransitions : withdraw(alerts, observation);
  for (const ruleVerdict of verdicts) {
    const own = advanceOne(alerts, ruleVerdict, observation);
    if (own.length > 0) transitions = [...transitions, ...own];
  }
  return transitions;
}

function advanceOne(
  alerts: GatewayAlerts,
  { rule, verdict }: RuleVerdict,
  observation: Observation,
): readonly AlertTransition[] {
  if (rule.mode !== "live" || verdict.kind === "unknown") return noTransitions;
  const { device, metric } = observation;
  let alert = alerts.find(rule.name, device, metric);
  if (alert === undefined && verdict.kind === "anomalous") {
    alert = alerts.add(rule.name, device, metric);
  }
  if (alert === undefined) return noTransitions;
  const before = alert.phase;
  const transitions = advanceAlert(alert, rule, verdict, observation);
  if (alert.phase !== before) alerts.settle(alert);
  return transitions;
}

/** B3, at the first tick or reading after the rules have changed. */
function withdraw(alerts: GatewayAlerts, observation: Observation): readonly AlertTransition[] {
  // Another device's time says nothing about this one's.
  const shown = { ...observation, value: null, unit: undefined, observedAt: null };
  const transitions = alerts.unjudged.flatMap((alert) => {
    const resolved = endAlert(alert, shown, "no rule looks at it any more");
    alerts.settle(alert);
    return resolved === undefined ? [] : [resolved];
  });
  alerts.unjudged = [];
  return transitions;
}

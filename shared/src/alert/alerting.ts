/**
 * Rules over readings and time, in two steps that know nothing of each other: `observe` and `tick`
 * work detectors and give verdicts, `advance` works alerts and gives transitions. After a crash all
 * readings and ticks are observed again, while alerts are loaded from the last commit and advanced
 * only by what that commit does not hold; the same readings then give the same transitions with the
 * same ids.
 */
import type { GatewayDetection } from "../rules/detection.ts";
import {
  decodeDetection,
  detect,
  detectSilence,
  emptyDetection,
  encodeDetection,
  oddRun,
} from "../rules/detection.ts";
import { observeReading, tickPatterns } from "../rules/pattern/gateway-patterns.ts";
import type { CompiledRule, RuleSet, RuleVerdict } from "../rules/rule-set.ts";
import type { AlertTransition } from "./alert.ts";
import { withEvidence } from "./evidence.ts";
import { GatewayAlerts } from "./gateway-alerts.ts";
import type { Alert } from "./lifecycle.ts";
import { advanceAlert, endAlert, noTransitions, passAlert } from "./lifecycle.ts";
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
  /** Whether a rule looks at whole sites. */
  readonly judgesSites: boolean;
  /** What the detectors of a gateway, or a site's place, know before its first reading. */
  detection(gateway: string): GatewayDetection;
  /** The alerts of a gateway before its first reading. */
  alerts(): GatewayAlerts;
  /** The verdicts of the rules that the reading concerns; changes `detection` only. */
  observe(detection: GatewayDetection, observation: Observation): readonly RuleVerdict[];
  /** The verdicts that time alone brings; changes `detection` only. */
  tick(detection: GatewayDetection, moment: Moment): readonly RuleVerdict[];
  /**
   * What has to be told, in order; changes `alerts` only, and looks at `detection` for what is around
   * them. Alerts that no rule looks at any more are withdrawn first.
   */
  advance(
    alerts: GatewayAlerts,
    verdicts: readonly RuleVerdict[],
    observation: Observation,
    detection: GatewayDetection,
  ): readonly AlertTransition[];
  /** The same after a tick, which also ends what has been quiet for long. */
  advanceTick(
    alerts: GatewayAlerts,
    verdicts: readonly RuleVerdict[],
    moment: Moment,
    detection: GatewayDetection,
  ): readonly AlertTransition[];
  /** To be called when these rules follow others. */
  rejudge(alerts: GatewayAlerts, gateway: string): void;
  /** Whether `alerts` has changed since it was last encoded or decoded. */
  changed(alerts: GatewayAlerts): boolean;
  encodeAlerts(alerts: GatewayAlerts): string;
  /** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
  decodeAlerts(text: string, gateway: string): GatewayAlerts;
  encodeDetection(detection: GatewayDetection): string;
  /** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
  decodeDetection(text: string, gateway: string): GatewayDetection;
}

export function createAlerting(ruleSet: RuleSet, bounds = alertingBounds): Alerting {
  const { seriesPerGatewayMax, alertsPerGatewayMax } = bounds;
  const byName = new Map(ruleSet.rules.map((rule) => [keyOf(rule.name, rule.mode), rule]));
  return {
    judgesSites: ruleSet.judgesSites,
    detection: (gateway) => emptyDetection(ruleSet.of(gateway)),
    alerts: () => new GatewayAlerts(alertsPerGatewayMax),
    observe(detection, observation) {
      const verdicts = judge(detection, observation, seriesPerGatewayMax);
      const { patterns } = detection;
      if (patterns.set.patterns.length === 0) return verdicts;
      const found = observeReading(patterns, observation, verdicts);
      return verdicts.length === 0 ? found : [...verdicts, ...found];
    },
    tick(detection, { id, gateway, at }) {
      const { patterns, rules, time } = detection;
      const verdicts = rules.missesReadings ? detectSilence(detection) : noVerdicts;
      if (patterns.set.patterns.length === 0) return verdicts;
      const tick = { gateway, tick: { id, at }, gatewayAt: time?.at };
      return [...verdicts, ...tickPatterns(patterns, tick)];
    },
    advance,
    advanceTick(alerts, verdicts, moment, detection) {
      const tick = observationOf(moment);
      const transitions = advance(alerts, verdicts, tick, detection);
      const { time } = detection;
      if (alerts.flapping.size === 0 || time === undefined) return transitions;
      return [...transitions, ...pass(alerts, byName, tick, time.at)];
    },
    rejudge: (alerts, gateway) => alerts.rejudge(ruleSet.of(gateway)),
    changed: (alerts) => alerts.isChanged,
    encodeAlerts: (alerts) => alerts.encode(),
    decodeAlerts: (text, gateway) =>
      GatewayAlerts.decode(text, ruleSet.of(gateway), alertsPerGatewayMax),
    encodeDetection,
    decodeDetection: (text, gateway) => decodeDetection(text, ruleSet.of(gateway), gateway),
  };
}

/** Detectors see numbers alone; patterns see all. */
function judge(
  detection: GatewayDetection,
  observation: Observation,
  seriesMax: number,
): readonly RuleVerdict[] {
  const { device, metric, value, unit, quality, receivedAt, late } = observation;
  if (typeof value !== "number" || !Number.isFinite(value) || quality === "bad") return noVerdicts;
  const timeMs = eventTimeOf(observation);
  return detect(detection, seriesMax, { device, metric, value, timeMs, receivedAt, late, unit });
}

/** A tick as what moves alerts: it shows no value. */
export function observationOf({ id, gateway, at }: Moment): Observation {
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

function keyOf(rule: string, mode: CompiledRule["mode"]): string {
  return `${mode} ${rule}`;
}

function advance(
  alerts: GatewayAlerts,
  verdicts: readonly RuleVerdict[],
  observation: Observation,
  detection: GatewayDetection,
): readonly AlertTransition[] {
  let transitions = alerts.unjudged.length === 0 ? noTransitions : withdraw(alerts, observation);
  for (const ruleVerdict of verdicts) {
    const own = advanceOne(alerts, ruleVerdict, observation, detection);
    if (own.length > 0) transitions = [...transitions, ...own];
  }
  return transitions;
}

function advanceOne(
  alerts: GatewayAlerts,
  ruleVerdict: RuleVerdict,
  observation: Observation,
  detection: GatewayDetection,
): readonly AlertTransition[] {
  const { rule, verdict, place = observation } = ruleVerdict;
  if (verdict.kind === "unknown") return noTransitions;
  const { device, metric } = place;
  if (rule.mode === "live" && alerts.edge.judges(rule.name, device, metric)) return noTransitions;
  let alert = alerts.find(rule, device, metric);
  if (alert === undefined && verdict.kind === "anomalous") {
    alert = alerts.add(rule, device, metric);
  }
  if (alert === undefined) return noTransitions;
  const before = alert.phase;
  const worstOf = (late: boolean) => {
    // A live reading that takes over says nothing of the past.
    const isTaken = late && !observation.late;
    const receivedAt = isTaken ? Number.NEGATIVE_INFINITY : observation.receivedAt;
    const run = oddRun(detection, { device, metric, late, receivedAt }, rule);
    return run && { at: run.at, value: run.value, size: run.size };
  };
  const seen = seenBy(ruleVerdict, observation);
  const transitions = advanceAlert(alert, rule, verdict, seen, worstOf);
  if (alert.phase !== before) alerts.settle(alert);
  return transitions.map((transition) => {
    return withEvidence(transition, ruleVerdict, observation, detection);
  });
}

/** A5, in an order that a restored state has too. */
function pass(
  alerts: GatewayAlerts,
  rules: ReadonlyMap<string, CompiledRule>,
  tick: Observation,
  gatewayAt: number,
): readonly AlertTransition[] {
  const placeOf = ({ device, metric, rule, mode }: Alert) =>
    [device, metric, rule, mode].join("\n");
  const inOrder = [...alerts.flapping].sort((one, other) =>
    placeOf(one) < placeOf(other) ? -1 : 1,
  );
  return inOrder.flatMap((alert) => {
    const rule = rules.get(keyOf(alert.rule, alert.mode));
    if (rule === undefined) return [];
    const before = alert.phase;
    const resolved = passAlert(alert, rule, tick, gatewayAt);
    if (alert.phase !== before) alerts.settle(alert);
    return resolved === undefined ? [] : [resolved];
  });
}

/** As the rule takes it: a pattern may count by another time than the reading's. */
function seenBy(verdict: RuleVerdict, observation: Observation): Observation {
  const { at, late, value } = verdict;
  if (at === undefined && late === undefined && value === undefined) return observation;
  const { value: shown, unit } = value === undefined ? observation : { ...verdict, value };
  const observedAt = at ?? observation.observedAt;
  return { ...observation, observedAt, late: late ?? observation.late, value: shown, unit };
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

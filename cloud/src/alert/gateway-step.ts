/**
 * How one event, or one tick, moves the rules of its gateway. The engine, a replay and a backtest
 * take the same steps, so they find the same.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type {
  Alerting,
  GatewayAlerts,
  GatewayDetection,
  Moment,
} from "@causeway/shared/alert/alerting.ts";
import { observationOf } from "@causeway/shared/alert/alerting.ts";
import type { Alert } from "@causeway/shared/alert/lifecycle.ts";
import { endAlert } from "@causeway/shared/alert/lifecycle.ts";
import type { Observation } from "@causeway/shared/alert/observation.ts";
import type { Reading } from "@causeway/shared/event.ts";
import type { DerivedEvent } from "@causeway/shared/rules/derived-event.ts";
import { noteGatewayTime } from "@causeway/shared/rules/detection.ts";
import type { SiteFilter, SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import type { RuleVerdict } from "@causeway/shared/rules/rule-set.ts";
import type { TakenEvent } from "../ingest/fold.ts";

/** What rules know of one gateway. */
export interface RulesState {
  detection: GatewayDetection;
  alerts: GatewayAlerts;
}

export interface Told {
  readonly transitions: readonly AlertTransition[];
  readonly derived: readonly DerivedEvent[];
  /** For the rules that look at the gateway's whole site. */
  readonly site: readonly SiteInput[];
}

const nothingTold: Told = { transitions: [], derived: [], site: [] };
const noInputs: readonly SiteInput[] = [];

/** An event without effect changes `detection` only. */
export function takeEvent(alerting: Alerting, state: RulesState, taken: TakenEvent): Told {
  if (isUpToDate(taken)) noteGatewayTime(state.detection, taken.epoch, taken.receivedAt);
  const { event, gateway, receivedAt, late } = taken;
  if (taken.log === "priority") return taken.effect ? takeNews(state.alerts, taken) : nothingTold;
  if (event.kind !== "reading" || event.device === null) return nothingTold;
  let told = nothingTold;
  const device = state.detection.rules.seriesOf(event.device);
  for (let index = 0; index < event.readings.length; index++) {
    const reading = event.readings[index] as Reading;
    const observation = {
      id: `${taken.id}/${index}`,
      gateway,
      device,
      metric: reading.metric,
      value: reading.value,
      unit: reading.unit,
      quality: reading.quality,
      observedAt: reading.observedAt ?? event.observedAt,
      receivedAt,
      late,
    };
    const verdicts = alerting.observe(state.detection, observation);
    const site = forSite(state.detection, observation, verdicts);
    if (!taken.effect) continue;
    const transitions = alerting.advance(state.alerts, verdicts, observation, state.detection);
    told = joined(told, transitions, verdicts, site);
  }
  return told;
}

/** What a gateway says of its own alarms, and whether they are still so. */
function takeNews(alerts: GatewayAlerts, taken: TakenEvent): Told {
  const { id, gateway, receivedAt, storedAt, timeQuality, event } = taken;
  const isDated = timeQuality === "synchronised";
  const from = { id, gateway, receivedAt, storedAt, isDated };
  const heard = alerts.edge.hear({ ...from, event });
  const shown = { ...observationOf({ id, gateway, at: receivedAt }), observedAt: null };
  const end = (alert: Alert, reason: string) => {
    const resolved = endAlert(alert, shown, reason);
    alerts.settle(alert);
    return resolved === undefined ? [] : [resolved];
  };
  const isHeartbeat = event.kind === "system" && event.name === "heartbeat";
  const over = isHeartbeat ? alerts.openOf(alerts.edge.takeOver()) : [];
  const ended = over.flatMap((alert) => end(alert, "the gateway judges this rule itself"));
  const raised =
    event.kind !== "alarm"
      ? []
      : alerts.edge.take({ ...from, event }, ({ id: alarm, rule, device, metric }) => {
          const own = alerts.find({ name: rule, mode: "live" }, device, metric);
          if (own === undefined) return [];
          const { phase } = own;
          // One that was found late has not been told as news.
          const isSame = phase.kind === "firing" && phase.id === alarm && !phase.late;
          const told = end(own, "the gateway has raised it itself");
          return isSame ? "same" : told;
        });
  const transitions = [...heard, ...ended, ...raised];
  return transitions.length === 0 ? nothingTold : { ...nothingTold, transitions };
}

/** A tick without effect changes `detection` only. */
export function takeTick(
  alerting: Alerting,
  { detection, alerts }: RulesState,
  moment: Moment,
  hasEffect: boolean,
): Told {
  // Only patterns keep what a tick changes: a replay need not ask detectors about silence.
  if (!hasEffect && detection.patterns.set.patterns.length === 0) return nothingTold;
  const verdicts = alerting.tick(detection, moment);
  const site = timeForSite(detection, moment, verdicts);
  if (!hasEffect) return nothingTold;
  const { id, gateway, at: receivedAt } = moment;
  const retired = detection.rules.isOut ? alerts.edge.endAll({ id, gateway, receivedAt }) : [];
  const transitions = alerting.advanceTick(alerts, verdicts, moment, detection);
  return joined(nothingTold, [...retired, ...transitions], verdicts, site);
}

/** What `verdicts` add to `told`. */
export function joined(
  told: Told,
  transitions: readonly AlertTransition[],
  verdicts: readonly RuleVerdict[],
  site = noInputs,
): Told {
  const hasDerived = verdicts.some(({ derived }) => derived !== undefined);
  if (!hasDerived && transitions.length === 0 && site.length === 0) return told;
  return {
    transitions: [...told.transitions, ...transitions],
    derived: [...told.derived, ...verdicts.flatMap(({ derived }) => derived ?? [])],
    site: [...told.site, ...site],
  };
}

/** Whether or not it has an effect: what was sent before hangs on it. */
function forSite(
  { site, heardAt }: GatewayDetection,
  observation: Observation,
  verdicts: readonly RuleVerdict[],
): readonly SiteInput[] {
  if (site === undefined) return noInputs;
  const input = site.take({ ...observation, kind: "reading" }, verdicts, heardAt);
  const derived = derivedForSite(site, verdicts);
  return input === undefined ? derived : [input, ...derived];
}

function timeForSite(
  { site, time }: GatewayDetection,
  { gateway }: Moment,
  verdicts: readonly RuleVerdict[],
): readonly SiteInput[] {
  if (site === undefined) return noInputs;
  const derived = derivedForSite(site, verdicts);
  const input = time && site.takeTime(gateway, time.at);
  return input === undefined ? derived : [...derived, input];
}

function derivedForSite(site: SiteFilter, verdicts: readonly RuleVerdict[]): readonly SiteInput[] {
  return verdicts.flatMap(({ derived }) => {
    return (derived && site.takeDerived(derived)) ?? [];
  });
}

/**
 * Whether all that the gateway had before this event has come. Telemetry comes in order; what
 * travels by `priority` overtakes it, and says so little of it that only a heartbeat with nothing
 * left to be taken counts. After an outage any other would make every device look silent.
 */
function isUpToDate({ event, log, timeQuality, late }: TakenEvent): boolean {
  if (late || timeQuality === "unsynchronised") return false;
  if (log === "telemetry") return event.kind === "reading" || event.kind === "quarantined";
  const isHeartbeat = event.kind === "system" && event.name === "heartbeat";
  return isHeartbeat && event.fields?.["untakenEvents"] === 0;
}

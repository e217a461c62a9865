/**
 * What is told with an alert, so that nobody has to look it up: the readings around it, what was
 * expected, and how bad it was.
 *
 * E1 It hangs on the state of detection and alerts alone, so a replay tells the same.
 * E2 Bounded: `shownMax` readings, and fewer where they would take more than `charactersMax` as JSON;
 *    the oldest give way. It is on `alert.>` and in no state.
 */
import { z } from "zod";
import type { GatewayDetection } from "../rules/detection.ts";
import { recentReadings } from "../rules/detection.ts";
import { recentMax } from "../rules/recent-readings.ts";
import type { RuleVerdict } from "../rules/rule-set.ts";
import type { ShownReading } from "../rules/shown-reading.ts";
import type { AlertTransition } from "./alert.ts";
import type { Observation } from "./observation.ts";
import { eventTimeOf } from "./observation.ts";

export interface AlertEvidence {
  /** Oldest first; the last one caused the transition, unless time did. */
  readonly readings: readonly ShownReading[];
  /** Of a firing one: where readings were expected, and how odd this one was, in [0, 1]. */
  readonly expected?: { readonly low?: number; readonly high?: number };
  readonly score?: number;
  /** Of a resolved one: how long it fired, and the worst reading of that time. */
  readonly durationMs?: number;
  readonly worst?: ShownReading;
}

export const shownMax = recentMax;
export const charactersMax = 2_048;

const finite = z.number();
const readingSchema = z.object({
  at: finite,
  value: z.union([z.number(), z.string(), z.boolean(), z.null()]),
  device: z.string().exactOptional(),
  metric: z.string().exactOptional(),
  unit: z.string().exactOptional(),
});
export const evidenceSchema = z.object({
  readings: z.array(readingSchema),
  expected: z.object({ low: finite.exactOptional(), high: finite.exactOptional() }).exactOptional(),
  score: finite.exactOptional(),
  durationMs: finite.exactOptional(),
  worst: readingSchema.exactOptional(),
});

/** `transition`, with the readings around it; `observation` is what moved the alert. */
export function withEvidence(
  transition: AlertTransition,
  ruleVerdict: RuleVerdict,
  observation: Observation,
  detection: GatewayDetection,
): AlertTransition {
  const { verdict } = ruleVerdict;
  const isFiring = transition.state === "firing";
  const isOfSeries = ruleVerdict.value === undefined;
  const readings = isOfSeries
    ? seriesReadings(ruleVerdict, observation, detection)
    : patternReadings(isFiring, ruleVerdict, observation);
  const judged = isFiring && isOfSeries && verdict.kind === "anomalous" ? verdict : undefined;
  const evidence: AlertEvidence = {
    readings: bounded(readings),
    ...(judged?.expected === undefined ? {} : { expected: plain(judged.expected) }),
    ...(judged === undefined ? {} : { score: judged.score }),
  };
  return { ...transition, evidence: { ...transition.evidence, ...evidence } };
}

function seriesReadings(
  { place }: RuleVerdict,
  { device, metric, late, receivedAt }: Observation,
  detection: GatewayDetection,
): readonly ShownReading[] {
  return recentReadings(detection, { ...(place ?? { device, metric }), late, receivedAt });
}

function patternReadings(
  isFiring: boolean,
  { evidence = [] }: RuleVerdict,
  observation: Observation,
): readonly ShownReading[] {
  if (isFiring) return evidence.toSorted((one, other) => one.at - other.at);
  const { device, metric, value, unit } = observation;
  if (device === "") return [];
  const at = eventTimeOf(observation);
  return [{ at, device, metric, value: shortened(value), ...(unit === undefined ? {} : { unit }) }];
}

const textMax = 64;

function shortened(value: ShownReading["value"]): ShownReading["value"] {
  return typeof value === "string" ? value.slice(0, textMax) : value;
}

/** E2. */
function bounded(readings: readonly ShownReading[]): readonly ShownReading[] {
  let shown = readings.slice(-shownMax);
  while (shown.length > 0 && JSON.stringify(shown).length > charactersMax) shown = shown.slice(1);
  return shown;
}

function plain({ low, high }: { low?: number | undefined; high?: number | undefined }) {
  return { ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) };
}

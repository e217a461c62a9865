/** What a ledger keeps of an alert's evidence, so that its records stay bounded. */
import type { AlertTransition } from "../alert/alert.ts";

const charactersMax = 512;

/** The oldest readings give way; what was expected, and how bad it was, stay. */
export function withKeptEvidence(transition: AlertTransition): AlertTransition {
  const { evidence } = transition;
  if (evidence === undefined || sizeOf(evidence) <= charactersMax) return transition;
  let { readings } = evidence;
  while (readings.length > 0 && sizeOf({ ...evidence, readings }) > charactersMax)
    readings = readings.slice(1);
  return { ...transition, evidence: { ...evidence, readings } };
}

export function withoutEvidence({ evidence: _, ...others }: AlertTransition): AlertTransition {
  return others;
}

function sizeOf(evidence: AlertTransition["evidence"]): number {
  return JSON.stringify(evidence).length;
}

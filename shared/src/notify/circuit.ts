/**
 * Whether a receiver that failed may be tried now.
 *
 *   C1  After `failuresMax` failures in a row nothing is sent until the circuit's time is over; then
 *       one try decides for all that wait behind it. Each that fails doubles the time, to a bound.
 *   C2  A receiver that asks for time gets it at once, from all who would tell it something.
 *   C3  What is refused for good, or taken, shows that the receiver is there: the circuit closes.
 */
import type { Attempt } from "./receiver.ts";

export const failuresMax = 5;
export const openMs = { first: 2_000, most: 30_000 };
/** What a receiver may ask for; more is cut to it. */
const askedMsMax = 10 * 60_000;
/** For those that wait behind the one try. */
const behindMs = 1_000;

export interface Circuit {
  readonly failures: number;
  /** Nothing is sent before; 0 while it is closed. */
  readonly openUntilMs: number;
  readonly isProbing: boolean;
  readonly reason: string;
}

export const closedCircuit: Circuit = {
  failures: 0,
  openUntilMs: 0,
  isProbing: false,
  reason: "",
};

export type Admission =
  | { readonly kind: "go"; readonly circuit: Circuit }
  | { readonly kind: "wait"; readonly afterMs: number; readonly reason: string };

/** Whoever is told to go must tell {@link afterAttempt} how it went. */
export function admit(circuit: Circuit, nowMs: number): Admission {
  if (circuit.openUntilMs === 0) return { kind: "go", circuit };
  const leftMs = circuit.openUntilMs - nowMs;
  if (leftMs > 0 || circuit.isProbing) {
    const reason = `not tried after ${circuit.failures} failures: ${circuit.reason}`;
    return { kind: "wait", afterMs: Math.max(leftMs, circuit.isProbing ? behindMs : 0), reason };
  }
  return { kind: "go", circuit: { ...circuit, isProbing: true } };
}

/** `attempt` is undefined where it was cut off before there was an answer. */
export function afterAttempt(
  circuit: Circuit,
  attempt: Attempt | undefined,
  nowMs: number,
): Circuit {
  if (attempt === undefined) return { ...circuit, isProbing: false };
  if (attempt.kind !== "retry") return closedCircuit;
  const failures = circuit.failures + 1;
  const { reason, afterMs = 0 } = attempt;
  const askedMs = Math.min(afterMs, askedMsMax);
  const doublings = failures - failuresMax;
  const ownMs = doublings < 0 ? 0 : Math.min(openMs.most, openMs.first * 2 ** doublings);
  const waitMs = Math.max(askedMs, ownMs);
  const openUntilMs = waitMs === 0 ? 0 : nowMs + waitMs;
  return { failures, openUntilMs, isProbing: false, reason };
}

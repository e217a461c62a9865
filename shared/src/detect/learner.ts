/**
 * A detector in two halves, evidence and reference, and the stage that joins them: it decides which
 * readings may teach the reference.
 *
 *     readings ──┬──> judge: how far off the reference ──> score ──> verdict
 *                └──> [warm-up | adaptive | slow | frozen] ──> learn: what is usual
 *
 *   warm-up   the first `warmUp` readings only teach; the verdict is unknown
 *   adaptive  every reading teaches: a level that stays becomes usual
 *   slow      one reading in ten teaches: a fault must stay ten times as long to become usual
 *   frozen    nothing teaches after the warm-up: a fault that persists stays a fault
 *
 * Missing readings teach nothing. After a pause of more than thirty usual intervals (a restart, a
 * dead link) the evidence begins anew and the reference stays. Readings out of order in time are
 * judged as they come. State: that of the learner and five numbers.
 */
import { z } from "zod";
import type { Codec } from "./codec.ts";
import { pack, unpack } from "./codec.ts";
import type { Detector, Expected, Verdict } from "./detector.ts";
import { normal } from "./detector.ts";

export const references = ["adaptive", "slow", "frozen"] as const;
export type Reference = (typeof references)[number];

export interface Learner<State> extends Codec<State> {
  /** Of a reading, in [0, 1]: from `scoreLimit` on it is anomalous. Changes evidence only. */
  judge(state: State, value: number, timeMs: number): number;
  /** Why, right after `judge`. */
  reason(state: State, value: number): string;
  /** Right after `judge`. */
  expected(state: State, value: number): Expected;
  /** Changes the reference only. */
  learn(state: State, value: number, timeMs: number, isAnomalous: boolean): void;
  /** Forgets the evidence. */
  restart(state: State): void;
}

/** Whether this reading, by its number, may teach after the warm-up. */
export function mayTeach(reference: Reference, readings: number): boolean {
  return reference === "adaptive" || (reference === "slow" && readings % slowness === 0);
}

export const scoreLimit = 0.5;

/** [0, 1) of a size ≥ 0 in any unit: `scoreLimit` at its limit. */
export function scoreOf(size: number, limit: number): number {
  return size / (size + limit);
}

export const learnerParameters = {
  /** Readings that only teach. */
  warmUp: z.int().min(10).max(1_000_000).default(100),
  reference: z.enum(references).default("adaptive"),
};

export interface LearnerSettings {
  readonly warmUp: number;
  readonly reference: Reference;
}

const slowness = 10;
const pauseIntervals = 30;
const intervalGain = 1 / 20;
/** Squares and sums of differences stay finite. */
const valueMax = 1e150;

export interface Learned<State> extends Pace {
  readonly inner: State;
  score: number;
}

export function learned<State>(
  learner: Learner<State>,
  { warmUp, reference }: LearnerSettings,
): Detector<Learned<State>> {
  const oddBy = ({ inner, score }: Learned<State>, value: number): Verdict => {
    const [reason, expected] = [learner.reason(inner, value), learner.expected(inner, value)];
    return { kind: "anomalous", score, reason, expected };
  };
  return {
    initial: () => ({
      inner: learner.initial(),
      readings: 0,
      lastMs: 0,
      intervalMs: 0,
      score: 0,
    }),
    observe(state, given, timeMs) {
      const value = Math.min(valueMax, Math.max(-valueMax, given));
      if (notePace(state, timeMs)) learner.restart(state.inner);
      const { inner } = state;
      if (state.readings <= warmUp) {
        learner.learn(inner, value, timeMs, false);
        return warmingUp;
      }
      state.score = learner.judge(inner, value, timeMs);
      const isAnomalous = state.score >= scoreLimit;
      const verdict: Verdict = isAnomalous ? oddBy(state, value) : normal;
      if (mayTeach(reference, state.readings)) learner.learn(inner, value, timeMs, isAnomalous);
      return verdict;
    },
    score: (state) => state.score,
    encode: ({ inner, readings, lastMs, intervalMs, score }) => [
      pack("learned1", [readings, lastMs, intervalMs, score]),
      learner.encode(inner),
    ],
    decode(json) {
      if (!Array.isArray(json)) return undefined;
      const found = unpack("learned1", json[0], { numbers: 4 });
      const inner = learner.decode(json[1]);
      if (found === undefined || inner === undefined) return undefined;
      const [readings = 0, lastMs = 0, intervalMs = 0, score = 0] = found.numbers;
      return { inner, readings, lastMs, intervalMs, score };
    },
  };
}

const warmingUp: Verdict = { kind: "unknown", reason: "warming up" };

/** When readings come. */
export interface Pace {
  readings: number;
  lastMs: number;
  /** Usual time between two readings. */
  intervalMs: number;
}

/** Counts the reading; whether there was a pause before it. */
export function notePace(pace: Pace, timeMs: number): boolean {
  const sinceMs = pace.readings === 0 ? 0 : timeMs - pace.lastMs;
  pace.readings += 1;
  if (sinceMs <= 0) {
    if (pace.readings === 1) pace.lastMs = timeMs;
    return false;
  }
  pace.lastMs = timeMs;
  if (pace.intervalMs === 0) {
    pace.intervalMs = sinceMs;
    return false;
  }
  const isPause = sinceMs > pauseIntervals * pace.intervalMs;
  const counted = Math.min(sinceMs, pauseIntervals * pace.intervalMs);
  pace.intervalMs += intervalGain * (counted - pace.intervalMs);
  return isPause;
}

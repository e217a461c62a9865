/**
 * An exponentially weighted chart that learns by itself what is usual.
 *
 *        usual ± spread                     stray: how far the last ~10 readings lie off
 *     ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄╭────╮┄┄┄┄┄┄┄┄┄       ────────────╭────╮───── limit:      anomalous
 *     ~~~~mean~~~~~~~~~╯    ╰~~~~~~~~~       ┄┄┄┄┄┄┄┄┄┄┄╱┄┄┄┄┄╲┄┄┄┄ 0.6·limit: normal again
 *     ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄       ~~~~~~~~~~╱       ╲~~~~
 *
 * With x a reading, d = x − mean, and an EWMA of gain g being a ← a + g·(b − a):
 *   mean      EWMA of x, gain 1/memory
 *   variance  EWMA of d², gain 1/(20·memory) upwards and 1/(200·memory) downwards: what once was
 *             usual is not soon forgotten, so a signal that wanders or switches is left in peace
 *   scale²    the largest of variance, resolution² (the smallest step the series ever made) and
 *             (x/1000)²: a series that stood still has no spread of its own to be measured by
 *   stray²    EWMA of d²/scale², gain 1/10. It rises for a shift of level and for a burst of noise
 *             alike. One reading counts at most (2.15·limit)², so it takes three in a row
 * Anomalous while stray is beyond the limit; normal again below 0.6·limit, or `clear`·limit.
 *
 * Learning while readings are odd, so that a fault does not pass for the new normal:
 *   for `memory` readings   slow: mean 1/(4·memory), variance upwards 1/(80·memory)
 *   after that              brisk, 1/memory both: a level that stays is learned in about as many
 * and a reading never teaches more than its first 4·scale. Until the series is `warmUp` readings
 * old and has changed ten times the verdict is unknown; mean and variance are then the plain ones,
 * and for judging the scale is always taken (1 + 8/√readings) times as wide.
 *
 * Sources: Roberts, "Control Chart Tests Based on Geometric Moving Averages", Technometrics 1959;
 * MacGregor & Harris, "The Exponentially Weighted Moving Variance", J. Quality Technology 1993
 * (the mean square chart); Huber, "Robust Statistics", 1981 (bounded influence). The constants lie
 * on a wide plateau over the signals of the test beside this file and the recordings of
 * cloud/src/alert/calibration.test.ts.
 *
 * Spread and scale are in the unit of the metric, stray and limit count scales; memory and warmUp
 * count readings, whatever their interval. State: nine numbers.
 */
import { z } from "zod";
import type { Detector, Verdict } from "./detector.ts";
import { about, inWords, normal } from "./detector.ts";

export const ewmaParameters = {
  /** Scales; less finds more and alarms more often. */
  limit: z.number().min(1).max(100).default(3.1),
  /** Readings over which the usual level is averaged. */
  memory: z.int().min(10).max(1_000_000).default(100),
  /** Readings. */
  warmUp: z.int().min(10).max(1_000_000).default(60),
  /** Share of the limit below which what was anomalous is normal again. */
  clear: z.number().gt(0).max(1).optional(),
};

export interface EwmaSettings {
  readonly limit: number;
  readonly memory: number;
  readonly warmUp: number;
  readonly clear?: number | undefined;
}

const changesMin = 10;
const strayGain = 1 / 10;
const returnShare = 0.6;
/** 1 − 0.9³ of (2.15·limit)² is beyond limit², 1 − 0.9² of it is not. */
const countedShareMax = 2.15;
/** Of limit²; more would only put off the end. */
const straySquaredShareMax = 2;
const taughtScalesMax = 4;
const scaleShareMin = 1 / 1_000;
/** A spread is known the better the more readings it is of: its error falls with their root. */
const youngWidth = 8;
/** Keeps 0/0 away from a series whose steps are too small to be squared. */
const scaleSquaredMin = 1e-300;
/** Squares of differences stay finite. */
const valueMax = 1e150;

export interface EwmaState {
  readings: number;
  changes: number;
  last: number;
  /** Smallest step between two readings that was not 0; 0 while there was none. */
  resolution: number;
  mean: number;
  variance: number;
  straySquared: number;
  isAnomalous: boolean;
  /** Odd readings in a row. */
  odd: number;
}

const warmingUp: Verdict = { kind: "unknown", reason: "warming up" };

export function ewmaDetector(settings: EwmaSettings): Detector<EwmaState> {
  const { limit, memory, warmUp, clear = returnShare } = settings;
  const limitSquared = limit * limit;
  const returnSquared = limitSquared * clear * clear;
  const countedMax = limitSquared * countedShareMax * countedShareMax;
  const straySquaredMax = limitSquared * straySquaredShareMax;

  function judge(state: EwmaState, deviation: number, scaleSquared: number): void {
    const wide = 1 + youngWidth / Math.sqrt(state.readings);
    const squared = (deviation * deviation) / (scaleSquared * wide * wide);
    const moved = strayGain * (Math.min(squared, countedMax) - state.straySquared);
    state.straySquared = Math.min(state.straySquared + moved, straySquaredMax);
    state.isAnomalous = state.straySquared > (state.isAnomalous ? returnSquared : limitSquared);
  }

  function learn(state: EwmaState, deviation: number, scaleSquared: number): void {
    const most = taughtScalesMax * Math.sqrt(scaleSquared);
    const isOdd = state.isAnomalous || Math.abs(deviation) > most;
    state.odd = isOdd ? state.odd + 1 : 0;
    const taught = Math.min(most, Math.max(-most, deviation));
    const squared = taught * taught;
    const isRising = squared > state.variance;
    state.variance += varianceGain(state, isRising) * (squared - state.variance);
    state.mean += meanGain(state) * taught;
  }

  function varianceGain({ odd, readings }: EwmaState, isRising: boolean): number {
    if (odd > memory) return 1 / memory;
    const slow = isRising ? 1 / (20 * memory) : 1 / (200 * memory);
    if (odd === 0) return Math.max(slow, 1 / readings);
    return isRising ? slow / 4 : slow;
  }

  function meanGain({ odd, readings }: EwmaState): number {
    if (odd === 0) return Math.max(1 / memory, 1 / readings);
    return odd > memory ? 1 / memory : 1 / (4 * memory);
  }

  /** Plain mean and variance (Welford 1962), from about `memory` readings on weighted ones. */
  function warm(state: EwmaState, deviation: number): void {
    const gain = Math.max(1 / memory, 1 / state.readings);
    const squared = deviation * deviation * (1 - gain);
    state.variance += varianceGain(state, squared > state.variance) * (squared - state.variance);
    state.mean += gain * deviation;
  }

  function describe(state: EwmaState, value: number, scaleSquared: number): Verdict {
    const scale = Math.sqrt(scaleSquared);
    const scales = (value - state.mean) / scale;
    const straySquared = Math.max(state.straySquared, Math.min(scales * scales, 1e12));
    const usual = `the usual ${inWords(state.mean)} ± ${inWords(scale)}`;
    const far = inWords(Math.abs(scales));
    const reason =
      Math.abs(scales) > limit
        ? `${inWords(value)} is ${far} spreads ${scales > 0 ? "above" : "below"} ${usual}`
        : `the last readings stray ${inWords(Math.sqrt(state.straySquared))} spreads from ${usual}`;
    const score = straySquared / (straySquared + limitSquared);
    return { kind: "anomalous", score, reason, expected: about(state.mean, limit * scale) };
  }

  return {
    initial: () => ({
      readings: 0,
      changes: 0,
      last: 0,
      resolution: 0,
      mean: 0,
      variance: 0,
      straySquared: 0,
      isAnomalous: false,
      odd: 0,
    }),
    observe(state, value) {
      const bounded = Math.min(valueMax, Math.max(-valueMax, value));
      noteStep(state, bounded);
      const deviation = bounded - state.mean;
      if (state.readings <= warmUp || state.changes < changesMin) {
        warm(state, deviation);
        return warmingUp;
      }
      const scaleSquared = scaleSquaredOf(state, bounded);
      judge(state, deviation, scaleSquared);
      const verdict = state.isAnomalous ? describe(state, bounded, scaleSquared) : normal;
      learn(state, deviation, scaleSquared);
      return verdict;
    },
    score: ({ straySquared }) => straySquared / (straySquared + limitSquared),
    encode,
    decode,
  };
}

function noteStep(state: EwmaState, value: number): void {
  const step = state.readings === 0 ? 0 : Math.abs(value - state.last);
  state.readings += 1;
  state.last = value;
  if (step === 0) return;
  state.changes += 1;
  if (state.resolution === 0 || step < state.resolution) state.resolution = step;
}

function scaleSquaredOf({ resolution, mean, variance }: EwmaState, value: number): number {
  const share = scaleShareMin * Math.max(Math.abs(mean), Math.abs(value));
  return Math.max(variance, resolution * resolution, share * share, scaleSquaredMin);
}

function encode(state: EwmaState): unknown {
  return [
    state.readings,
    state.changes,
    state.last,
    state.resolution,
    state.mean,
    state.variance,
    state.straySquared,
    state.isAnomalous ? 1 : 0,
    state.odd,
  ];
}

function decode(json: unknown): EwmaState | undefined {
  if (!Array.isArray(json) || json.length < 9 || !json.every(Number.isFinite)) return undefined;
  const [readings, changes, last, resolution, mean, variance, straySquared, flag, odd] = json as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const isAnomalous = flag === 1;
  return {
    readings,
    changes,
    last,
    resolution,
    mean,
    variance,
    straySquared,
    isAnomalous,
    odd,
  };
}

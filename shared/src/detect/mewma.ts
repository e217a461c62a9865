/**
 * The metrics of one device together: each may be usual by itself while all of them are not.
 *
 *     current │      ·˙∴·        together they lie in an ellipse; × is within both ranges, and out
 *             │   ·∴˙·           distance² = d' S⁻¹ d,  d = smoothed row − mean,  S = covariance
 *             │ ·˙·     ×        per metric: √(distance² / metrics), about 1 where all is usual
 *             └────────── pressure
 *
 * With λ = 1 this is Hotelling's T² of the newest row, with λ = 0.1 (MEWMA) that of rows smoothed
 * over about twenty, for small shifts that last. A row is judged when the last of the device's
 * metrics reports, by the newest value of each; the verdict stands at that metric. Up to eight
 * metrics take part, those that report during the warm-up; another one there begins it anew. The
 * reference is that of the warm-up, or adapts over `memory` rows.
 * Sources: Hotelling 1947; Lowry, Woodall, Champ & Rigdon, "A Multivariate EWMA Control Chart",
 * Technometrics 1992. Limit: deviations per metric. State: at most 65 doubles, and names.
 */
import { z } from "zod";
import { pack, unpack } from "./codec.ts";
import type { Detector, Verdict } from "./detector.ts";
import { inWords, normal } from "./detector.ts";
import type { LearnerSettings } from "./learner.ts";
import { mayTeach, scoreOf } from "./learner.ts";
import { clearParameters, notYetBack } from "./stages.ts";

export const hotellingParameters = {
  /** Deviations per metric, all together. */
  limit: z.number().min(1).max(1_000).default(4),
  /** Rows over which an adaptive reference is averaged. */
  memory: z.int().min(10).max(1_000_000).default(2_000),
  ...clearParameters,
};

export const mewmaParameters = {
  ...hotellingParameters,
  /** The newest row's share. */
  lambda: z.number().min(0.001).max(1).default(0.1),
};

export interface MewmaSettings extends LearnerSettings {
  readonly limit: number;
  readonly memory: number;
  readonly lambda?: number | undefined;
  readonly clear?: number | undefined;
}

export const metricsMax = 8;
const squares = metricsMax * metricsMax;
const valueMax = 1e75;
/** Keeps metrics that hang together wholly, or stand still, apart: a share of their variance. */
const ridge = 1e-3;
const varianceMin = 1e-150;
const sizeMax = 1e6;

export interface MewmaState {
  /** In the order of their first readings. */
  readonly metrics: string[];
  rows: number;
  score: number;
  /** The newest row is; kept where there is a `clear` level. */
  isAnomalous: boolean;
  readonly newest: number[];
  readonly smooth: number[];
  readonly mean: number[];
  /** Of metric i and j at i·8 + j. */
  readonly covariance: Float64Array;
}

const warmingUp: Verdict = { kind: "unknown", reason: "warming up" };

export function mewmaDetector(settings: MewmaSettings): Detector<MewmaState> {
  const { limit, memory, lambda = 1, warmUp, reference, clear = 1 } = settings;
  const shrink = lambda / (2 - lambda);

  function judgeRow(state: MewmaState): Verdict {
    state.rows += 1;
    smoothen(state, lambda);
    if (state.rows <= warmUp) {
      learnRow(state, 1 / state.rows);
      return warmingUp;
    }
    const size = distanceOf(state, shrink);
    state.score = scoreOf(size, limit);
    if (mayTeach(reference, state.rows)) learnRow(state, 1 / memory);
    const isKept = state.isAnomalous && size < limit && size >= clear * limit;
    state.isAnomalous = size >= limit || isKept;
    if (isKept) return notYetBack(size, state.score, clear);
    if (size < limit) return normal;
    const reason = `the metrics together are ${inWords(size)} deviations off; most: ${farthest(state)}`;
    return { kind: "anomalous", score: state.score, reason };
  }

  return {
    restart,
    initial: () => ({
      ...{ metrics: [], rows: 0, score: 0, isAnomalous: false, newest: [], smooth: [], mean: [] },
      covariance: new Float64Array(squares),
    }),
    observe(state, given, _timeMs, metric = "") {
      const value = Math.min(valueMax, Math.max(-valueMax, given));
      let at = state.metrics.indexOf(metric);
      if (at < 0) {
        if (state.metrics.length >= metricsMax || state.rows > warmUp) return normal;
        at = join(state, metric, value);
      }
      state.newest[at] = value;
      return at === state.metrics.length - 1 ? judgeRow(state) : normal;
    },
    score: (state) => state.score,
    encode({ metrics, rows, score, isAnomalous, newest, smooth, mean, covariance }) {
      const triangle = pairsOf(metrics.length).map(([i, j]) => covariance[i * metricsMax + j] ?? 0);
      const numbers = [rows, score, ...newest, ...smooth, ...mean, ...triangle];
      const row = [metrics, pack("mewma1", numbers)];
      return isAnomalous && clear < 1 ? [...row, 1] : row;
    },
    decode,
  };
}

/** A metric more: what was learned without it does not hold. */
function join(state: MewmaState, metric: string, value: number): number {
  restart(state);
  state.newest.push(value);
  state.smooth.push(value);
  state.mean.push(value);
  return state.metrics.push(metric) - 1;
}

function restart(state: MewmaState): void {
  state.rows = 0;
  state.score = 0;
  state.isAnomalous = false;
  state.covariance.fill(0);
}

function smoothen({ newest, smooth, rows }: MewmaState, lambda: number): void {
  for (const [at, value] of newest.entries()) {
    const before = smooth[at] ?? value;
    smooth[at] = rows === 1 ? value : before + lambda * (value - before);
  }
}

function learnRow({ newest, mean, covariance }: MewmaState, gain: number): void {
  const off = newest.map((value, at) => value - (mean[at] ?? 0));
  for (const [i, offI] of off.entries()) {
    mean[i] = (mean[i] ?? 0) + gain * offI;
    for (let j = 0; j <= i; j++) {
      const before = covariance[i * metricsMax + j] ?? 0;
      covariance[i * metricsMax + j] = before + gain * (offI * (off[j] ?? 0) * (1 - gain) - before);
    }
  }
}

function varianceOf({ covariance }: MewmaState, at: number): number {
  return Math.max(covariance[at * metricsMax + at] ?? 0, varianceMin);
}

/** By Cholesky's L of the correlations: |L⁻¹ d|² = d' S⁻¹ d. */
function distanceOf(state: MewmaState, shrink: number): number {
  const { metrics, covariance } = state;
  const count = metrics.length;
  const lower = new Float64Array(squares);
  const solved = new Float64Array(count);
  let squared = 0;
  for (let i = 0; i < count; i++) {
    const deviationI = Math.sqrt(varianceOf(state, i));
    let right = ((state.smooth[i] ?? 0) - (state.mean[i] ?? 0)) / deviationI;
    for (let j = 0; j < i; j++) {
      const deviationJ = Math.sqrt(varianceOf(state, j));
      let sum = (covariance[i * metricsMax + j] ?? 0) / deviationI / deviationJ;
      for (let k = 0; k < j; k++) {
        sum -= (lower[i * metricsMax + k] ?? 0) * (lower[j * metricsMax + k] ?? 0);
      }
      const entry = sum / (lower[j * metricsMax + j] ?? 1);
      lower[i * metricsMax + j] = entry;
      right -= entry * (solved[j] ?? 0);
    }
    let diagonal = 1 + ridge;
    for (let k = 0; k < i; k++) diagonal -= (lower[i * metricsMax + k] ?? 0) ** 2;
    const root = Math.sqrt(Math.max(diagonal, ridge));
    lower[i * metricsMax + i] = root;
    solved[i] = right / root;
    squared += (right / root) ** 2;
  }
  return Math.min(sizeMax, Math.sqrt(squared / shrink / count));
}

/** The two metrics that are farthest off by themselves. */
function farthest(state: MewmaState): string {
  const deviations = state.metrics.map((metric, at) => {
    const off = (state.smooth[at] ?? 0) - (state.mean[at] ?? 0);
    return { metric, off: off / Math.sqrt(varianceOf(state, at)), at };
  });
  return deviations
    .toSorted((a, b) => Math.abs(b.off) - Math.abs(a.off) || a.at - b.at)
    .slice(0, 2)
    .map(({ metric, at }) => {
      const [now, usual] = [state.smooth[at] ?? 0, state.mean[at] ?? 0];
      return `${metric} ${inWords(now)} (usual ${inWords(usual)})`.trim();
    })
    .join(", ");
}

function pairsOf(count: number): (readonly [number, number])[] {
  return Array.from({ length: count }, (_, i) => i).flatMap((i) =>
    Array.from({ length: i + 1 }, (_, j) => [i, j] as const),
  );
}

function decode(json: unknown): MewmaState | undefined {
  if (!Array.isArray(json) || !Array.isArray(json[0])) return undefined;
  const metrics: unknown[] = json[0];
  const isNames = (names: unknown[]): names is string[] =>
    names.length <= metricsMax && names.every((name) => typeof name === "string");
  if (!isNames(metrics)) return undefined;
  const count = metrics.length;
  const pairs = pairsOf(count);
  const found = unpack("mewma1", json[1], { numbers: 2 + 3 * count + pairs.length });
  if (found === undefined) return undefined;
  const part = (from: number) => found.numbers.slice(2 + from * count, 2 + (from + 1) * count);
  const covariance = new Float64Array(squares);
  for (const [at, [i, j]] of pairs.entries()) {
    covariance[i * metricsMax + j] = found.numbers[2 + 3 * count + at] ?? 0;
  }
  const [rows = 0, score = 0] = found.numbers;
  return {
    ...{ metrics: [...metrics], rows, score, isAnomalous: json[2] === 1, covariance },
    ...{ newest: [...part(0)], smooth: [...part(1)], mean: [...part(2)] },
  };
}

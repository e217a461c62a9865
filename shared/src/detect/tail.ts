/**
 * How rare a size is by the series' own history: the tail of a distribution, fitted as it comes.
 *
 *     count │█▇▆▅▃▂▁▁                      threshold: the level that one reading in fifty is beyond
 *           └───────┼────────── size       beyond it: generalised Pareto by the moments of the excess
 *                   ╰ excess y             P(size > x) = share beyond · (1 + γy/σ)^(−1/γ)
 *
 * The threshold follows its quantile by stochastic approximation; mean and variance of the excesses
 * give γ and σ, with γ kept in [0, 0.5]: a tail that seems to end is not believed to.
 * Sources: Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017 (SPOT);
 * Hosking & Wallis, Technometrics 1987 (moments); Robbins & Monro 1951. State: six numbers.
 */
import { ln } from "./logarithm.ts";

export interface Tail {
  readings: number;
  beyond: number;
  threshold: number;
  /** Mean absolute distance from the threshold, the measure of its steps. */
  distance: number;
  excess: number;
  excessSquared: number;
}

export function freshTail(): Tail {
  return { readings: 0, beyond: 0, threshold: 0, distance: 0, excess: 0, excessSquared: 0 };
}

const quantileBeyond = 0.02;
const shapeMax = 0.5;
const mostUsual = -ln(quantileBeyond);

/** `memory` readings are remembered, about. */
export function learnTail(tail: Tail, size: number, memory: number): void {
  tail.readings += 1;
  if (tail.readings === 1) {
    tail.threshold = size;
    return;
  }
  const off = size - tail.threshold;
  const gain = Math.max(1 / tail.readings, 1 / memory);
  const distance = Math.abs(off);
  tail.distance += gain * (Math.min(distance, 20 * tail.distance + distance / 20) - tail.distance);
  const isBeyond = off > 0;
  const pace = 5 * Math.max(gain, 1 / (1 + tail.readings / 2)) * tail.distance;
  tail.threshold += pace * (isBeyond ? 1 - quantileBeyond : -quantileBeyond);
  if (!isBeyond) return;
  tail.beyond += 1;
  const peaksGain = Math.max(1 / tail.beyond, 1 / (quantileBeyond * memory));
  tail.excess += peaksGain * (off - tail.excess);
  tail.excessSquared += peaksGain * (Math.min(off * off, 1e300) - tail.excessSquared);
}

/** −ln of the probability that a reading is beyond `size`; 0 below the threshold. */
export function rarityOf(tail: Tail, size: number): number {
  const y = size - tail.threshold;
  if (!(y > 0)) return 0;
  const mean = Math.max(tail.excess, tail.distance / 50, 1e-6 * Math.abs(tail.threshold), 1e-150);
  const variance = Math.max(0, tail.excessSquared - tail.excess * tail.excess);
  const ratio = variance > 0 ? (mean * mean) / variance : 1;
  const shape = Math.min(shapeMax, Math.max(0, (1 - ratio) / 2));
  const scale = mean * (1 - shape);
  const u = Math.min(y / scale, 1e12);
  return mostUsual + (shape < 1e-3 ? Math.min(u, 1e4) : ln(1 + shape * u) / shape);
}

export const tailNumbers = 6;

export function numbersOf(tail: Tail): readonly number[] {
  const { readings, beyond, threshold, distance, excess, excessSquared } = tail;
  return [readings, beyond, threshold, distance, excess, excessSquared];
}

/** From what `numbersOf` gave. */
export function tailOf(numbers: readonly number[]): Tail {
  const [readings = 0, beyond = 0, threshold = 0, distance = 0, excess = 0, excessSquared = 0] =
    numbers;
  return { readings, beyond, threshold, distance, excess, excessSquared };
}

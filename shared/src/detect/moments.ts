/** Mean and variance as they come, plain at first, exponentially weighted later (Welford 1962). */

export interface Moments {
  readings: number;
  mean: number;
  variance: number;
  /** The smallest step seen that was not 0: a spread is at least half of it. */
  last: number;
  step: number;
}

export function freshMoments(): Moments {
  return { readings: 0, mean: 0, variance: 0, last: 0, step: 0 };
}

/** A reading teaches at most its first four deviations. */
const taughtMax = 4;
const young = 20;
const shareMin = 1e-4;

export function learnMoments(moments: Moments, value: number, memory: number): void {
  const step = moments.readings === 0 ? 0 : Math.abs(value - moments.last);
  if (step > 0 && (moments.step === 0 || step < moments.step)) moments.step = step;
  moments.last = value;
  moments.readings += 1;
  const most = moments.readings < young ? Infinity : taughtMax * deviationOf(moments);
  const off = Math.min(most, Math.max(-most, value - moments.mean));
  const gain = Math.max(1 / moments.readings, 1 / memory);
  moments.mean += gain * off;
  moments.variance += gain * (off * off * (1 - gain) - moments.variance);
}

/** Never 0: a series that stands still has no spread of its own to be measured by. */
export function deviationOf({ variance, step, mean }: Moments): number {
  return Math.max(Math.sqrt(variance), step / 2, shareMin * Math.abs(mean), 1e-150);
}

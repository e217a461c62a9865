/**
 * What is usual at each half hour of the day (UTC), learned in time, not in readings.
 *
 *     bins  ▂▂▂▂▃▅▇▇▇▆▆▇▇▅▃▂   the mean of its readings on the first day, then moved towards each
 *                              further day's by 1/days, from the eighth day on by 1/8
 *
 * A half hour that was never seen has no bin yet. State: 48 floats and four numbers.
 */

export const halfHourMs = 1_800_000;
export const dayBins = 48;
export const dayMs = dayBins * halfHourMs;
const daysMax = 8;
/** Of the flags that tell which bins were seen; two numbers of so many bits hold them. */
const flagBits = 24;
/** A float holds no more. */
const floatMax = 3e38;

export interface DayProfile {
  firstMs: number;
  lastMs: number;
  seenEarly: number;
  seenLate: number;
  readonly bins: Float32Array;
}

export function freshProfile(): DayProfile {
  return { firstMs: 0, lastMs: 0, seenEarly: 0, seenLate: 0, bins: new Float32Array(dayBins) };
}

export function dayBinOf(timeMs: number): number {
  return Math.floor(timeMs / halfHourMs) - dayBins * Math.floor(timeMs / dayMs);
}

/** `otherwise` where this half hour is new. */
export function expectedAt(profile: DayProfile, timeMs: number, otherwise: number): number {
  const bin = dayBinOf(timeMs);
  return isSeen(profile, bin) ? (profile.bins[bin] ?? 0) : otherwise;
}

export function learnHour(profile: DayProfile, timeMs: number, value: number): void {
  if (profile.seenEarly + profile.seenLate === 0) {
    profile.firstMs = timeMs;
    profile.lastMs = timeMs;
  }
  const sinceMs = Math.min(halfHourMs, Math.max(0, timeMs - profile.lastMs));
  profile.lastMs = timeMs;
  const bin = dayBinOf(timeMs);
  const bounded = Math.min(floatMax, Math.max(-floatMax, value));
  if (!isSeen(profile, bin)) {
    profile.bins[bin] = bounded;
    see(profile, bin);
    return;
  }
  const before = profile.bins[bin] ?? 0;
  profile.bins[bin] = before + gainOf(profile, timeMs, sinceMs) * (bounded - before);
}

function gainOf({ firstMs }: DayProfile, timeMs: number, sinceMs: number): number {
  const days = (timeMs - firstMs) / dayMs;
  if (days >= 1) return sinceMs / halfHourMs / Math.min(daysMax, 1 + Math.floor(days));
  const passedMs = timeMs - halfHourMs * Math.floor(timeMs / halfHourMs);
  return sinceMs / (passedMs + sinceMs + 1);
}

function isSeen({ seenEarly, seenLate }: DayProfile, bin: number): boolean {
  return ((bin < flagBits ? seenEarly >> bin : seenLate >> (bin - flagBits)) & 1) === 1;
}

function see(profile: DayProfile, bin: number): void {
  if (bin < flagBits) profile.seenEarly |= 1 << bin;
  else profile.seenLate |= 1 << (bin - flagBits);
}

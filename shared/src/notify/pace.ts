/** How often a receiver is told something: a bucket of tokens, one for each notification. */
export interface PaceSettings {
  readonly perMinute: number;
  /** So many at once after a silence. */
  readonly burst: number;
}

export interface Pace {
  /** Below zero where tokens are given out that are yet to come. */
  readonly tokens: number;
  readonly atMs: number;
}

const minuteMs = 60_000;

export function fullPace({ burst }: PaceSettings, nowMs: number): Pace {
  return { tokens: burst, atMs: nowMs };
}

/** Takes one token; it may be used after `waitMs`. Who comes later waits longer. */
export function takeToken(
  pace: Pace,
  { perMinute, burst }: PaceSettings,
  nowMs: number,
): { readonly pace: Pace; readonly waitMs: number } {
  const elapsedMs = Math.max(0, nowMs - pace.atMs);
  const tokens = Math.min(burst, pace.tokens + (elapsedMs * perMinute) / minuteMs) - 1;
  const waitMs = tokens >= 0 ? 0 : Math.ceil((-tokens * minuteMs) / perMinute);
  return { pace: { tokens, atMs: nowMs }, waitMs };
}

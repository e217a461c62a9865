/** Times on the command line: `250ms`, `60s`, `5m`, `2h`, or a bare number in the flag's unit. */
const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
export type DurationUnit = keyof typeof unitMs;

/** Milliseconds, rounded; undefined where the text is no such time. */
export function durationMs(text: string, bareUnit: DurationUnit): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (match === null) return undefined;
  const unit = (match[2] ?? bareUnit) as DurationUnit;
  return Math.round(Number(match[1]) * unitMs[unit]);
}

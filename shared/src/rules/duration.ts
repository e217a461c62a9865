/** Times in rules, as `30s` or `5m`: text in, milliseconds out. */
import { z } from "zod";

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof unitMs;

const hint = "write a time such as 0s, 30s, 5m, 2h or 1d";
const pattern = /^[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d)$/;
export const durationMsMax = 30 * unitMs.d;

export const durationSchema = z
  .string(hint)
  .regex(pattern, hint)
  .transform(durationMs)
  .refine((ms) => ms <= durationMsMax, `at most ${durationMsMax / unitMs.d}d`);

const several = /^(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d)){1,5}$/;

/** A moment, by the time since another: parts may follow each other, as in `2m10s`. */
export const timeSinceSchema = z
  .string(hint)
  .regex(several, hint)
  .transform((text) => {
    const parts = text.match(/[0-9.]+[a-z]+/g) ?? [];
    return parts.reduce((ms, part) => ms + durationMs(part), 0);
  })
  .refine((ms) => ms <= durationMsMax, `at most ${durationMsMax / unitMs.d}d`);

function durationMs(text: string): number {
  const digits = Number.parseFloat(text);
  const unit = text.replace(/^[0-9.]+/, "") as Unit;
  return Math.round(digits * unitMs[unit]);
}

/** The same the other way: `2m10s`, `0s`. */
export function durationText(ms: number): string {
  let rest = Math.abs(ms);
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"] as const) {
    const count = Math.floor(rest / unitMs[unit]);
    rest -= count * unitMs[unit];
    if (count > 0) text += `${count}${unit}`;
  }
  return `${ms < 0 ? "-" : ""}${text === "" ? "0s" : text}`;
}

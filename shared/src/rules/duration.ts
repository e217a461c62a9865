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

function durationMs(text: string): number {
  const digits = Number.parseFloat(text);
  const unit = text.replace(/^[0-9.]+/, "") as Unit;
  return Math.round(digits * unitMs[unit]);
}

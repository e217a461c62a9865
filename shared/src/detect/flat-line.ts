/**
 * A sensor that is stuck: its value stays the same for longer than a live one's would.
 *
 *     ~~~~~╮~~╮                    since: when the value last left its band
 *              ──────────────╴     ┄┄ ± tolerance ┄┄
 *              ╰── after ──╯ anomalous
 *
 * The band is `tolerance` to both sides of the value that began it. Time is event time, so a series
 * without readings is not flat (see absence). Source: NAMUR NE 107 "stuck signal" diagnosis.
 * `after` is a time, `tolerance` in the metric's unit. State: five numbers.
 */
import { z } from "zod";
import { durationSchema } from "../rules/duration.ts";
import { fieldsCodec } from "./codec.ts";
import type { Detector } from "./detector.ts";
import { inWords, normal } from "./detector.ts";

export const flatLineParameters = {
  after: durationSchema.refine((ms) => ms > 0, "more than 0s").prefault("1h"),
  tolerance: z.number().min(0).default(0),
};

export interface FlatLineSettings {
  readonly after: number;
  readonly tolerance: number;
}

export interface FlatLineState {
  isBegun: number;
  level: number;
  sinceMs: number;
  readings: number;
  score: number;
}

/** A pause may look flat: so many readings at least must have been the same. */
const readingsMin = 5;

export function flatLineDetector({ after, tolerance }: FlatLineSettings): Detector<FlatLineState> {
  return {
    ...fieldsCodec<FlatLineState>("flat1", () => ({
      ...{ isBegun: 0, level: 0, sinceMs: 0, readings: 0, score: 0 },
    })),
    observe(state, value, timeMs) {
      const isFlat = state.isBegun === 1 && Math.abs(value - state.level) <= tolerance;
      if (!isFlat || timeMs < state.sinceMs) {
        state.isBegun = 1;
        state.level = value;
        state.sinceMs = timeMs;
        state.readings = 0;
      }
      state.readings += 1;
      const flatMs = timeMs - state.sinceMs;
      state.score = flatMs / (flatMs + after);
      if (flatMs < after || state.readings < readingsMin) return normal;
      const minutes = inWords(flatMs / 60_000);
      const band = tolerance === 0 ? "exactly" : `within ${tolerance} of`;
      const reason = `stuck: ${band} ${inWords(state.level)} for ${minutes} min, ${state.readings} readings`;
      return { kind: "anomalous", score: state.score, reason };
    },
    score: (state) => state.score,
  };
}

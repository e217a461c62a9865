/**
 * How fast a value climbs or falls: too fast is a fault, wherever it is.
 *
 *          ╭─── 9 °C in 1 min: anomalous            rate = (x − anchor) / time between
 *     ─────╯                                        anchor: a reading one to two `over`s old,
 *      ╰ over ╯                                     the oldest there is at first
 *
 * Measured over `over` of event time, so noise between two readings is no rate. Time that stands
 * still or runs back brings no verdict of its own. After ten `over`s, forth or back, the anchor is new.
 * Source: ISA-18.2 / IEC 62682, rate-of-change alarm. `rise` and `fall` are in the metric's unit
 * for each `per`. State: seven numbers.
 */
import { z } from "zod";
import { durationSchema } from "../rules/duration.ts";
import { fieldsCodec } from "./codec.ts";
import type { Detector, Verdict } from "./detector.ts";
import { inWords, normal } from "./detector.ts";

export const rateParameters = {
  /** At most so much up in one `per`. */
  rise: z.number().positive().optional(),
  /** At most so much down in one `per`. */
  fall: z.number().positive().optional(),
  per: durationSchema.refine((ms) => ms > 0, "more than 0s").prefault("1m"),
  over: durationSchema.refine((ms) => ms > 0, "more than 0s").prefault("10s"),
};

export interface RateSettings {
  readonly rise?: number | undefined;
  readonly fall?: number | undefined;
  readonly per: number;
  readonly over: number;
}

export function faultOfRate({ rise, fall }: RateSettings): string | undefined {
  return rise === undefined && fall === undefined ? "give rise, fall or both" : undefined;
}

const pauseSpans = 10;
const noAnchor: Verdict = { kind: "unknown", reason: "one reading makes no rate" };

export interface RateState {
  isBegun: number;
  anchor: number;
  anchorMs: number;
  next: number;
  nextMs: number;
  lastMs: number;
  score: number;
}

export function rateDetector(settings: RateSettings): Detector<RateState> {
  const { per, over, rise = Infinity, fall = Infinity } = settings;
  const judge = (state: RateState, value: number, sinceMs: number): Verdict => {
    const rate = ((value - state.anchor) / sinceMs) * per;
    const limit = rate > 0 ? rise : fall;
    const size = Math.min(Math.abs(rate), Number.MAX_VALUE);
    state.score = limit === Infinity ? 0 : 1 / (1 + limit / size);
    if (size <= limit) return normal;
    const way = rate > 0 ? "up" : "down";
    const found = `${way} ${inWords(Math.abs(value - state.anchor))} in ${inWords(sinceMs / 1_000)} s`;
    const reason = `${found}, ${inWords(size / limit)} times the pace of ${limit} in ${per / 1_000} s`;
    return { kind: "anomalous", score: state.score, reason };
  };
  const begin = (state: RateState, value: number, timeMs: number): void => {
    state.isBegun = 1;
    state.anchor = value;
    state.anchorMs = timeMs;
    state.next = value;
    state.nextMs = timeMs;
  };
  const moveAnchor = (state: RateState, value: number, timeMs: number): void => {
    if (timeMs - state.nextMs < over) return;
    state.anchor = state.next;
    state.anchorMs = state.nextMs;
    state.next = value;
    state.nextMs = timeMs;
  };
  return {
    ...fieldsCodec<RateState>("rate1", () => ({
      ...{ isBegun: 0, anchor: 0, anchorMs: 0, next: 0, nextMs: 0, lastMs: 0, score: 0 },
    })),
    observe(state, given, timeMs) {
      const value = Math.min(1e300, Math.max(-1e300, given));
      const isPause = Math.abs(timeMs - state.lastMs) > pauseSpans * over;
      if (state.isBegun === 0 || isPause) {
        begin(state, value, timeMs);
        state.lastMs = timeMs;
        state.score = 0;
        return noAnchor;
      }
      if (timeMs <= state.lastMs) return noAnchor;
      state.lastMs = timeMs;
      moveAnchor(state, value, timeMs);
      const sinceMs = timeMs - state.anchorMs;
      if (sinceMs <= 0) return noAnchor;
      // Over less than `over` the noise of one reading would be taken for a rate.
      return judge(state, value, Math.max(sinceMs, over));
    },
    score: (state) => state.score,
  };
}

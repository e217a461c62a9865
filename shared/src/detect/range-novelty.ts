/**
 * What the series has never done: a value beyond everything seen so far.
 *
 *                            ╷ score: distance beyond / span
 *     ┄┄┄┄┄┄┄╭┄┄┄╮┄┄┄┄┄┄┄┄┄┄┄│┄┄ most                    the range grows with what it has learned
 *     ~~~~~~~╯   ╰~~~~~~~~~~~╯
 *     ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ least
 *
 * Adaptive: the next reading must be farther still to be new. Frozen: the range is the warm-up's.
 * Limit: the share of the span seen so far (or of the value, where it has hardly any).
 * Source: a record process (Rényi 1962): of n exchangeable readings the next is a record with
 * probability 2/(n + 1), so the longer it runs the fewer it reports. State: four numbers.
 */
import { z } from "zod";
import { fieldsCodec } from "./codec.ts";
import { inWords } from "./detector.ts";
import type { Learner } from "./learner.ts";
import { scoreOf } from "./learner.ts";

export const rangeParameters = {
  /** Share of the span of all values so far. */
  limit: z.number().min(0.001).max(1_000).default(0.2),
};

export interface RangeSettings {
  readonly limit: number;
}

const spanShareMin = 1e-3;

export interface RangeState {
  isBegun: number;
  least: number;
  most: number;
}

export function rangeLearner({ limit }: RangeSettings): Learner<RangeState> {
  return {
    ...fieldsCodec<RangeState>("range1", () => ({ isBegun: 0, least: 0, most: 0 })),
    judge({ least, most }, value) {
      const beyond = Math.max(value - most, least - value, 0);
      const level = Math.max(Math.abs(least), Math.abs(most));
      const span = Math.max(most - least, spanShareMin * level, 1e-300);
      return scoreOf(Math.min(beyond / span, 1e9), limit);
    },
    reason({ least, most }, value) {
      const [bound, side] = value > most ? [most, "above"] : [least, "below"];
      const far = inWords(Math.abs(value - bound));
      return `${inWords(value)} is ${far} ${side} anything so far, ${inWords(least)} to ${inWords(most)}`;
    },
    expected: ({ least, most }) => ({ low: least, high: most }),
    learn(state, value) {
      state.least = state.isBegun === 0 ? value : Math.min(state.least, value);
      state.most = state.isBegun === 0 ? value : Math.max(state.most, value);
      state.isBegun = 1;
    },
    restart: () => {},
  };
}

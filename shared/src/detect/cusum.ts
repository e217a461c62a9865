/**
 * Small shifts that last: deviations beyond the slack are summed to both sides.
 *
 *     x   ~~~~~~~~~~▔▔~▔▔~▔▔▔~▔     a shift by one spread, hardly to be seen
 *     sum ____________╱▔╱▔╱▔  ┄┄┄ limit: anomalous;  up ← max(0, up + z − slack)
 *
 * z = (x − mean) / deviation, at most 4, so that no single reading is enough. Mean and deviation are
 * those of the warm-up, then weighted over `memory` readings where the reference adapts. Beyond the
 * limit the mean moves four times as fast, and a sum is held at 1.5 limits: after a shift that
 * stays, or one that ends, the chart is back in bounded time.
 * Source: Page, "Continuous Inspection Schemes", Biometrika 1954; slack ½ and limit 5 are the
 * textbook's (one false alarm in about 465 independent normal readings); 10 makes it about 70,000.
 * Limit and slack count deviations. State: seven numbers.
 */
import { z } from "zod";
import { fieldsCodec } from "./codec.ts";
import { about, inWords } from "./detector.ts";
import type { Learner } from "./learner.ts";
import { scoreOf } from "./learner.ts";
import type { Moments } from "./moments.ts";
import { deviationOf, freshMoments, learnMoments } from "./moments.ts";

export const cusumParameters = {
  limit: z.number().min(1).max(1_000).default(10),
  /** Deviations that are not counted. */
  slack: z.number().min(0).max(10).default(0.5),
  /** Readings over which the usual level is averaged. */
  memory: z.int().min(10).max(1_000_000).default(2_000),
};

export interface CusumSettings {
  readonly limit: number;
  readonly slack: number;
  readonly memory: number;
}

const countedMax = 4;
const heldLimits = 1.5;
const haste = 4;

export interface CusumState extends Moments {
  up: number;
  down: number;
}

export function cusumLearner({ limit, slack, memory }: CusumSettings): Learner<CusumState> {
  const held = heldLimits * limit;
  const sum = (before: number, z: number) => Math.min(held, Math.max(0, before + z - slack));
  return {
    ...fieldsCodec<CusumState>("cusum1", () => ({ ...freshMoments(), up: 0, down: 0 })),
    judge(state, value) {
      const deviations = (value - state.mean) / deviationOf(state);
      const z = Math.min(countedMax, Math.max(-countedMax, deviations));
      state.up = sum(state.up, z);
      state.down = sum(state.down, -z);
      return scoreOf(Math.max(state.up, state.down), limit);
    },
    reason(state, value) {
      const side = state.up > state.down ? "above" : "below";
      const usual = `${inWords(state.mean)} ± ${inWords(deviationOf(state))}`;
      return `readings have stayed ${side} the usual ${usual}, now ${inWords(value)}`;
    },
    expected: (state) => about(state.mean, deviationOf(state)),
    learn(state, value, _timeMs, isAnomalous) {
      learnMoments(state, value, isAnomalous ? memory / haste : memory);
    },
    restart(state) {
      state.up = 0;
      state.down = 0;
    },
  };
}

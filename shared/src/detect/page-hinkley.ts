/**
 * Changes of level as events: it says once that the level has changed, and begins anew on the new one.
 *
 *     x      ~~~~~~~~~~~~╱▔▔▔~▔▔~▔▔~▔▔~▔
 *     test   ____________╱│ change point      m ← m + z − slack;  test = m − the least m so far
 *     mean   ─────────────╯ new mean from here on
 *
 * z = (x − mean) / deviation, at most 4, with the mean of all readings since the last change. For
 * thirty readings after a change it only learns. In a frozen reference the mean stays, and the test
 * says so again each time it is reached.
 * Source: Page 1954; Hinkley, "Inference about the change-point from cumulative sum tests",
 * Biometrika 1971. Limit and slack count deviations. State: eleven numbers.
 */
import { z } from "zod";
import { fieldsCodec } from "./codec.ts";
import { about, inWords } from "./detector.ts";
import type { Learner } from "./learner.ts";
import { scoreOf } from "./learner.ts";
import type { Moments } from "./moments.ts";
import { deviationOf, freshMoments, learnMoments } from "./moments.ts";

export const pageHinkleyParameters = {
  limit: z.number().min(1).max(10_000).default(30),
  slack: z.number().min(0).max(10).default(0.25),
};

export interface PageHinkleySettings {
  readonly limit: number;
  readonly slack: number;
}

const countedMax = 4;
const young = 30;

export interface PageHinkleyState extends Moments {
  up: number;
  upLeast: number;
  down: number;
  downLeast: number;
  before: number;
  isUp: number;
}

export function pageHinkleyLearner(settings: PageHinkleySettings): Learner<PageHinkleyState> {
  const { limit, slack } = settings;
  const restart = (state: PageHinkleyState): void => {
    state.up = 0;
    state.upLeast = 0;
    state.down = 0;
    state.downLeast = 0;
  };
  return {
    ...fieldsCodec<PageHinkleyState>("hinkley1", () => ({
      ...freshMoments(),
      ...{ up: 0, upLeast: 0, down: 0, downLeast: 0, before: 0, isUp: 0 },
    })),
    judge(state, value) {
      if (state.readings < young) return 0;
      const deviations = (value - state.mean) / deviationOf(state);
      const z = Math.min(countedMax, Math.max(-countedMax, deviations));
      state.up += z - slack;
      state.upLeast = Math.min(state.upLeast, state.up);
      state.down += -z - slack;
      state.downLeast = Math.min(state.downLeast, state.down);
      const [rise, fall] = [state.up - state.upLeast, state.down - state.downLeast];
      const score = scoreOf(Math.max(rise, fall), limit);
      if (Math.max(rise, fall) < limit) return score;
      state.before = state.mean;
      state.isUp = rise > fall ? 1 : 0;
      restart(state);
      return score;
    },
    reason(state, value) {
      const way = state.isUp === 1 ? "up" : "down";
      return `the level has gone ${way} from ${inWords(state.before)}, now ${inWords(value)}`;
    },
    expected: (state) => about(state.before, deviationOf(state)),
    learn(state, value, _timeMs, isAnomalous) {
      if (isAnomalous) Object.assign(state, freshMoments());
      learnMoments(state, value, Infinity);
    },
    restart,
  };
}

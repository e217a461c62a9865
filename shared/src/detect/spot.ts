/**
 * Values so extreme that chance would bring them once in 1/risk readings; the risk is the one knob.
 *
 *     ──────────╷──────────╷──── P(beyond) = risk: anomalous        both sides have a tail of
 *     ┄┄┄┄┄┄┄┄┄┄│┄┄┄┄┄┄┄┄┄┄│┄┄┄┄ threshold, 1 in 50            their own, see tail.ts
 *     ~~~~~~~~~~~~~~~~~~~~~~~~~~
 *
 * With `drift` readings (DSPOT) the value is first taken from the mean of about as many before it,
 * so a level that wanders is left in peace. Anomalous readings do not teach.
 * Source: Siffer et al., KDD 2017. Risk: probability a reading, so 1e-4 at one a minute is about one
 * false alarm a week where readings are independent. State: 15 numbers.
 */
import { z } from "zod";
import { pack, unpack } from "./codec.ts";
import { inWords } from "./detector.ts";
import type { Learner } from "./learner.ts";
import { scoreOf } from "./learner.ts";
import { ln } from "./logarithm.ts";
import type { Tail } from "./tail.ts";
import { freshTail, learnTail, numbersOf, rarityOf, tailNumbers, tailOf } from "./tail.ts";

export const spotParameters = {
  /** Probability of a false alarm, for each reading. */
  risk: z.number().min(1e-12).max(0.01).default(1e-4),
  /** Readings over which the tails are fitted. */
  memory: z.int().min(100).max(1_000_000).default(20_000),
};

export const dspotParameters = {
  ...spotParameters,
  /** Readings over which the drifting level is averaged. */
  drift: z.int().min(2).max(100_000).default(20),
};

export interface SpotSettings {
  readonly risk: number;
  readonly memory: number;
  readonly drift?: number | undefined;
}

export interface SpotState {
  isBegun: number;
  level: number;
  spread: number;
  readonly high: Tail;
  readonly low: Tail;
}

const taughtMax = 20;

export function spotLearner({ risk, memory, drift }: SpotSettings): Learner<SpotState> {
  const limit = -ln(risk);
  const gain = drift === undefined ? 0 : 2 / (drift + 1);
  const sizeOf = (state: SpotState, value: number) =>
    drift === undefined ? value : value - state.level;
  const rarity = (state: SpotState, size: number) =>
    Math.max(rarityOf(state.high, size), rarityOf(state.low, -size));
  const follow = (state: SpotState, value: number, isAnomalous: boolean): void => {
    const isFirst = state.isBegun === 0;
    state.isBegun = 1;
    if (isFirst) state.level = value;
    const off = value - state.level;
    state.spread += (gain / 4) * (Math.min(Math.abs(off), 1e150) - state.spread);
    const most = isAnomalous ? state.spread : taughtMax * Math.max(state.spread, 1e-150);
    state.level += gain * (isAnomalous ? Math.min(most, Math.max(-most, off)) : off);
  };
  return {
    initial: () => ({ isBegun: 0, level: 0, spread: 0, high: freshTail(), low: freshTail() }),
    judge: (state, value) => scoreOf(rarity(state, sizeOf(state, value)), limit),
    reason(state, value) {
      const size = sizeOf(state, value);
      const isHigh = rarityOf(state.high, size) >= rarityOf(state.low, -size);
      const tail = isHigh ? state.high : state.low;
      const bound = (isHigh ? tail.threshold : -tail.threshold) + (value - size);
      const side = isHigh ? "above" : "below";
      const far = `${inWords(Math.abs(value - bound))} ${side}`;
      return `${inWords(value)} is ${far} ${inWords(bound)}, which 1 reading in 50 is beyond`;
    },
    expected(state, value) {
      const level = value - sizeOf(state, value);
      return { low: level - state.low.threshold, high: level + state.high.threshold };
    },
    learn(state, value, _timeMs, isAnomalous) {
      const size = drift !== undefined && state.isBegun === 0 ? 0 : sizeOf(state, value);
      if (!isAnomalous) {
        learnTail(state.high, size, memory);
        learnTail(state.low, -size, memory);
      }
      if (drift !== undefined) follow(state, value, isAnomalous);
    },
    restart: () => {},
    encode: ({ isBegun, level, spread, high, low }) =>
      pack("spot1", [isBegun, level, spread, ...numbersOf(high), ...numbersOf(low)]),
    decode(json) {
      const found = unpack("spot1", json, { numbers: 3 + 2 * tailNumbers });
      if (found === undefined) return undefined;
      const [isBegun = 0, level = 0, spread = 0, ...tails] = found.numbers;
      const [high, low] = [tails.slice(0, tailNumbers), tails.slice(tailNumbers)];
      return { isBegun, level, spread, high: tailOf(high), low: tailOf(low) };
    },
  };
}

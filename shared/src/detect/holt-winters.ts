/**
 * What is usual at this hour of this day: level, a profile of the day and one of the week.
 *
 *     expected =  level  +  day[half hour]  +  week[day]        ╭─╮  ╭─╮  ╭─╮  ╭─╮        ╭─╮
 *                 days      48 bins            7 bins        ───╯ ╰──╯ ╰──╯ ╰──╯ ╰────────╯ ╰──
 *     residual = x − expected, in units of its own usual size                      ▲ no peak today
 *
 * Each part learns in time, not in readings, so the interval may be irregular: level over `memory`,
 * a bin over about three of its visits (wholly at its first), the days of the week over about four
 * weeks. Residuals of more than four spreads teach as if they were four. The first `warmUp`
 * readings should cover a day.
 * Source: Holt 1957, Winters 1960, additive; bins in UTC. Limit: spreads (mean absolute residuals).
 * State: 55 floats and 7 numbers.
 */
import { z } from "zod";
import { durationSchema } from "../rules/duration.ts";
import { pack, unpack } from "./codec.ts";
import { dayBinOf, dayBins, dayMs, halfHourMs } from "./day-profile.ts";
import { about, inWords } from "./detector.ts";
import type { Learner } from "./learner.ts";
import { scoreOf } from "./learner.ts";

export const holtWintersParameters = {
  /** Spreads; less finds more and alarms more often. */
  limit: z.number().min(1).max(1_000).default(8),
  /** Over which the level is averaged. */
  memory: durationSchema.refine((ms) => ms > 0, "more than 0s").prefault("3d"),
};

export interface HoltWintersSettings {
  readonly limit: number;
  readonly memory: number;
}

const weekBins = 7;
const bins = dayBins + weekBins;
const binVisits = 3;
const weekVisits = 4;
const taughtSpreadsMax = 4;
const spreadGain = 1 / 200;
const young = 50;
const spreadShareMin = 1e-4;
/** A float holds no more. */
const floatMax = 1e38;

export interface HoltWintersState {
  readings: number;
  firstMs: number;
  lastMs: number;
  level: number;
  spread: number;
  expected: number;
  residual: number;
  readonly profile: Float32Array;
}

export function holtWintersLearner(settings: HoltWintersSettings): Learner<HoltWintersState> {
  const { limit, memory } = settings;
  const spreadOf = ({ spread, expected }: HoltWintersState): number =>
    Math.max(spread, spreadShareMin * Math.abs(expected), 1e-300);
  return {
    initial: () => ({
      ...{ readings: 0, firstMs: 0, lastMs: 0, level: 0, spread: 0, expected: 0, residual: 0 },
      profile: new Float32Array(bins),
    }),
    judge(state, value, timeMs) {
      expect(state, value, timeMs);
      return scoreOf(Math.abs(state.residual) / spreadOf(state), limit);
    },
    reason(state, value) {
      const side = state.residual > 0 ? "above" : "below";
      const far = inWords(Math.abs(state.residual));
      const spread = inWords(spreadOf(state));
      const usual = `${inWords(state.expected)} ± ${spread}`;
      return `${inWords(value)} is ${far} ${side} what is usual at this hour, ${usual}`;
    },
    expected: (state) => about(state.expected, limit * spreadOf(state)),
    learn(state, value, timeMs) {
      expect(state, value, timeMs);
      const sinceMs = state.readings === 0 ? 0 : Math.max(0, timeMs - state.lastMs);
      if (state.readings === 0) state.firstMs = timeMs;
      state.lastMs = Math.max(state.lastMs, timeMs);
      state.readings += 1;
      const most = state.readings < young ? Infinity : taughtSpreadsMax * spreadOf(state);
      const taught = Math.min(most, Math.max(-most, state.residual));
      const youngGain = state.readings < young ? 1 / state.readings : 0;
      state.level += Math.max(youngGain, sinceMs / (sinceMs + memory)) * taught;
      const size = Math.min(Math.abs(state.residual), most) - state.spread;
      state.spread += Math.max(1 / state.readings, spreadGain) * size;
      if (state.readings < young) return;
      teach(state, dayBinOf(timeMs), taught * dayGain(state, sinceMs, timeMs));
      teach(state, weekBinOf(timeMs), taught * share(sinceMs, dayMs, weekVisits));
    },
    restart: () => {},
    encode({ readings, firstMs, lastMs, level, spread, expected, residual, profile }) {
      return pack(
        "seasons1",
        [readings, firstMs, lastMs, level, spread, expected, residual],
        profile,
      );
    },
    decode(json) {
      const found = unpack("seasons1", json, { numbers: 7, floats: bins });
      if (found === undefined) return undefined;
      const [
        readings = 0,
        firstMs = 0,
        lastMs = 0,
        level = 0,
        spread = 0,
        expected = 0,
        residual = 0,
      ] = found.numbers;
      return {
        readings,
        firstMs,
        lastMs,
        level,
        spread,
        expected,
        residual,
        profile: found.floats,
      };
    },
  };
}

function expect(state: HoltWintersState, value: number, timeMs: number): void {
  const day = state.profile[dayBinOf(timeMs)] ?? 0;
  const week = state.profile[weekBinOf(timeMs)] ?? 0;
  state.expected = state.level + day + week;
  state.residual = value - state.expected;
}

function teach({ profile }: HoltWintersState, bin: number, amount: number): void {
  const taught = (profile[bin] ?? 0) + amount;
  profile[bin] = Math.min(floatMax, Math.max(-floatMax, taught));
}

/** A visit of a whole bin teaches 1/visits, whatever the number of readings in it. */
function share(sinceMs: number, binMs: number, visits: number): number {
  return Math.min(sinceMs, binMs) / binMs / visits;
}

/** On the first day a bin becomes the mean of its readings. */
function dayGain({ firstMs }: HoltWintersState, sinceMs: number, timeMs: number): number {
  if (timeMs - firstMs >= dayMs) return share(sinceMs, halfHourMs, binVisits);
  const passedMs = timeMs - halfHourMs * Math.floor(timeMs / halfHourMs);
  return sinceMs / (passedMs + sinceMs + 1);
}

function weekBinOf(timeMs: number): number {
  const day = Math.floor(timeMs / dayMs);
  return dayBins + day - weekBins * Math.floor(day / weekBins);
}

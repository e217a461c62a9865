/**
 * Fixed limits in the manner of ISA-18.2 / IEC 62682: four levels, each with a deadband.
 *
 *     HIHI ───────────────────────╮  critical above
 *       HI ─────────╭╌╌╌╌╌╌╌╌╌╌╌╌╌│╌╌╌╌╮       above: anomalous
 *      HI − h       │             ╰────│──╮    not yet `hysteresis` below: still anomalous
 *                ───╯ normal           ╰──┴─── normal
 *       LO, LOLO    the same, upside down
 *
 * A level is entered when the value is beyond its limit, and left when the value is back by the
 * hysteresis. How long it must last (on and off delay) is the rule's `for` and `keepFiringFor`.
 * All numbers are in the unit of the metric. State: one small integer.
 */
import { z } from "zod";
import type { Detector, Verdict } from "./detector.ts";
import { inWords, normal } from "./detector.ts";

export const limitsParameters = {
  hihi: z.number().optional(),
  hi: z.number().optional(),
  lo: z.number().optional(),
  lolo: z.number().optional(),
  hysteresis: z.number().min(0).default(0),
};

export interface LimitsSettings {
  readonly hihi?: number | undefined;
  readonly hi?: number | undefined;
  readonly lo?: number | undefined;
  readonly lolo?: number | undefined;
  readonly hysteresis: number;
}

export interface LimitsFault {
  readonly parameter: keyof LimitsSettings;
  readonly message: string;
}

/** What makes these limits senseless together; undefined where nothing does. */
export function faultOfLimits(settings: LimitsSettings): LimitsFault | undefined {
  const { hihi, hi, lo, lolo, hysteresis } = settings;
  const [high, low] = [hi ?? hihi, lo ?? lolo];
  if (high === undefined && low === undefined) {
    return { parameter: "hi", message: "give at least one of hihi, hi, lo, lolo" };
  }
  if (hihi !== undefined && hi !== undefined && hihi <= hi) {
    return { parameter: "hihi", message: `${hihi} must be above hi (${hi})` };
  }
  if (lolo !== undefined && lo !== undefined && lolo >= lo) {
    return { parameter: "lolo", message: `${lolo} must be below lo (${lo})` };
  }
  if (high === undefined || low === undefined) return undefined;
  if (low >= high) {
    const parameter = lo === undefined ? "lolo" : "lo";
    return { parameter, message: `${low} must be below the upper limit ${high}` };
  }
  if (hysteresis < high - low) return undefined;
  return {
    parameter: "hysteresis",
    message: `${hysteresis} leaves no way back to normal: it must be below ${inWords(high - low)}`,
  };
}

/** 0 is normal; sign = side, 2 = beyond the outer limit. */
type Level = -2 | -1 | 0 | 1 | 2;
const levels: readonly Level[] = [-2, -1, 0, 1, 2];
const names: Readonly<Record<Level, string>> = {
  [-2]: "LOLO",
  [-1]: "LO",
  0: "",
  1: "HI",
  2: "HIHI",
};

export interface LimitsState {
  level: Level;
}

/** Settings are those of which `faultOfLimits` finds none. */
export function limitsDetector(settings: LimitsSettings): Detector<LimitsState> {
  const { hysteresis, hihi = Infinity, hi = Infinity, lo = -Infinity, lolo = -Infinity } = settings;
  const limits: Readonly<Record<Level, number>> = { [-2]: lolo, [-1]: lo, 0: 0, 1: hi, 2: hihi };
  const levelOf = (before: Level, value: number): Level => {
    if (value > (before === 2 ? hihi - hysteresis : hihi)) return 2;
    if (value > (before > 0 ? hi - hysteresis : hi)) return 1;
    if (value < (before === -2 ? lolo + hysteresis : lolo)) return -2;
    if (value < (before < 0 ? lo + hysteresis : lo)) return -1;
    return 0;
  };
  const expected = { low: settings.lo ?? settings.lolo, high: settings.hi ?? settings.hihi };
  const verdict = (level: Level, value: number): Verdict => {
    if (level === 0) return normal;
    const limit = limits[level];
    const isBeyond = level > 0 ? value > limit : value < limit;
    const side = level > 0 ? "above" : "below";
    const where = isBeyond ? side : `not yet ${hysteresis} back from`;
    const reason = `${value} is ${where} the ${names[level]} limit ${limit}`;
    return { kind: "anomalous", score: Math.abs(level) / 2, reason, expected };
  };
  return {
    initial: () => ({ level: 0 }),
    observe(state, value) {
      state.level = levelOf(state.level, value);
      return verdict(state.level, value);
    },
    score: ({ level }) => Math.abs(level) / 2,
    encode: (state) => state.level,
    decode(json) {
      const level = levels.find((known) => known === json);
      return level === undefined ? undefined : { level };
    },
  };
}

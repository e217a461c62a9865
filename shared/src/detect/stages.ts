/**
 * Stages that stand before or behind any detector, each a detector itself, so that they compose.
 *
 *     ofCounter       12 14 15 2 4    ──>   ·  2/s 1/s ·  2/s     a counter's pace; a reset is no fall
 *     peakHold        ▁▁▆▅▃▂▁▂█▇▂▁    ──>   ▁▁▆▁▁▁▁▁█▁▁▁          a peak only, then only a higher one
 *     hysteresis      ▁▁▆▅▃▂▁▂█▇▂▁    ──>   ▁▁▆▆▆▁▁▁█▇▁▁          anomalous until it is well back
 *
 * How long it must last is the rule's `for`; warm-up and reference are in learner.ts. The peak hold
 * is an alarm cool-down without a threshold. State: that of the detector inside and one to three
 * numbers.
 */
import { z } from "zod";
import { pack, unpack } from "./codec.ts";
import type { Detector, Verdict } from "./detector.ts";
import { inWords, normal } from "./detector.ts";
import { scoreOf } from "./learner.ts";

interface Staged<State> {
  readonly inner: State;
  readonly own: number[];
}

type Step<State> = (
  detector: Detector<State>,
  state: Staged<State>,
  value: number,
  timeMs: number,
) => Verdict;

/** `fresh` are the stage's own numbers before the first reading. */
function stage<State>(
  tag: string,
  detector: Detector<State>,
  fresh: readonly number[],
  step: Step<State>,
): Detector<Staged<State>> {
  return {
    initial: () => ({ inner: detector.initial(), own: [...fresh] }),
    observe: (state, value, timeMs) => step(detector, state, value, timeMs),
    score: ({ inner }) => detector.score?.(inner) ?? 0,
    encode: ({ inner, own }) => [pack(tag, own), detector.encode(inner)],
    decode(json) {
      if (!Array.isArray(json)) return undefined;
      const found = unpack(tag, json[0], { numbers: fresh.length });
      const inner = detector.decode(json[1]);
      if (found === undefined || inner === undefined) return undefined;
      return { inner, own: [...found.numbers] };
    },
  };
}

const second = 1_000;
const counterBegins: Verdict = { kind: "unknown", reason: "a counter begins" };

/** The detector sees how much a counter grows in a second, and nothing of its resets. */
export function ofCounter<State>(detector: Detector<State>): Detector<Staged<State>> {
  return stage("counter1", detector, [0, 0, 0], (inside, state, value, timeMs) => {
    const [hasLast = 0, last = 0, lastMs = 0] = state.own;
    const sinceMs = timeMs - lastMs;
    if (hasLast === 1 && sinceMs <= 0) return normal;
    state.own[0] = 1;
    state.own[1] = value;
    state.own[2] = timeMs;
    if (hasLast === 0 || value < last) return counterBegins;
    const pace = Math.min(Number.MAX_VALUE, ((value - last) * second) / sinceMs);
    return inside.observe(state.inner, pace, timeMs);
  });
}

export const clearParameters = {
  /** Share of the limit below which what was anomalous is normal again. */
  clear: z.number().gt(0).max(1).optional(),
};

export interface ClearSettings {
  readonly clear?: number | undefined;
}

/**
 * What has been anomalous is so until it is below `clear` limits; readings between teach as normal
 * ones do. For detectors whose score is that of a size (`scoreOf`).
 */
export function hysteresis<State>(
  detector: Detector<State>,
  clear: number,
): Detector<Staged<State>> {
  const least = scoreOf(clear, 1);
  return stage("clear1", detector, [0], (inside, state, value, timeMs) => {
    const verdict = inside.observe(state.inner, value, timeMs);
    if (verdict.kind === "unknown") return verdict;
    const score = inside.score?.(state.inner) ?? 0;
    const isKept = verdict.kind === "normal" && state.own[0] === 1 && score >= least;
    state.own[0] = verdict.kind === "anomalous" || isKept ? 1 : 0;
    return isKept ? notYetBack(value, score, clear) : verdict;
  });
}

export function notYetBack(value: number, score: number, clear: number): Verdict {
  const share = inWords(score / (1 - score));
  const reason = `${inWords(value)} is at ${share} of the limit, and normal again below ${clear}`;
  return { kind: "anomalous", score, reason };
}

/** For `holdReadings` after an anomalous reading only a higher score is anomalous. */
export function peakHold<State>(
  detector: Detector<State>,
  holdReadings: number,
): Detector<Staged<State>> {
  return stage("hold1", detector, [0, 0], (inside, state, value, timeMs) => {
    const verdict = inside.observe(state.inner, value, timeMs);
    const [left = 0, peak = 0] = state.own;
    state.own[0] = Math.max(0, left - 1);
    if (verdict.kind !== "anomalous" || (left > 0 && verdict.score <= peak)) {
      return verdict.kind === "anomalous" ? normal : verdict;
    }
    state.own[0] = holdReadings;
    state.own[1] = verdict.score;
    return verdict;
  });
}

/**
 * The detector for a series of which nothing is known: six views of it, each asked the same two
 * questions, and the mean of the answers.
 *
 *     views     value        ~~~~~~~~~~~|~     smooth      ───────╱──     hour       off what is usual
 *               stray        off the mean      leap        ____|_____     hours      at this half hour
 *     new       ┄┄┄most┄┄┄┄┄│┄┄┄┄┄┄┄┄┄┄┄┄     how far beyond all so far, as a share of the span
 *     rare      ▇▅▃▂▁▁___│_____________     how much rarer than 1 in 400, by its own tail (tail.ts)
 *     evidence = mean of new over the six + 0.007 · mean of rare over three of them
 *
 * A series that has never fallen is a counter: its level and hours say nothing, only its leaps and
 * strays do, and its reset is none. A value that has stayed the same ten times longer than ever is
 * stuck; a level that goes beyond its range by 0.3 spans in `hold` readings is a climb, however
 * small its steps. After a pause in time only a leap is forgiven. A verdict needs (1 + 1000/readings + 12 h/age)
 * limits.
 *
 * Both questions are put to the series' own history, so the evidence means the same on every
 * series, whatever its unit, noise or level; the mean over views needs several to agree before a
 * small one counts. A peak is told once, and again only if a higher one follows while it decays
 * (time constant `hold` readings); so long it stays anomalous.
 *
 * Ranges forget 1/50,000 of their span a reading, tails remember 5,000 readings, the day's profile
 * about eight days. `slow`: ranges and tails learn from one reading in ten. `frozen`: they learn
 * nothing after the warm-up, and only the smooth view is asked how far its level has left the
 * range, in spans: a fault that stays remains anomalous until the level is back.
 *
 * Sources: records (Rényi 1962), SPOT's tails (Siffer et al., KDD 2017), the mean of weak detectors
 * (Aggarwal & Sathe, "Outlier Ensembles", 2017). Chosen on part of the Numenta Anomaly Benchmark:
 * docs/detectors.md. Value in the metric's unit, `limit` a share of spans. State: 68 doubles and 48
 * floats.
 */
import { z } from "zod";
import { pack, unpack } from "./codec.ts";
import type { DayProfile } from "./day-profile.ts";
import { dayBins, dayMs, expectedAt, freshProfile, learnHour } from "./day-profile.ts";
import type { Detector, Verdict } from "./detector.ts";
import { inWords, normal } from "./detector.ts";
import type { LearnerSettings, Pace } from "./learner.ts";
import { mayTeach, notePace, scoreOf } from "./learner.ts";
import type { Tail } from "./tail.ts";
import { freshTail, learnTail, numbersOf, rarityOf, tailNumbers, tailOf } from "./tail.ts";

export const autoParameters = {
  /** Evidence; less finds more and alarms more often. */
  limit: z.number().min(0.001).max(100).default(0.08),
  /** Spans that a frozen reference may be left by. */
  frozenLimit: z.number().min(0.01).max(1_000).default(1.6),
  /** Readings in which a peak decays to a third. */
  hold: z.int().min(1).max(1_000_000).default(60),
};

export interface AutoSettings extends LearnerSettings {
  readonly limit: number;
  readonly frozenLimit: number;
  readonly hold: number;
}

const views = 6;
const [valueView, smoothView, strayView, hourView, hoursView, leapView] = [0, 1, 2, 3, 4, 5];
const [stuckView, climbView] = [6, 7];
const smoothGain = 0.05;
const meanGain = 0.01;
const hoursGain = 0.1;
/** Memories in readings, and at least in time: a fast series must not forget its days. */
const rangeReadings = 50_000;
const rangeMs = 60 * dayMs;
const tailReadings = 5_000;
const tailMs = dayMs;
const tails = 3;
const tailReadingsMin = 50;
/** −ln of the probability that is still usual: about 1 in 400. */
const usualRarity = 6;
const rarityWeight = 0.007;
/** What is rare but not new is not enough for a verdict by itself. */
const rarityEvidenceMax = 0.05;
/** A verdict needs more while readings are few or hours are new: a young range is soon left. */
const youthReadings = 1_000;
const youthMs = dayMs / 2;
/** A level that has gone beyond its range by so many spans within about `hold` readings. */
const climbSpans = 0.3;
/** A value that stays the same so many times longer than ever, and so long at least, is stuck. */
const stuckTimes = 10;
const stuckReadingsMin = 60;
/** A value so far out of its range is the reason, whatever the views say. */
const toldNoveltyMin = 0.05;
/** A span is at least this share of the value: less is rounding. */
const spanShareMin = 1e-4;
/** Numbers outside the range that can still be squared and summed. */
const valueMax = 1e150;
const noveltyMax = 1e6;

export interface AutoState extends Pace {
  smooth: number;
  mean: number;
  hours: number;
  last: number;
  /** What is left of the last peak. */
  peak: number;
  /** Spans by which the smooth view has left its range of late. */
  gained: number;
  /** Readings that are anomalous still. */
  held: number;
  score: number;
  /** Of the last peak, for its reason: the view, the reading, and how far it was beyond. */
  view: number;
  told: number;
  beyond: number;
  /** Readings in a row with the same value, and the most so far. */
  same: number;
  sameMost: number;
  /** The six views of the last reading; not stored, as every reading fills them. */
  readonly seen: Float64Array;
  readonly least: Float64Array;
  readonly most: Float64Array;
  /** Of the distance from the smooth view, from the mean, from the hour; upwards and downwards. */
  readonly tails: readonly Tail[];
  readonly day: DayProfile;
}

const warmingUp: Verdict = { kind: "unknown", reason: "warming up" };

export function autoDetector(settings: AutoSettings): Detector<AutoState> {
  const { limit, frozenLimit, hold, warmUp, reference } = settings;
  const isFrozen = reference === "frozen";
  const decay = 1 - 1 / hold;

  /** As a peak: what is not higher than what is left of the last one is no news. */
  function judge(state: AutoState, value: number): void {
    const doubt = doubtOf(state);
    state.gained = decay * state.gained + noveltyOf(state, smoothView);
    const isClimb = state.held === 0 && state.gained >= climbSpans * doubt;
    const least = isClimb ? limit * doubt : limit * stuckTimesOf(state);
    const evidence = Math.max(evidenceOf(state), least);
    state.peak *= decay;
    state.held = Math.max(0, state.held - 1);
    state.score = 0;
    if (evidence <= state.peak) return;
    state.peak = evidence;
    state.score = scoreOf(evidence, limit);
    if (evidence < limit * doubt) return;
    state.held = hold;
    note(state, value);
    if (isClimb && evidence === least) state.view = climbView;
  }

  /** As a state: out of the range it has learned, for as long as it is. */
  function judgeFrozen(state: AutoState, value: number): void {
    state.score = scoreOf(noveltyOf(state, smoothView), frozenLimit);
    state.held = state.score >= 0.5 ? 1 : 0;
    state.view = smoothView;
    state.beyond = distanceBeyond(state, smoothView);
    state.told = value;
  }

  return {
    initial: fresh,
    observe(state, given, timeMs) {
      const value = Math.min(valueMax, Math.max(-valueMax, given));
      const isPause = notePace(state, timeMs);
      if (isReset(state, value)) beginAnew(state, value);
      else if (isPause) restart(state, value);
      look(state, value, timeMs);
      if (state.readings <= warmUp) {
        learn(state, false);
        return warmingUp;
      }
      if (isFrozen) judgeFrozen(state, value);
      else judge(state, value);
      const score = Math.max(state.score, 0.5);
      const verdict: Verdict =
        state.held > 0
          ? { kind: "anomalous", score, reason: reasonOf(state), expected: typicalOf(state) }
          : normal;
      if (mayTeach(reference, state.readings)) learn(state, true);
      return verdict;
    },
    score: (state) => state.score,
    expected: typicalOf,
    encode,
    decode,
  };
}

function fresh(): AutoState {
  return {
    ...{ readings: 0, lastMs: 0, intervalMs: 0 },
    ...{ smooth: 0, mean: 0, hours: 0, last: 0 },
    ...{ peak: 0, gained: 0, held: 0, score: 0, view: 0, told: 0, beyond: 0, same: 0, sameMost: 0 },
    seen: new Float64Array(views),
    least: new Float64Array(views),
    most: new Float64Array(views),
    tails: Array.from({ length: 2 * tails }, freshTail),
    day: freshProfile(),
  };
}

/** In limits: 1 when old. */
function doubtOf({ readings, day }: AutoState): number {
  const ageMs = Math.max(1, day.lastMs - day.firstMs);
  return 1 + youthReadings / readings + youthMs / ageMs;
}

/** After a pause the level may be another, and that is for the ranges to say, not for a leap. */
function restart(state: AutoState, value: number): void {
  state.last = value;
  state.hours = 0;
}

/** A counter that begins again near 0. */
function isReset(state: AutoState, value: number): boolean {
  return isCounting(state) && value >= 0 && value < state.last / 2;
}

/** Its levels go down with the counter, so that its pace goes on. */
function beginAnew(state: AutoState, value: number): void {
  state.mean += value - state.last;
  state.smooth += value - state.last;
  state.last = value;
}

/** Fills the six views. */
function look(state: AutoState, value: number, timeMs: number): void {
  const { seen, readings } = state;
  if (readings === 1) {
    state.last = value;
    state.smooth = value;
    state.mean = value;
  }
  const young = 1 / readings;
  seen[hourView] = value - expectedAt(state.day, timeMs, value);
  learnHour(state.day, timeMs, value);
  const stray = value - state.mean;
  state.mean += Math.max(meanGain, young) * stray;
  seen[valueView] = value;
  seen[strayView] = stray;
  seen[leapView] = value - state.last;
  noteSame(state, value);
  state.last = value;
  state.smooth += Math.max(smoothGain, young) * (value - state.smooth);
  seen[smoothView] = state.smooth;
  state.hours += hoursGain * ((seen[hourView] ?? 0) - state.hours);
  seen[hoursView] = state.hours;
}

function noteSame(state: AutoState, value: number): void {
  if (value === state.last) {
    state.same += 1;
    return;
  }
  state.sameMost = Math.max(state.sameMost, state.same);
  state.same = 0;
}

/** From 1 on the value is stuck; 0 while it is not. */
function stuckTimesOf({ same, sameMost, least, most }: AutoState): number {
  const times = same / Math.max(stuckReadingsMin, stuckTimes * sameMost);
  const hasLived = (most[leapView] ?? 0) > (least[leapView] ?? 0);
  return times >= 1 && hasLived ? times : 0;
}

function distanceBeyond({ seen, least, most }: AutoState, view: number): number {
  const now = seen[view] ?? 0;
  return Math.max(now - (most[view] ?? 0), (least[view] ?? 0) - now, 0);
}

/** In spans of all that the view has shown. */
function noveltyOf(state: AutoState, view: number): number {
  const beyond = distanceBeyond(state, view);
  if (beyond === 0) return 0;
  const { least, most } = state;
  const span = (most[view] ?? 0) - (least[view] ?? 0);
  if (span === 0) return 0;
  const share = spanShareMin * Math.max(Math.abs(state.last), Math.abs(state.mean));
  return Math.min(noveltyMax, beyond / Math.max(span, share));
}

function evidenceOf(state: AutoState): number {
  const isCounter = isCounting(state);
  let novelty = 0;
  for (let view = 0; view < views; view++) {
    if (!isCounter || view === strayView || view === leapView) novelty += noveltyOf(state, view);
  }
  let rarity = 0;
  for (let tail = 0; tail < (isCounter ? tails - 1 : tails); tail++)
    rarity += rarityIn(state, tail);
  return novelty / views + Math.min(rarityEvidenceMax, (rarityWeight * rarity) / tails);
}

/** It has never fallen: its level says nothing, its pace does. */
function isCounting({ least, most }: AutoState): boolean {
  return (least[leapView] ?? 0) >= 0 && (most[leapView] ?? 0) > 0;
}

function rarityIn(state: AutoState, tail: number): number {
  const [up, down] = [state.tails[2 * tail], state.tails[2 * tail + 1]];
  if (up === undefined || down === undefined || up.readings < tailReadingsMin) return 0;
  const size = sizeOf(state, tail);
  const rarity = Math.max(rarityOf(up, size), rarityOf(down, -size));
  return Math.max(0, rarity - usualRarity);
}

function sizeOf({ seen, last, smooth }: AutoState, tail: number): number {
  if (tail === 0) return last - smooth;
  return seen[tail === 1 ? strayView : hourView] ?? 0;
}

function learn(state: AutoState, isWarm: boolean): void {
  const { seen, least, most, intervalMs } = state;
  const intervals = 1 / Math.max(1, intervalMs);
  const forgets = isWarm ? 1 / Math.max(rangeReadings, rangeMs * intervals) : 0;
  const memory = Math.max(tailReadings, tailMs * intervals);
  for (let view = 0; view < views; view++) {
    const now = seen[view] ?? 0;
    let [low, high] = [least[view] ?? 0, most[view] ?? 0];
    const forgotten = forgets * (high - low);
    low += forgotten;
    high -= forgotten;
    least[view] = state.readings === 1 || now < low ? now : low;
    most[view] = state.readings === 1 || now > high ? now : high;
  }
  for (let tail = 0; tail < tails; tail++) {
    const size = sizeOf(state, tail);
    const [up, down] = [state.tails[2 * tail], state.tails[2 * tail + 1]];
    if (up !== undefined) learnTail(up, size, memory);
    if (down !== undefined) learnTail(down, -size, memory);
  }
}

/** Which view showed the most that is new. */
function note(state: AutoState, value: number): void {
  state.told = value;
  state.beyond = state.same;
  state.view = stuckView;
  if (stuckTimesOf(state) > 0) return;
  let [chosen, novelty] = [strayView, 0];
  for (let view = 0; view < views; view++) {
    const found = noveltyOf(state, view);
    if (found > novelty) [chosen, novelty] = [view, found];
  }
  // A value that was never there says more than any view of it.
  if (noveltyOf(state, valueView) >= toldNoveltyMin && !isCounting(state)) chosen = valueView;
  state.view = chosen;
  const now = state.seen[chosen] ?? 0;
  const isAbove = now > ((state.least[chosen] ?? 0) + (state.most[chosen] ?? 0)) / 2;
  state.beyond = distanceBeyond(state, chosen) * (isAbove ? 1 : -1);
}

function reasonOf(state: AutoState): string {
  const { view, beyond, told } = state;
  const value = inWords(told);
  const far = `${inWords(Math.abs(beyond))} ${beyond < 0 ? "below" : "above"}`;
  const typical = typicalText(state);
  switch (view) {
    case valueView:
      return `${value} is ${far} anything before; ${typical}`;
    case smoothView:
      return `${value}: the level of the last 20 readings is ${far} any before; ${typical}`;
    case hourView:
      return `${value} is farther from what is usual at this hour than ever; ${typical}`;
    case hoursView:
      return `${value}: readings stay off what is usual at this hour as never before; ${typical}`;
    case leapView:
      return `${value}: a leap as never before between two readings; ${typical}`;
    case climbView:
      return `${value}: the level has gone beyond its range, and farther still; ${typical}`;
    case stuckView:
      return `stuck: exactly ${value} for ${beyond} readings, at most ${state.sameMost} before`;
    default:
      return `${value} is farther from the usual level than it should be; ${typical}`;
  }
}

function typicalOf({ mean, tails: all }: AutoState): { low: number; high: number } {
  const [up, down] = [all[2], all[3]];
  return {
    low: mean - Math.max(0, down?.threshold ?? 0),
    high: mean + Math.max(0, up?.threshold ?? 0),
  };
}

function typicalText(state: AutoState): string {
  const { low, high } = typicalOf(state);
  return `typical ${inWords(low)} to ${inWords(high)}`;
}

const tag = "auto1";
const scalars = 20;
const doubles = scalars + 2 * views + 2 * tails * tailNumbers;

function encode(state: AutoState): unknown {
  const { day } = state;
  const numbers = [
    ...[state.readings, state.lastMs, state.intervalMs],
    ...[state.smooth, state.mean, state.hours, state.last],
    ...[state.peak, state.held, state.score, state.view, state.told, state.beyond],
    ...[state.same, state.sameMost, state.gained],
    ...[day.firstMs, day.lastMs, day.seenEarly, day.seenLate],
    ...state.least,
    ...state.most,
    ...state.tails.flatMap(numbersOf),
  ];
  return pack(tag, numbers, day.bins);
}

function decode(json: unknown): AutoState | undefined {
  const found = unpack(tag, json, { numbers: doubles, floats: dayBins });
  if (found === undefined) return undefined;
  const { numbers, floats } = found;
  const at = (index: number) => numbers[index] ?? 0;
  const part = (from: number, count: number) => numbers.slice(from, from + count);
  const tailsFrom = scalars + 2 * views;
  return {
    ...{ readings: at(0), lastMs: at(1), intervalMs: at(2) },
    ...{ smooth: at(3), mean: at(4), hours: at(5), last: at(6) },
    ...{ peak: at(7), held: at(8), score: at(9), view: at(10), told: at(11), beyond: at(12) },
    ...{ same: at(13), sameMost: at(14), gained: at(15) },
    seen: new Float64Array(views),
    least: Float64Array.from(part(scalars, views)),
    most: Float64Array.from(part(scalars + views, views)),
    tails: Array.from({ length: 2 * tails }, (_, tail) =>
      tailOf(part(tailsFrom + tail * tailNumbers, tailNumbers)),
    ),
    day: {
      ...{ firstMs: at(16), lastMs: at(17), seenEarly: at(18), seenLate: at(19) },
      bins: floats,
    },
  };
}

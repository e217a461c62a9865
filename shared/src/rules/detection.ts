/**
 * What the rules know of the series of one gateway. It depends on the readings alone, never on
 * what became of their verdicts, so a replay of the readings restores it (D1).
 *
 * T1 Bounded: beyond `seriesMax` series a new one is not detected on; its readings are counted.
 * T2 A late reading never teaches what is judged live. A series whose live readings have run ahead
 *    keeps a copy of its states, made when the first older reading comes, for the way back through
 *    the past; readings beyond the moment of the copy belong to another past, and to a new copy.
 * T3 A series whose unit has changed begins anew: numbers of two units say nothing of each other.
 * T4 Detectors that look at a device as a whole have one state for it, which all its series hold;
 *    it is stored with the first of them, and `null` stands with the others.
 * T5 Silence is counted to the gateway's time, never to the cloud's: a gateway that is offline does
 *    not make its devices look silent. Its time is that of the newest live telemetry, or of a
 *    heartbeat by which nothing before it is still on its way. It begins anew with each epoch, since
 *    the one before may have been dated by a clock that was wrong.
 *
 * Encoded: {"v":1, "beyond": readings not detected on, "time"?: [epoch, ms], "heard"?: ms,
 *           "patterns"?: as pattern-codec.ts has them, "site"?: as site-filter.ts has it,
 *           "rules":  [[name, detector version], …],
 *           "series": [[device, metric, newest receivedAt, states, until | null, states | null,
 *                       unit, around, around], …]}
 * with states = [[index of the rule, state], …], first those of the present, then of the past, and
 * around = [recent readings, [index of the rule, run], …] as recent-readings.ts and odd-run.ts have
 * them. Nothing is said of a state by what is around it: where that is missing it begins anew.
 * A state whose rule is gone, or detects otherwise now, begins anew.
 */
import { z } from "zod";
import type { OddRun } from "./odd-run.ts";
import { decodeRun, encodeRun, runAfter } from "./odd-run.ts";
import { parseState } from "./parse-state.ts";
import { GatewayPatterns } from "./pattern/gateway-patterns.ts";
import { decodePatterns, encodePatterns } from "./pattern/pattern-codec.ts";
import { SiteFilter } from "./pattern/site-filter.ts";
import type { RecentReading } from "./recent-readings.ts";
import { RecentReadings } from "./recent-readings.ts";
import type { CompiledDetectorRule, GatewayRules, RuleVerdict, Selection } from "./rule-set.ts";
import { SeriesMap } from "./series-map.ts";

export const detectionVersion = 1;

/** One number of one series. */
export interface NumericReading {
  readonly device: string;
  readonly metric: string;
  /** Finite. */
  readonly value: number;
  /** When it was observed, in ms. */
  readonly timeMs: number;
  /** When the gateway had it, in ms. */
  readonly receivedAt: number;
  /** Came by history, or below the watermark. */
  readonly late: boolean;
  /** Where it is told. */
  readonly unit?: string | undefined;
}

/** One for each rule of the selection, in its order. */
type States = readonly unknown[];

/** What was judged in one order of time, and how that went lately. */
interface Course {
  readonly states: States;
  readonly recent: RecentReadings;
  /** By the rule's place in the selection; undefined while there is none. */
  runs: (OddRun | undefined)[] | undefined;
}

interface Past extends Course {
  /** Readings up to this `receivedAt` belong to it, in ms. */
  readonly until: number;
}

interface Series extends Course {
  readonly selection: Selection;
  /** Of the newest reading that `states` has seen, in ms. */
  receivedAt: number;
  past: Past | undefined;
  /** The last one told; "" while there was none. */
  unit: string;
}

/** T5. */
interface GatewayTime {
  readonly epoch: string;
  /** In ms. */
  readonly at: number;
}

export interface GatewayDetection {
  readonly rules: GatewayRules;
  readonly patterns: GatewayPatterns;
  readonly series: SeriesMap<Series>;
  /** By device and rule: the states that all series of the device share. */
  readonly shared: SeriesMap<unknown>;
  /** Readings that were not detected on, since the table of series is full (T1). */
  readingsBeyond: number;
  /** What its site is told; undefined where no rule looks at the site. */
  readonly site: SiteFilter | undefined;
  time: GatewayTime | undefined;
  /** The last tick before the last live event, in ms; undefined while there is none. */
  heardAt: number | undefined;
}

export function emptyDetection(rules: GatewayRules): GatewayDetection {
  return {
    rules,
    patterns: new GatewayPatterns(rules.patterns),
    site: rules.site && new SiteFilter(rules.site),
    series: new SeriesMap(),
    shared: new SeriesMap(),
    readingsBeyond: 0,
    time: undefined,
    heardAt: undefined,
  };
}

/** T5: everything that the gateway had before `at`, in ms, has come. */
export function noteGatewayTime(detection: GatewayDetection, epoch: string, at: number): void {
  const { time } = detection;
  if (time?.epoch === epoch && time.at >= at) return;
  detection.time = { epoch, at };
}

/** A verdict of each rule that selects the series, live or in shadow; updates `detection`. */
export function detect(
  detection: GatewayDetection,
  seriesMax: number,
  reading: NumericReading,
): readonly RuleVerdict[] {
  const { device, metric } = reading;
  let series = detection.series.get(device, metric);
  if (series === undefined) {
    const selection = detection.rules.select(device, metric);
    if (selection.rules.length === 0) return selection.normal;
    if (detection.series.size >= seriesMax) {
      detection.readingsBeyond += 1;
      return nothing;
    }
    series = newSeries(selection, freshStates(detection, device, selection), reading);
    detection.series.set(device, metric, series);
  } else if (!reading.late && reading.unit && reading.unit !== series.unit) {
    series = inUnit(detection, series, reading);
  }
  return judge(series.selection, courseFor(series, reading), reading);
}

const nothing: readonly RuleVerdict[] = [];

function freshStates({ shared }: GatewayDetection, device: string, { rules }: Selection): States {
  return rules.map(({ name, detector }) => {
    if (detector.restart === undefined) return detector.initial();
    const state = shared.get(device, name) ?? detector.initial();
    shared.set(device, name, state);
    return state;
  });
}

function newSeries(
  selection: Selection,
  states: States,
  { receivedAt, unit = "" }: NumericReading,
): Series {
  return { ...{ selection, receivedAt, past: undefined, unit }, ...courseOf(states) };
}

/** T3 */
function inUnit(detection: GatewayDetection, series: Series, reading: NumericReading): Series {
  const { device, metric, unit = "" } = reading;
  const { selection } = series;
  if (series.unit === "") {
    series.unit = unit;
    return series;
  }
  const states = freshStates(detection, device, selection);
  for (const [index, { detector }] of selection.rules.entries()) detector.restart?.(states[index]);
  const anew = newSeries(selection, states, reading);
  detection.series.set(device, metric, anew);
  return anew;
}

function courseOf(states: States): Course {
  return { states, recent: new RecentReadings(), runs: undefined };
}

function courseFor(series: Series, { late, receivedAt }: NumericReading): Course {
  if (!late || receivedAt >= series.receivedAt) {
    // Not the greatest: a clock that was ahead would keep it from ever falling silent (T5).
    series.receivedAt = receivedAt;
    return series;
  }
  if (series.past === undefined || receivedAt > series.past.until) {
    series.past = { ...courseOf(copyOf(series)), until: series.receivedAt };
  }
  return series.past;
}

function copyOf({ selection, states }: Series): States {
  return selection.rules.map(({ detector }, index) => {
    return detector.decode(detector.encode(states[index])) ?? detector.initial();
  });
}

function judge(
  { rules, normal }: Selection,
  course: Course,
  { value, timeMs, metric }: NumericReading,
): readonly RuleVerdict[] {
  const { states, recent } = course;
  recent.push(timeMs, value);
  let verdicts: RuleVerdict[] | undefined;
  let index = 0;
  for (const rule of rules) {
    const verdict = rule.detector.observe(states[index], value, timeMs, metric);
    if (verdict.kind !== "normal") {
      verdicts ??= [...normal];
      verdicts[index] = { rule, verdict };
    }
    index += 1;
  }
  const found = verdicts ?? normal;
  if (verdicts !== undefined || course.runs !== undefined) noteRuns(course, found, value, timeMs);
  return found;
}

function noteRuns(
  course: Course,
  verdicts: readonly RuleVerdict[],
  value: number,
  timeMs: number,
): void {
  const { runs } = course;
  const after = verdicts.map(({ verdict }, index) => {
    return runAfter(runs?.[index], verdict, value, timeMs);
  });
  course.runs = after.some((run) => run !== undefined) ? after : undefined;
}

/** Whose course a reading of the series belonged to, after it was judged. */
export interface Seen {
  readonly device: string;
  readonly metric: string;
  readonly late: boolean;
  readonly receivedAt: number;
}

function courseSeen(
  { series }: GatewayDetection,
  seen: Seen,
): (Course & Pick<Series, "selection">) | undefined {
  const own = series.get(seen.device, seen.metric);
  if (own === undefined || !seen.late || seen.receivedAt >= own.receivedAt) return own;
  return own.past && { ...own.past, selection: own.selection };
}

/** The newest readings there, oldest first. */
export function recentReadings(detection: GatewayDetection, seen: Seen): readonly RecentReading[] {
  return courseSeen(detection, seen)?.recent.list() ?? [];
}

/** What the rule has found odd there last; undefined where its newest reading follows a normal one. */
export function oddRun(
  detection: GatewayDetection,
  seen: Seen,
  rule: Pick<CompiledDetectorRule, "name" | "mode">,
): OddRun | undefined {
  const course = courseSeen(detection, seen);
  if (course?.runs === undefined) return undefined;
  const { rules } = course.selection;
  const index = rules.findIndex(({ name, mode }) => name === rule.name && mode === rule.mode);
  return course.runs[index];
}

/** What silence up to the gateway's time brings: the verdicts of the rules that miss readings (T5). */
export function detectSilence({ series, time }: GatewayDetection): readonly RuleVerdict[] {
  if (time === undefined) return nothing;
  const { at } = time;
  const found: RuleVerdict[] = [];
  for (const [device, metric, { selection, receivedAt }] of series.entries()) {
    for (const rule of selection.rules) {
      const verdict = rule.detector.tick?.(at - receivedAt);
      if (verdict === undefined || verdict.kind === "normal") continue;
      found.push({ rule, verdict, place: { device, metric }, at });
    }
  }
  return found;
}

/** How odd the last reading of a series was, in [0, 1], by each rule of its selection. */
export function lastScores(
  { series }: GatewayDetection,
  device: string,
  metric: string,
): readonly number[] {
  const found = series.get(device, metric);
  if (found === undefined) return [];
  const { selection, states } = found;
  return selection.rules.map(({ detector }, index) => detector.score?.(states[index]) ?? 0);
}

export function encodeDetection(detection: GatewayDetection): string {
  const { series, readingsBeyond, time, heardAt, patterns, site } = detection;
  const indexes = new Map<CompiledDetectorRule, number>();
  const rules: (readonly [name: string, detectorVersion: string])[] = [];
  const indexOf = (rule: CompiledDetectorRule): number => {
    const known = indexes.get(rule);
    if (known !== undefined) return known;
    indexes.set(rule, rules.length);
    return rules.push([rule.name, rule.detectorVersion]) - 1;
  };
  const rows: unknown[] = [];
  const stored = new Set<unknown>();
  for (const [device, metric, own] of series.entries()) {
    const { selection, states, receivedAt, past, unit } = own;
    const encode = (of: States) =>
      selection.rules.map((rule, index) => {
        const isStored = rule.detector.restart !== undefined && stored.has(of[index]);
        stored.add(of[index]);
        return [indexOf(rule), isStored ? null : rule.detector.encode(of[index])];
      });
    const around = ({ recent, runs = [] }: Course) => [
      recent.encode(),
      ...selection.rules.flatMap((rule, index) => {
        const run = runs[index];
        return run === undefined ? [] : [[indexOf(rule), encodeRun(run)]];
      }),
    ];
    const row = [device, metric, receivedAt, encode(states)];
    if (past === undefined) rows.push([...row, null, null, unit, around(own)]);
    else rows.push([...row, past.until, encode(past.states), unit, around(own), around(past)]);
  }
  return JSON.stringify({
    ...{ v: detectionVersion, beyond: readingsBeyond, rules, series: rows },
    ...(time === undefined ? {} : { time: [time.epoch, time.at] }),
    ...(heardAt === undefined ? {} : { heard: heardAt }),
    ...(patterns.set.patterns.length === 0 ? {} : { patterns: encodePatterns(patterns) }),
    ...(site === undefined ? {} : { site: site.encode() }),
  });
}

const statesSchema = z.array(z.tuple([z.int(), z.unknown()], z.unknown()));
const detectionSchema = z.object({
  v: z.literal(detectionVersion),
  beyond: z.int().min(0),
  rules: z.array(z.tuple([z.string(), z.string()], z.unknown())),
  series: z.array(
    z.tuple(
      [
        z.string(),
        z.string(),
        z.number(),
        statesSchema,
        z.number().nullish(),
        statesSchema.nullish(),
        z.string().optional(),
      ],
      z.unknown(),
    ),
  ),
  time: z.tuple([z.string(), z.number()], z.unknown()).optional(),
  heard: z.number().optional(),
  patterns: z.unknown().optional(),
  site: z.unknown().optional(),
});

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeDetection(
  text: string,
  gatewayRules: GatewayRules,
  gateway = "",
): GatewayDetection {
  const parsed = parseState("detection", detectionSchema, text);
  const { beyond, rules, series: rows, time, heard, patterns, site } = parsed;
  const detection: GatewayDetection = {
    ...emptyDetection(gatewayRules),
    patterns: decodePatterns(patterns, gatewayRules.patterns),
    site: gatewayRules.site && SiteFilter.decode(site, gatewayRules.site, gateway),
    readingsBeyond: beyond,
    time: time && { epoch: time[0], at: time[1] },
    heardAt: heard,
  };
  const keys = rules.map(([name, version]) => keyOf(name, version));
  for (const [device, metric, receivedAt, present, until, past, unit = "", ...around] of rows) {
    const selection = gatewayRules.select(device, metric);
    if (selection.rules.length === 0) continue;
    const decode = (encoded: z.infer<typeof statesSchema>, isPresent: boolean): States => {
      const states = new Map(encoded.map(([index, state]) => [keys[index], state]));
      return selection.rules.map(({ name, detectorVersion, detector }) => {
        const isShared = isPresent && detector.restart !== undefined;
        const known = isShared ? detection.shared.get(device, name) : undefined;
        if (known !== undefined) return known;
        const state = detector.decode(states.get(keyOf(name, detectorVersion)));
        if (isShared) detection.shared.set(device, name, state ?? detector.initial());
        return isShared ? detection.shared.get(device, name) : (state ?? detector.initial());
      });
    };
    const course = (states: States, json: unknown): Course => {
      const [recent, ...runs]: readonly unknown[] = Array.isArray(json) ? json : [];
      const known = new Map(runs.map((run) => runIn(run, keys)));
      const found = selection.rules.map((rule) =>
        known.get(keyOf(rule.name, rule.detectorVersion)),
      );
      return {
        states,
        recent: RecentReadings.decode(recent),
        runs: found.some((run) => run !== undefined) ? found : undefined,
      };
    };
    const isPast = past && typeof until === "number";
    detection.series.set(device, metric, {
      selection,
      receivedAt,
      unit,
      ...course(decode(present, true), around[0]),
      past: isPast ? { until, ...course(decode(past, false), around[1]) } : undefined,
    });
  }
  return detection;
}

function runIn(json: unknown, keys: readonly string[]): [string | undefined, OddRun | undefined] {
  if (!Array.isArray(json)) return [undefined, undefined];
  const [index, run] = json as unknown[];
  return [typeof index === "number" ? keys[index] : undefined, decodeRun(run)];
}

function keyOf(rule: string, detectorVersion: string): string {
  return `${rule}/${detectorVersion}`;
}

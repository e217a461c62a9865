/**
 * What the detectors know of the series of one gateway. It depends on the readings alone, never on
 * what became of their verdicts, so a replay of the readings restores it (D1).
 *
 * T1 Bounded: beyond `seriesMax` series a new one is not detected on; its readings are counted.
 * T2 A late reading never teaches what is judged live. A series whose live readings have run ahead
 *    keeps a copy of its states, made when the first older reading comes, for the way back through
 *    the past; readings beyond the moment of the copy belong to another past, and to a new copy.
 * T3 A series whose unit has changed begins anew: numbers of two units say nothing of each other.
 * T4 Detectors that look at a device as a whole have one state for it, which all its series hold;
 *    it is stored with the first of them, and `null` stands with the others.
 *
 * Encoded: {"v":1, "beyond": readings not detected on,
 *           "rules":  [[name, detector version], …],
 *           "series": [[device, metric, newest receivedAt, states, until | null, states | null,
 *                       unit], …]}
 * with states = [[index of the rule, state], …], first those of the present, then of the past.
 * A state whose rule is gone, or detects otherwise now, begins anew.
 */
import { z } from "zod";
import { parseState } from "./parse-state.ts";
import type { CompiledRule, RuleSet, RuleVerdict, Selection } from "./rule-set.ts";
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

interface Past {
  readonly states: States;
  /** Readings up to this `receivedAt` belong to it, in ms. */
  readonly until: number;
}

interface Series {
  readonly selection: Selection;
  readonly states: States;
  /** Of the newest reading that `states` has seen, in ms. */
  receivedAt: number;
  past: Past | undefined;
  /** The last one told; "" while there was none. */
  unit: string;
}

export interface GatewayDetection {
  readonly series: SeriesMap<Series>;
  /** By device and rule: the states that all series of the device share. */
  readonly shared: SeriesMap<unknown>;
  /** Readings that were not detected on, since the table of series is full (T1). */
  readingsBeyond: number;
}

export function emptyDetection(): GatewayDetection {
  return { series: new SeriesMap(), shared: new SeriesMap(), readingsBeyond: 0 };
}

/** A verdict of each rule that selects the series, live or in shadow; updates `detection`. */
export function detect(
  detection: GatewayDetection,
  ruleSet: RuleSet,
  seriesMax: number,
  reading: NumericReading,
): readonly RuleVerdict[] {
  const { device, metric } = reading;
  let series = detection.series.get(device, metric);
  if (series === undefined) {
    const selection = ruleSet.select(device, metric);
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
  return judge(series.selection, statesFor(series, reading), reading);
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
  return { selection, states, receivedAt, past: undefined, unit };
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

function statesFor(series: Series, { late, receivedAt }: NumericReading): States {
  if (!late || receivedAt >= series.receivedAt) {
    series.receivedAt = Math.max(series.receivedAt, receivedAt);
    return series.states;
  }
  if (series.past === undefined || receivedAt > series.past.until) {
    series.past = { states: copyOf(series), until: series.receivedAt };
  }
  return series.past.states;
}

function copyOf({ selection, states }: Series): States {
  return selection.rules.map(({ detector }, index) => {
    return detector.decode(detector.encode(states[index])) ?? detector.initial();
  });
}

function judge(
  { rules, normal }: Selection,
  states: States,
  { value, timeMs, metric }: NumericReading,
): readonly RuleVerdict[] {
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
  return verdicts ?? normal;
}

export interface SilentSeries {
  readonly device: string;
  readonly metric: string;
  readonly verdicts: readonly RuleVerdict[];
}

/** What silence up to `at`, in ms, brings: the verdicts of the rules that miss readings. */
export function detectSilence({ series }: GatewayDetection, at: number): readonly SilentSeries[] {
  const found: SilentSeries[] = [];
  for (const [device, metric, { selection, receivedAt }] of series.entries()) {
    const verdicts = selection.rules.flatMap((rule) => {
      const verdict = rule.detector.tick?.(at - receivedAt);
      return verdict === undefined || verdict.kind === "normal" ? [] : [{ rule, verdict }];
    });
    if (verdicts.length > 0) found.push({ device, metric, verdicts });
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

export function encodeDetection({ series, readingsBeyond }: GatewayDetection): string {
  const indexes = new Map<CompiledRule, number>();
  const rules: (readonly [name: string, detectorVersion: string])[] = [];
  const indexOf = (rule: CompiledRule): number => {
    const known = indexes.get(rule);
    if (known !== undefined) return known;
    indexes.set(rule, rules.length);
    return rules.push([rule.name, rule.detectorVersion]) - 1;
  };
  const rows: unknown[] = [];
  const stored = new Set<unknown>();
  for (const [device, metric, { selection, states, receivedAt, past, unit }] of series.entries()) {
    const encode = (of: States) =>
      selection.rules.map((rule, index) => {
        const isStored = rule.detector.restart !== undefined && stored.has(of[index]);
        stored.add(of[index]);
        return [indexOf(rule), isStored ? null : rule.detector.encode(of[index])];
      });
    const row = [device, metric, receivedAt, encode(states)];
    const before = past === undefined ? [null, null] : [past.until, encode(past.states)];
    if (unit !== "") rows.push([...row, ...before, unit]);
    else rows.push(past === undefined ? row : [...row, ...before]);
  }
  return JSON.stringify({ v: detectionVersion, beyond: readingsBeyond, rules, series: rows });
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
});

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeDetection(text: string, ruleSet: RuleSet): GatewayDetection {
  const { beyond, rules, series: rows } = parseState("detection", detectionSchema, text);
  const detection: GatewayDetection = { ...emptyDetection(), readingsBeyond: beyond };
  const keys = rules.map(([name, version]) => keyOf(name, version));
  for (const [device, metric, receivedAt, present, until, past, unit = ""] of rows) {
    const selection = ruleSet.select(device, metric);
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
    detection.series.set(device, metric, {
      selection,
      states: decode(present, true),
      receivedAt,
      unit,
      past: past && typeof until === "number" ? { states: decode(past, false), until } : undefined,
    });
  }
  return detection;
}

function keyOf(rule: string, detectorVersion: string): string {
  return `${rule}/${detectorVersion}`;
}

/**
 * What the detectors know of the series of one gateway. It depends on the readings alone, never on
 * what became of their verdicts, so a replay of the readings restores it (D1).
 *
 * T1 Bounded: beyond `seriesMax` series a new one is not detected on; its readings are counted.
 * T2 A late reading never teaches what is judged live. A series whose live readings have run ahead
 *    keeps a copy of its states, made when the first older reading comes, for the way back through
 *    the past; readings beyond the moment of the copy belong to another past, and to a new copy.
 *
 * Encoded: {"v":1, "beyond": readings not detected on,
 *           "rules":  [[name, detector version], …],
 *           "series": [[device, metric, newest receivedAt, states, until | null, states], …]}
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
}

export interface GatewayDetection {
  readonly series: SeriesMap<Series>;
  /** Readings that were not detected on, since the table of series is full (T1). */
  readingsBeyond: number;
}

export function emptyDetection(): GatewayDetection {
  return { series: new SeriesMap(), readingsBeyond: 0 };
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
    series = newSeries(selection, reading.receivedAt);
    detection.series.set(device, metric, series);
  }
  return judge(series.selection, statesFor(series, reading), reading);
}

const nothing: readonly RuleVerdict[] = [];

function newSeries(selection: Selection, receivedAt: number): Series {
  const states = selection.rules.map(({ detector }) => detector.initial());
  return { selection, states, receivedAt, past: undefined };
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
  { value, timeMs }: NumericReading,
): readonly RuleVerdict[] {
  let verdicts: RuleVerdict[] | undefined;
  let index = 0;
  for (const rule of rules) {
    const verdict = rule.detector.observe(states[index], value, timeMs);
    if (verdict.kind !== "normal") {
      verdicts ??= [...normal];
      verdicts[index] = { rule, verdict };
    }
    index += 1;
  }
  return verdicts ?? normal;
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
  for (const [device, metric, { selection, states, receivedAt, past }] of series.entries()) {
    const encode = (of: States) =>
      selection.rules.map((rule, index) => [indexOf(rule), rule.detector.encode(of[index])]);
    const row = [device, metric, receivedAt, encode(states)];
    rows.push(past === undefined ? row : [...row, past.until, encode(past.states)]);
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
      ],
      z.unknown(),
    ),
  ),
});

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeDetection(text: string, ruleSet: RuleSet): GatewayDetection {
  const { beyond, rules, series: rows } = parseState("detection", detectionSchema, text);
  const detection = { series: new SeriesMap<Series>(), readingsBeyond: beyond };
  const keys = rules.map(([name, version]) => keyOf(name, version));
  for (const [device, metric, receivedAt, present, until, past] of rows) {
    const selection = ruleSet.select(device, metric);
    if (selection.rules.length === 0) continue;
    const decode = (encoded: z.infer<typeof statesSchema>): States => {
      const states = new Map(encoded.map(([index, state]) => [keys[index], state]));
      return selection.rules.map(({ name, detectorVersion, detector }) => {
        return detector.decode(states.get(keyOf(name, detectorVersion))) ?? detector.initial();
      });
    };
    detection.series.set(device, metric, {
      selection,
      states: decode(present),
      receivedAt,
      past: past && typeof until === "number" ? { states: decode(past), until } : undefined,
    });
  }
  return detection;
}

function keyOf(rule: string, detectorVersion: string): string {
  return `${rule}/${detectorVersion}`;
}

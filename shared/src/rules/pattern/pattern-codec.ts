/**
 * What pattern rules know of a gateway, as JSON:
 *
 *   {"v":1, "rules":[{"rule": name, "version": of its pattern,
 *                     "due": [[number of the input, next moment of its schedule], …],
 *                     "keys": [key, …]}, …]}
 *
 * with keys as pattern-key.ts has them. A rule that is gone or judges otherwise now begins anew, as
 * does a key that cannot be read or whose series are no longer selected; a site's key forgets those
 * alone, since what others last said is not sent again. Other fields are skipped.
 */
import type { CompiledPattern, PatternContext, PatternSet } from "./compile.ts";
import { isPlaceOf } from "./compile.ts";
import type { PatternKeys } from "./gateway-patterns.ts";
import { GatewayPatterns, inputsOf } from "./gateway-patterns.ts";
import { isTime } from "./operator.ts";
import type { PatternBounds } from "./pattern.ts";
import { patternBounds } from "./pattern.ts";
import { PatternKey } from "./pattern-key.ts";
import { gatewayAndDevice } from "./site-series.ts";

const version = 1;

/** For JSON. */
export function encodePatterns({ byPattern }: GatewayPatterns): unknown {
  const rules = byPattern
    .filter(({ keys, due }) => keys.size > 0 || due.size > 0)
    .map(({ pattern, keys, due }) => ({
      rule: pattern.name,
      version: pattern.patternVersion,
      due: [...due],
      keys: Array.from(keys.entries(), ([, , key]) => key.encode()),
    }));
  return { v: version, rules };
}

/** Empty where `json` is no state of any of these rules. */
export function decodePatterns(
  json: unknown,
  set: PatternSet,
  bounds: PatternBounds = patternBounds,
): GatewayPatterns {
  const patterns = new GatewayPatterns(set, bounds);
  const { v, rules } = record(json);
  if (v !== version || !Array.isArray(rules)) return patterns;
  for (const row of rules) {
    const { rule, version: patternVersion, due, keys } = record(row);
    const own = patterns.byPattern.find(
      ({ pattern }) => pattern.name === rule && pattern.patternVersion === patternVersion,
    );
    if (own === undefined || !Array.isArray(due) || !Array.isArray(keys)) continue;
    decodeDue(own, due);
    for (const key of keys) decodeKey(patterns, own, key);
  }
  return patterns;
}

function decodeDue({ pattern, due }: PatternKeys, rows: readonly unknown[]): void {
  for (const row of rows) {
    const [input, at] = Array.isArray(row) ? (row as unknown[]) : [];
    // A schedule that never comes again is due at Infinity, which JSON has as null.
    const time = at === null ? Number.POSITIVE_INFINITY : at;
    if (!isTime(input) || pattern.inputs[input]?.kind !== "schedule") continue;
    if (isTime(time) || time === Number.POSITIVE_INFINITY) due.set(input, time);
  }
}

function decodeKey(patterns: GatewayPatterns, own: PatternKeys, json: unknown): void {
  const { keysMax, seriesMax } = patterns.bounds;
  const key = PatternKey.decode(own.pattern, json, seriesMax);
  if (key === undefined || own.keys.size >= keysMax) return;
  if (patterns.set.context.gateway !== undefined) forgetOthers(key, patterns.set.context);
  else if (!isSelected(key, own.pattern, patterns.set.context)) return;
  own.keys.set(key.device, key.metric, key);
  patterns.deadlines.set(key, key.present.wakeAt);
}

/** Of a site: what belongs to it no more, or is selected no more, is as if it had never come. */
function forgetOthers(key: PatternKey, context: PatternContext): void {
  for (const [series, [name, metric]] of key.series.entries()) {
    const [gateway, device] = gatewayAndDevice(name);
    const isSelected = inputsOf(key.pattern, context, gateway, device, metric) !== undefined;
    if (metric === "" || !isSelected) key.forget(series);
  }
}

function isSelected(key: PatternKey, pattern: CompiledPattern, context: PatternContext): boolean {
  if (!isPlaceOf(pattern, key, context)) return false;
  const { selector } = pattern;
  return key.series.every(
    ([device, metric]) =>
      selector.device(device, context.fleet.device(device)) && selector.metric(metric),
  );
}

function record(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
}

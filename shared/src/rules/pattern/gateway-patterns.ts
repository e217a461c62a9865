/**
 * What pattern rules know of one gateway. It depends on readings, ticks and the gateway's time
 * alone, never on what became of verdicts, so a replay restores it.
 *
 *     reading ── route of its series ──┬── rule 1, key ── timeline ──> verdict
 *                (remembered)          └── rule 2, key ── timeline ──> verdict, derived event
 *                                                                          │
 *                                          rules that wait for it <────────┘ and so on
 *
 * G1 A reading that no rule selects costs one look at its route.
 * G2 Derived events come to those that wait for them within the same step, first the events that
 *    came first; rules are in an order in which emitters stand first, so this ends. What a rule in
 *    shadow emits comes to rules in shadow only.
 * G3 A tick looks at the keys whose deadline has passed, in the order of rules and places, and at
 *    the schedules.
 * G4 Bounded: beyond `keysMax` keys of a rule and `seriesMax` series of a key, readings are counted
 *    and not judged. Routes are remembered up to `routesMax` series; at the bound they are forgotten
 *    and found anew.
 * G5 A key begins with the first reading that its rule selects; by series only where a leaf or a
 *    detector rule may look at that series. Its time goes on with each of them.
 * G6 Where the gateway's time steps back, a key begins anew with its next live reading: all would be
 *    late to what a clock that was ahead has dated. Gateways of one site differ, and do not count.
 */
import type { Reading } from "../../event.ts";
import { digest } from "../digest.ts";
import type { RuleVerdict } from "../rule-set.ts";
import { SeriesMap } from "../series-map.ts";
import type { CompiledPattern, Input, PatternContext, PatternSet } from "./compile.ts";
import { isPlaceOf } from "./compile.ts";
import { Deadlines } from "./deadlines.ts";
import type { Item } from "./operator.ts";
import { fits, misses, notConcerned } from "./operator.ts";
import type {
  DerivedEvent,
  PatternBounds,
  PatternInput,
  PatternReading,
  PatternTick,
  PatternVerdict,
} from "./pattern.ts";
import { patternBounds } from "./pattern.ts";
import { noSeries, PatternKey } from "./pattern-key.ts";
import type { Change } from "./pattern-state.ts";
import { nextMoment } from "./schedule.ts";
import type { SeriesFacts } from "./series-view.ts";
import { factsOf, isWanted, SeriesView } from "./series-view.ts";
import { deviceInSeries, placeIn, selectsGateway } from "./site-series.ts";
import type { Timeline } from "./timeline.ts";

const routesMax = 65_536;
const eventIdDigits = 24;
/** A device's clock that runs further ahead of its gateway's is not believed. */
const aheadMsMax = 60_000;

type SeenReading = Omit<PatternReading, "kind">;

/** A rule that selects a series, and where its readings go. */
interface Branch {
  readonly pattern: CompiledPattern;
  /** Undefined where there was no room (G4). */
  readonly key: PatternKey | undefined;
  /** Number of the series in the key's table. */
  readonly series: number;
  readonly fits: Uint8Array;
  /** Numbers of the inputs that may be concerned. */
  readonly inputs: readonly number[];
  /** Whether one reading after another that misses says nothing new. */
  readonly mayRest: boolean;
  /** Of its key, where the newest reading of the series missed. */
  missedIn: Timeline | undefined;
}

interface Route {
  readonly branches: readonly Branch[];
  readonly facts: SeriesFacts;
}

/** An item that is used anew for every reading. */
class PassingItem implements Item {
  kind: Item["kind"] = "reading";
  at = 0;
  id = "";
  device = "";
  metric = "";
  series = -1;
  value: Reading["value"] = null;
  unit: string | undefined;
  fits: Uint8Array = new Uint8Array(0);
}

export interface PatternKeys {
  readonly pattern: CompiledPattern;
  readonly keys: SeriesMap<PatternKey>;
  /** By input: the next moment of a schedule, in ms. */
  readonly due: Map<number, number>;
  /** For the item that passes, one an input. */
  readonly fits: Uint8Array;
}

export interface PatternCounts {
  /** Expressions that could not be evaluated, by rule. */
  readonly evaluationErrors: Map<string, number>;
  /** Items that were not judged for want of room, by rule (G4). */
  readonly refused: Map<string, number>;
}

export class GatewayPatterns {
  readonly set: PatternSet;
  readonly bounds: PatternBounds;
  readonly byPattern: readonly PatternKeys[];
  readonly routes = new SeriesMap<Route>();
  readonly deadlines = new Deadlines<PatternKey>();
  readonly counts: PatternCounts = { evaluationErrors: new Map(), refused: new Map() };
  readonly item = new PassingItem();
  readonly view = new SeriesView();
  readonly found: PatternVerdict[] = [];
  readonly emitted: DerivedEvent[] = [];
  /** Grows with every change of state that a tick brings about. */
  revision = 0;

  constructor(set: PatternSet, bounds: PatternBounds = patternBounds) {
    this.set = set;
    this.bounds = bounds;
    this.byPattern = set.patterns.map((pattern) => ({
      ...{ pattern, keys: new SeriesMap<PatternKey>(), due: new Map() },
      fits: new Uint8Array(pattern.inputs.length),
    }));
  }
}

/** What each rule says whose key `input` concerns; the list is good until the next call. */
export function observePatterns(
  patterns: GatewayPatterns,
  input: PatternInput,
  detectorVerdicts: readonly RuleVerdict[],
): readonly PatternVerdict[] {
  if (input.kind === "reading") return observeReading(patterns, input, detectorVerdicts);
  const { found } = patterns;
  if (patterns.set.patterns.length === 0) return found;
  empty(found);
  patterns.emitted.push(input.event);
  feedBack(patterns, input.gateway);
  return found;
}

/** As `observePatterns` of a reading, without a copy of it. */
export function observeReading(
  patterns: GatewayPatterns,
  reading: SeenReading,
  detectorVerdicts: readonly RuleVerdict[],
): readonly PatternVerdict[] {
  const { found, view } = patterns;
  if (patterns.set.patterns.length === 0) return found;
  empty(found);
  const { branches, facts } = routeOf(patterns, reading);
  if (branches.length === 0) return found;
  view.see(facts, reading.gateway, reading.device, reading.metric);
  view.tell(reading.value, reading.unit, reading.quality);
  for (const branch of branches) takeReading(patterns, branch, reading, detectorVerdicts);
  if (patterns.emitted.length > 0) feedBack(patterns, reading.gateway);
  return found;
}

/** What time alone brings (G3); the list is good until the next call. */
export function tickPatterns(
  patterns: GatewayPatterns,
  { gateway, tick, gatewayAt }: PatternTick,
): readonly PatternVerdict[] {
  const { found, deadlines } = patterns;
  empty(found);
  const receivedAt = gatewayAt ?? tick.at;
  for (const { order } of patterns.set.scheduled) {
    const own = patterns.byPattern[order];
    if (own !== undefined) takeSchedules(patterns, own, { gateway, tick, gatewayAt });
  }
  if (gatewayAt !== undefined) {
    const woken: PatternKey[] = [];
    for (let key = deadlines.take(gatewayAt); key !== undefined; key = deadlines.take(gatewayAt)) {
      woken.push(key);
    }
    woken.sort(byPlace);
    for (const key of woken) {
      const isPassed = key.present.present.deadline <= key.present.now(gatewayAt);
      if (isPassed) patterns.revision += 1;
      const changes = key.present.pass(gatewayAt);
      if (changes.length > 0) tell(patterns, key, changes, { gateway, receivedAt, isLate: false });
      deadlines.set(key, key.present.wakeAt);
    }
  }
  if (patterns.emitted.length > 0) feedBack(patterns, gateway);
  return found;
}

/** Setting the length would give the list's memory back, for each reading anew. */
function empty(found: PatternVerdict[]): void {
  while (found.length > 0) found.pop();
}

function byPlace(left: PatternKey, right: PatternKey): number {
  if (left.pattern.order !== right.pattern.order) return left.pattern.order - right.pattern.order;
  if (left.device !== right.device) return left.device < right.device ? -1 : 1;
  return left.metric < right.metric ? -1 : 1;
}

/** G1 */
function routeOf(patterns: GatewayPatterns, reading: SeenReading): Route {
  const { gateway, device: own, metric } = reading;
  const { context } = patterns.set;
  const device = deviceInSeries(context, gateway, own);
  const known = patterns.routes.get(device, metric);
  if (known !== undefined) return known;
  const branches = patterns.byPattern.flatMap((keys) => branchOf(patterns, keys, reading));
  const route = { branches, facts: factsOf(context, gateway, own) };
  if (patterns.routes.size >= routesMax) patterns.routes.clear();
  patterns.routes.set(device, metric, route);
  return route;
}

/** G5 */
function branchOf(
  patterns: GatewayPatterns,
  own: PatternKeys,
  { gateway, device, metric }: SeenReading,
): readonly Branch[] {
  const { pattern } = own;
  const { context } = patterns.set;
  const inputs = inputsOf(pattern, context, gateway, device, metric);
  if (inputs === undefined) return [];
  if (pattern.by === "series" && inputs.length === 0) return [];
  const key = keyFor(patterns, own, device, metric);
  const branch = { pattern, fits: own.fits, inputs, missedIn: undefined };
  if (key === undefined) return [{ ...branch, key, series: -1, mayRest: false }];
  // Only time goes on: a number in the table would be one less for what is judged. A site numbers all,
  // to know whose gateway is gone.
  if (inputs.length === 0 && context.gateway === undefined)
    return [{ ...branch, key, series: -1, mayRest: false }];
  const inSeries = deviceInSeries(context, gateway, device);
  const series = seriesOf(key, inSeries, metric, patterns.bounds.seriesMax);
  if (series < 0) return [{ ...branch, key: undefined, series, mayRest: false }];
  const isEach = inputs.some((input) => isEachOf(pattern.inputs[input]));
  // Of a site a gateway's series may be forgotten.
  const mayRest = context.gateway === undefined && !isEach;
  return [{ ...branch, key, series, mayRest }];
}

/** Numbers of those that a series may concern; undefined where the rule does not select it. */
export function inputsOf(
  { inputs, selector }: CompiledPattern,
  context: PatternContext,
  gateway: string,
  device: string,
  metric: string,
): readonly number[] | undefined {
  if (!selector.device(device, context.fleet.device(device))) return undefined;
  if (!selector.metric(metric) || !selectsGateway(selector, context, gateway)) return undefined;
  return inputs.flatMap((input, index) => (mayConcern(input, device, metric) ? [index] : []));
}

function isEachOf(input: Input | undefined): boolean {
  return input?.kind !== "leaf" || input.isEach;
}

function mayConcern(input: Input, device: string, metric: string): boolean {
  if (input.kind === "leaf") return input.device(device) && input.metric(metric);
  return input.kind === "rule";
}

function keyFor(
  patterns: GatewayPatterns,
  { pattern, keys }: PatternKeys,
  device: string,
  metric: string,
): PatternKey | undefined {
  const isWide = pattern.by === "gateway" || pattern.by === "site";
  const place = { device: isWide ? "" : device, metric: pattern.by === "series" ? metric : "" };
  const known = keys.get(place.device, place.metric);
  if (known !== undefined) return known;
  if (keys.size >= patterns.bounds.keysMax) return undefined;
  const key = new PatternKey(pattern, place.device, place.metric);
  keys.set(place.device, place.metric, key);
  return key;
}

/** -1 where there is no room (G4). */
function seriesOf(key: PatternKey, device: string, metric: string, seriesMax: number): number {
  const known = key.series.findIndex((series) => series[0] === device && series[1] === metric);
  if (known >= 0) return known;
  if (key.series.length < seriesMax) return key.series.push([device, metric]) - 1;
  const free = key.series.indexOf(noSeries);
  if (free >= 0) key.series[free] = [device, metric];
  return free;
}

function takeReading(
  patterns: GatewayPatterns,
  branch: Branch,
  reading: SeenReading,
  detectorVerdicts: readonly RuleVerdict[],
): void {
  const { pattern, key, series, fits: own, inputs } = branch;
  if (key === undefined) {
    count(patterns.counts.refused, pattern);
    return;
  }
  const { item, view } = patterns;
  const { receivedAt } = reading;
  const at = timeOf(pattern, reading);
  view.at = at;
  for (let input = 0; input < own.length; input++) own[input] = notConcerned;
  let isMiss = branch.mayRest && !reading.late;
  for (const input of inputs) {
    const one = pattern.inputs[input];
    if (one === undefined) continue;
    const found = fitOf(patterns, pattern, one, reading, detectorVerdicts);
    own[input] = found;
    if (found !== misses) isMiss = false;
  }
  if (isMiss && branch.missedIn === key.present && key.present.rest(at, receivedAt)) {
    patterns.found.push(key.verdict(false));
    return;
  }
  item.kind = "reading";
  item.at = at;
  item.id = reading.id;
  item.device = reading.device;
  item.metric = reading.metric;
  item.series = series;
  item.value = reading.value;
  item.unit = reading.unit;
  item.fits = own;
  const isLate = takeItem(patterns, key, reading.gateway, receivedAt, reading.late);
  if (!isLate) branch.missedIn = isMiss ? key.present : undefined;
}

export function timeOf(pattern: CompiledPattern, { observedAt, receivedAt }: SeenReading): number {
  if (pattern.isReceived || observedAt === null) return receivedAt;
  return observedAt > receivedAt + aheadMsMax ? receivedAt : observedAt;
}

export function fitOf(
  patterns: GatewayPatterns,
  pattern: CompiledPattern,
  input: Input,
  { value, quality }: SeenReading,
  detectorVerdicts: readonly RuleVerdict[],
): number {
  if (input.kind === "leaf") {
    const { predicate } = input;
    if (predicate === undefined) return fits;
    if (!isWanted(predicate.wants, value, quality)) return notConcerned;
    return testOf(patterns, pattern, predicate);
  }
  if (input.kind !== "rule") return notConcerned;
  for (const { rule, verdict } of detectorVerdicts) {
    if (rule.name !== input.rule || verdict.kind === "unknown") continue;
    return verdict.kind === "anomalous" ? fits : misses;
  }
  return notConcerned;
}

function testOf(
  { counts, view }: GatewayPatterns,
  pattern: CompiledPattern,
  predicate: { test(view: SeriesView): boolean | undefined },
): number {
  const answer = predicate.test(view);
  if (answer === undefined) count(counts.evaluationErrors, pattern);
  return answer === true ? fits : misses;
}

function count(counts: Map<string, number>, { name }: CompiledPattern): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** Gives `patterns.item` to the key, adds what it says to `patterns.found`; whether it was late. */
function takeItem(
  patterns: GatewayPatterns,
  key: PatternKey,
  gateway: string,
  receivedAt: number,
  isMarkedLate: boolean,
): boolean {
  const { item } = patterns;
  const isOneGateway = patterns.set.context.gateway === undefined;
  if (isOneGateway && !isMarkedLate && key.present.isAheadOf(receivedAt)) key.beginAnew();
  const isLate = isMarkedLate || key.present.isLate(item.at);
  const changes = key.timelineOf(item.at, isLate).take(item, receivedAt);
  if (changes.length > 0) tell(patterns, key, changes, { gateway, receivedAt, isLate });
  else patterns.found.push(key.verdict(isLate));
  if (isLate) return true;
  const { wakeAt } = key.present;
  if (wakeAt !== Number.POSITIVE_INFINITY) patterns.deadlines.set(key, wakeAt);
  return false;
}

interface Telling {
  readonly gateway: string;
  readonly receivedAt: number;
  readonly isLate: boolean;
}

function tell(
  patterns: GatewayPatterns,
  key: PatternKey,
  changes: readonly Change[],
  telling: Telling,
): void {
  key.forgetVerdict(telling.isLate);
  const last = key.verdict(telling.isLate);
  for (const change of changes) {
    const { at, reason } = change;
    const verdict: PatternVerdict["verdict"] =
      change.kind === "ended" ? { kind: "normal" } : { kind: "anomalous", score: 1, reason };
    const own = { ...last, verdict, at, evidence: change.shown };
    const derived = derivedOf(patterns, key, change, telling);
    patterns.found.push(derived === undefined ? own : { ...own, derived });
    if (derived !== undefined) patterns.emitted.push(derived);
  }
}

function derivedOf(
  patterns: GatewayPatterns,
  key: PatternKey,
  { kind, at, reason, causes, isTimed }: Change,
  { gateway: from, receivedAt, isLate }: Telling,
): DerivedEvent | undefined {
  const { pattern, device, metric } = key;
  const { emit, name: rule, version: ruleVersion, mode } = pattern;
  const gateway = placeIn(patterns.set.context, from);
  if (emit === undefined || kind !== "occurred") return undefined;
  const place = [gateway, rule, ruleVersion, device, metric];
  const { value, unit } = emittedValue(patterns, key, from, isLate);
  return {
    id: digest([...place, at, causes, isLate], eventIdDigits),
    kind: isTimed ? "timer" : "derived",
    ...{ name: emit.name, rule, ruleVersion, gateway, device, metric, at, receivedAt },
    ...{ value, unit, reason, causes, late: isLate, shadow: mode === "shadow" },
  };
}

/** By the rule's expression, of the newest reading that fitted; that reading's own without one. */
function emittedValue(
  patterns: GatewayPatterns,
  key: PatternKey,
  gateway: string,
  isLate: boolean,
): { value: Reading["value"]; unit: string | undefined } {
  const { counts, set } = patterns;
  const { emit } = key.pattern;
  const timeline = isLate ? (key.past ?? key.present) : key.present;
  const { shown, at } = timeline.present;
  const expression = emit?.value;
  if (expression === undefined || shown.id === "") return shown;
  if (!isWanted(expression.wants, shown.value, "good")) return { value: null, unit: undefined };
  const view = new SeriesView();
  view.look(set.context, gateway, shown.device, shown.metric);
  view.tell(shown.value, shown.unit, "good");
  view.at = at;
  const value = expression.evaluate(view);
  if (value === undefined) count(counts.evaluationErrors, key.pattern);
  return { value: value ?? null, unit: typeof value === "number" ? shown.unit : undefined };
}

/** G2 */
function feedBack(patterns: GatewayPatterns, gateway: string): void {
  const { emitted, set } = patterns;
  for (let next = 0; next < emitted.length; next++) {
    const event = emitted[next];
    if (event === undefined) break;
    for (const pattern of set.waiting.get(event.name) ?? []) {
      if (event.shadow && pattern.mode !== "shadow") continue;
      takeDerived(patterns, pattern, event, gateway);
    }
  }
  emitted.length = 0;
}

function takeDerived(
  patterns: GatewayPatterns,
  pattern: CompiledPattern,
  event: DerivedEvent,
  gateway: string,
): void {
  const { item, view, set, byPattern } = patterns;
  const { device, metric, receivedAt } = event;
  const isWide = pattern.by === "gateway" || pattern.by === "site";
  if (!selectsGateway(pattern.selector, set.context, event.gateway)) return;
  if (!isWide) {
    const place = { device, metric: pattern.by === "series" ? metric : "" };
    if (!isPlaceOf(pattern, place, set.context)) return;
  } else if (device !== "" && !pattern.selector.device(device, set.context.fleet.device(device))) {
    return;
  }
  const own = byPattern[pattern.order];
  const key = own && keyFor(patterns, own, device, metric);
  if (own === undefined || key === undefined) {
    count(patterns.counts.refused, pattern);
    return;
  }
  view.look(set.context, gateway, device, metric);
  view.tell(event.value, event.unit, "good");
  view.at = pattern.isReceived ? receivedAt : event.at;
  item.kind = "derived";
  item.at = view.at;
  item.id = event.id;
  item.device = device;
  item.metric = metric;
  item.series = -1;
  item.value = event.value;
  item.unit = event.unit;
  item.fits = own.fits;
  for (const [input, one] of pattern.inputs.entries()) {
    own.fits[input] = notConcerned;
    if (one.kind !== "derived" || one.name !== event.name) continue;
    const { predicate } = one;
    if (predicate === undefined) own.fits[input] = fits;
    else if (isWanted(predicate.wants, event.value, "good")) {
      own.fits[input] = testOf(patterns, pattern, predicate);
    }
  }
  takeItem(patterns, key, gateway, receivedAt, event.late);
}

/** Of the moments that have passed since the last tick one is told, to all keys of the rule. */
function takeSchedules(patterns: GatewayPatterns, own: PatternKeys, moment: PatternTick): void {
  const { pattern, due } = own;
  const { gateway, tick, gatewayAt } = moment;
  const passed: number[] = [];
  for (const [input, one] of pattern.inputs.entries()) {
    if (one.kind !== "schedule") continue;
    let next = due.get(input);
    if (next === undefined || next <= tick.at) {
      const first = next ?? nextMoment(one.cron, one.zone, tick.at);
      if (first <= tick.at) passed.push(input);
      next = first <= tick.at ? nextMoment(one.cron, one.zone, tick.at + 1) : first;
      due.set(input, next);
      patterns.revision += 1;
    }
  }
  if (passed.length === 0) return;
  if (pattern.by === "gateway" || pattern.by === "site") keyFor(patterns, own, "", "");
  const { item } = patterns;
  const receivedAt = gatewayAt ?? tick.at;
  for (const [, , key] of own.keys.entries()) {
    item.kind = "timer";
    item.at = key.present.now(gatewayAt ?? Number.NEGATIVE_INFINITY);
    if (item.at === Number.NEGATIVE_INFINITY) item.at = tick.at;
    item.id = tick.id;
    item.device = key.device;
    item.metric = key.metric;
    item.series = -1;
    item.value = null;
    item.unit = undefined;
    item.fits = own.fits;
    own.fits.fill(notConcerned);
    for (const input of passed) own.fits[input] = fits;
    const changes = key.present.takeTimer(item);
    if (changes.length > 0) tell(patterns, key, changes, { gateway, receivedAt, isLate: false });
    patterns.deadlines.set(key, key.present.wakeAt);
  }
}

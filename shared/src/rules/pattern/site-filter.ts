/**
 * What a gateway has that rules by site must be told, so that a site's state is the same as if it
 * were told all of it:
 *
 *   S1 A reading is sent where its series is new, or what it says to a condition is another thing
 *      than the last reading sent of it said; where each reading that fits counts (in count, rate,
 *      absence, as a step of a sequence), each that fits; by the device's time, each.
 *   S2 A reading that comes `behindMs` after the gateway had it, as after an outage, is late for its
 *      site, which did not wait for it. The first one in time again is sent whatever it says.
 *   S3 The gateway's time is sent once it has moved on by `tellEveryMs`, and where it steps back.
 *   S4 All that is sent is numbered, so that what gets lost is seen. Numbers hang on what is sent
 *      alone: a replay, which sends nothing, gives the same.
 *   S5 Bounded: at `seriesMax` series all are forgotten, and told anew as readings come.
 *
 * Encoded: {"version", "next": number, "told"?: ms, "series": [[device, metric, "digits"], …]}. What
 * other rules or another site made begins anew, but for the number where the site is the same.
 */
import type { RuleVerdict, SiteRules } from "../rule-set.ts";
import { SeriesMap } from "../series-map.ts";
import type { CompiledPattern } from "./compile.ts";
import { fitOf, GatewayPatterns, inputsOf, timeOf } from "./gateway-patterns.ts";
import { fits, notConcerned } from "./operator.ts";
import type { DerivedEvent, PatternReading } from "./pattern.ts";

/** S2. A gateway so far behind its site is not waited for either. */
export const behindMs = 180_000;
/** S3. */
export const tellEveryMs = 5_000;
/** S5. */
const seriesMax = 10_000;

/** Whether a detector rule finds the reading anomalous. */
export type SaidByRule = readonly [rule: string, isAnomalous: boolean];

export type SiteInput = { readonly n: number } & (
  | ({ readonly kind: "reading"; readonly said?: readonly SaidByRule[] } & Omit<
      PatternReading,
      "kind"
    >)
  | { readonly kind: "derived"; readonly gateway: string; readonly event: DerivedEvent }
  | { readonly kind: "time"; readonly gateway: string; readonly at: number }
);

interface Branch {
  readonly pattern: CompiledPattern;
  readonly inputs: readonly number[];
}

interface Series {
  readonly branches: readonly Branch[];
  /** What was sent last: a digit for each input of each branch, then 1 where it was late. */
  sent: string;
}

const notLate = "0";

export class SiteFilter {
  readonly rules: SiteRules;
  /** For its expressions and their counts alone. */
  readonly #patterns: GatewayPatterns;
  readonly #series = new SeriesMap<Series>();
  #next = 0;
  #toldAt: number | undefined;

  constructor(rules: SiteRules) {
    this.rules = rules;
    this.#patterns = new GatewayPatterns(rules.set);
  }

  get site(): string {
    return this.rules.set.context.site;
  }

  /** Grows with everything that is sent. */
  get next(): number {
    return this.#next;
  }

  /** Expressions that could not be evaluated; the site counts what it evaluates itself. */
  get counts(): GatewayPatterns["counts"] {
    return this.#patterns.counts;
  }

  /** S1, S2. `newestAt`: of the last tick before it, in ms. Undefined where it need not be sent. */
  take(
    reading: PatternReading,
    verdicts: readonly RuleVerdict[],
    newestAt: number | undefined,
  ): SiteInput | undefined {
    const { device, metric } = reading;
    let series = this.#series.get(device, metric);
    const isNew = series === undefined;
    if (series === undefined) {
      if (this.#series.size >= seriesMax) this.#series.clear();
      series = { branches: this.#branchesOf(reading), sent: "" };
      this.#series.set(device, metric, series);
    }
    if (series.branches.length === 0) return undefined;
    const isBehind = newestAt !== undefined && reading.receivedAt < newestAt - behindMs;
    const late = reading.late || isBehind;
    const { digits, isEach } = this.#judge(series, reading, verdicts);
    const sent = digits + (late ? "1" : notLate);
    if (!isNew && !isEach && sent === series.sent) return undefined;
    series.sent = sent;
    const said = saidOf(series.branches, verdicts);
    const input = { ...reading, kind: "reading" as const, late, n: this.#number() };
    return said.length === 0 ? input : { ...input, said };
  }

  takeDerived(event: DerivedEvent): SiteInput | undefined {
    const waiting = this.rules.set.waiting.get(event.name);
    if (waiting === undefined) return undefined;
    return { kind: "derived", gateway: event.gateway, event, n: this.#number() };
  }

  /** S3. */
  takeTime(gateway: string, at: number): SiteInput | undefined {
    const told = this.#toldAt;
    if (told !== undefined && at >= told && at - told < tellEveryMs) return undefined;
    this.#toldAt = at;
    return { kind: "time", gateway, at, n: this.#number() };
  }

  /** S4. */
  #number(): number {
    this.#next += 1;
    return this.#next - 1;
  }

  #branchesOf({
    gateway,
    device,
    metric,
  }: Pick<PatternReading, "gateway" | "device" | "metric">): readonly Branch[] {
    const { context, patterns } = this.rules.set;
    return patterns.flatMap((pattern) => {
      const inputs = inputsOf(pattern, context, gateway, device, metric);
      return inputs === undefined ? [] : [{ pattern, inputs }];
    });
  }

  #judge(
    { branches, sent }: Series,
    reading: PatternReading,
    verdicts: readonly RuleVerdict[],
  ): { readonly digits: string; readonly isEach: boolean } {
    const { view } = this.#patterns;
    const { gateway, device, metric, value, unit, quality } = reading;
    view.look(this.rules.set.context, gateway, device, metric);
    view.tell(value, unit, quality);
    let digits = "";
    let isEach = false;
    for (const { pattern, inputs } of branches) {
      view.at = timeOf(pattern, reading);
      for (const index of inputs) {
        const input = pattern.inputs[index];
        if (input === undefined) continue;
        const fit = fitOf(this.#patterns, pattern, input, reading, verdicts);
        const wantsEach = "isEach" in input && input.isEach && fit === fits;
        if (wantsEach || (!pattern.isReceived && fit !== notConcerned)) isEach = true;
        // What a reading does not concern stays as it was.
        digits += fit === notConcerned ? (sent[digits.length] ?? fit) : fit;
      }
    }
    return { digits, isEach };
  }

  /** For JSON. */
  encode(): unknown {
    const series: unknown[] = [];
    for (const [device, metric, { branches, sent }] of this.#series.entries()) {
      if (branches.length > 0) series.push([device, metric, sent]);
    }
    const told = this.#toldAt === undefined ? {} : { told: this.#toldAt };
    const { version } = this.rules;
    return { version, site: this.site, next: this.#next, ...told, series };
  }

  /** As new where `json` is none of these rules. */
  static decode(json: unknown, rules: SiteRules, gateway: string): SiteFilter {
    const filter = new SiteFilter(rules);
    if (typeof json !== "object" || json === null) return filter;
    const { version, site, next, told, series } = json as Readonly<Record<string, unknown>>;
    if (site !== filter.site || typeof next !== "number") return filter;
    filter.#next = next;
    if (version !== rules.version || !Array.isArray(series)) return filter;
    if (typeof told === "number") filter.#toldAt = told;
    for (const row of series as unknown[]) {
      const [device, metric, sent] = Array.isArray(row) ? (row as unknown[]) : [];
      if (typeof device !== "string" || typeof metric !== "string" || typeof sent !== "string") {
        continue;
      }
      const branches = filter.#branchesOf({ gateway, device, metric });
      const digits = branches.reduce((sum, { inputs }) => sum + inputs.length, 0);
      if (sent.length === digits + 1) filter.#series.set(device, metric, { branches, sent });
    }
    return filter;
  }
}

function saidOf(
  branches: readonly Branch[],
  verdicts: readonly RuleVerdict[],
): readonly SaidByRule[] {
  const asked = new Set(
    branches.flatMap(({ pattern: { inputs } }) => {
      return inputs.flatMap((input) => (input.kind === "rule" ? [input.rule] : []));
    }),
  );
  if (asked.size === 0) return [];
  return verdicts.flatMap(({ rule: { name }, verdict }): SaidByRule[] => {
    if (!asked.has(name) || verdict.kind === "unknown") return [];
    return [[name, verdict.kind === "anomalous"]];
  });
}

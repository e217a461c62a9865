/**
 * Rules made ready to judge readings: their detectors, versions, and which series of which gateway
 * each selects. Gateways that the same rules select share what was made ready for them.
 */
import type { Detector, Verdict } from "../detect/detector.ts";
import { normal } from "../detect/detector.ts";
import type { DetectorSettings } from "../detect/detectors.ts";
import { createDetector } from "../detect/detectors.ts";
import type { Reading } from "../event.ts";
import { siteIn } from "../names.ts";
import type { DerivedEvent } from "./derived-event.ts";
import { canonicalJson, digest } from "./digest.ts";
import type { Flap } from "./flap.ts";
import { flapOf } from "./flap.ts";
import type { Fleet, FleetDocument } from "./fleet.ts";
import { compileFleet, emptyFleet, isEmptyFleet } from "./fleet.ts";
import type { PatternContext, PatternSet } from "./pattern/compile.ts";
import { compilePatterns } from "./pattern/compile.ts";
import type { DetectorRule, PatternRule, Rule } from "./rule.ts";
import { withoutExamples } from "./rule.ts";
import { inOrder } from "./rule-chain.ts";
import type { RuleSelector } from "./rule-selector.ts";
import { ruleSelectorOf } from "./rule-selector.ts";
import type { Words } from "./rule-words.ts";
import { wordsOf } from "./rule-words.ts";
import { SeriesMap } from "./series-map.ts";
import type { Severity } from "./severity.ts";
import type { ShownReading } from "./shown-reading.ts";

/** At the bound the selections of all gateways are forgotten and made anew as readings come. */
export const selectionsMax = 65_536;
/** The same for what gateways have chosen. */
export const gatewaysMax = 65_536;
const versionDigits = 12;

/** What alerts know of a rule that is live or in shadow. */
export interface CompiledRule {
  readonly name: string;
  /** The same for equal rules; a rule with any setting changed has another. */
  readonly version: string;
  readonly severity: Severity;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  /** Undefined where an alert that flaps is not held. */
  readonly flap?: Flap | undefined;
  readonly mode: "live" | "shadow";
  /** What the alert says, where the rule has words of its own. */
  readonly words?: Words;
}

export interface CompiledDetectorRule extends CompiledRule {
  /** The same for equal detectors: their states can be exchanged. */
  readonly detectorVersion: string;
  readonly detector: Detector<unknown>;
}

/** What an alert is about; "" where it is about more than one device, or metric. */
export interface Place {
  readonly device: string;
  readonly metric: string;
}

export interface RuleVerdict {
  readonly rule: CompiledRule;
  readonly verdict: Verdict;
  /** Undefined: the series of the reading. */
  readonly place?: Place | undefined;
  /** Event time in ms, whether it is late, and what is shown, where not as the reading says. */
  readonly at?: number | undefined;
  readonly late?: boolean | undefined;
  readonly value?: Reading["value"] | undefined;
  readonly unit?: string | undefined;
  /** The readings that made it so, of a rule that looks at more than one series. */
  readonly evidence?: readonly ShownReading[] | undefined;
  /** What the rule emits at this moment. */
  readonly derived?: DerivedEvent | undefined;
}

/** The detector rules that judge a series. */
export interface Selection {
  readonly rules: readonly CompiledDetectorRule[];
  /** Shared: what they say, in their order, while nothing is wrong. */
  readonly normal: readonly RuleVerdict[];
}

/** Rules by site as one gateway knows them: what it has that they must be told. */
export interface SiteRules {
  readonly set: PatternSet;
  /** The same where equal rules look at the same site. */
  readonly version: string;
}

/** The rules of one gateway. */
export interface GatewayRules {
  /** It is out of service: no rule looks at it, nor is it missed. */
  readonly isOut: boolean;
  /** The device that a device's readings count as: itself, or one that it replaces. */
  seriesOf(device: string): string;
  /** Whether a detector rule may find something though nothing comes. */
  readonly missesReadings: boolean;
  /** Without rules where none selects the series. */
  select(device: string, metric: string): Selection;
  /** By series, device or gateway; of a site, by site. */
  readonly patterns: PatternSet;
  /** What is looked for in the whole site, with other gateways; undefined where nothing is. */
  readonly site: SiteRules | undefined;
  /** Whether a rule of this name, in this mode, may still say something of the place. */
  judges(alert: JudgedAlert): boolean;
}

interface JudgedAlert extends Place {
  readonly rule: string;
  readonly mode: CompiledRule["mode"];
}

export interface RuleSet {
  /** The same for equal lists of rules. */
  readonly version: string;
  readonly rules: readonly CompiledRule[];
  /** Whether a rule looks at whole sites. */
  readonly judgesSites: boolean;
  /** Of a gateway, or of a site's place (sitePlace). */
  of(gateway: string): GatewayRules;
}

interface Judging<Written extends Rule = Rule> {
  readonly rule: Written;
  readonly selector: RuleSelector;
}

interface JudgingDetector extends Judging<DetectorRule> {
  readonly compiled: CompiledDetectorRule;
}

export function compileRules(rules: readonly Rule[], document = emptyFleet): RuleSet {
  const fleet = compileFleet(document);
  const detectors: JudgingDetector[] = [];
  for (const rule of rules) {
    if (rule.mode === "off" || rule.detector === undefined) continue;
    const compiled = compile(rule, rule.mode, fleet);
    detectors.push({ rule, selector: ruleSelectorOf(rule), compiled });
  }
  const patterns = inOrder(rules).flatMap((rule): Judging<PatternRule>[] => {
    if (rule.mode === "off" || rule.detector !== undefined) return [];
    return [{ rule, selector: ruleSelectorOf(rule) }];
  });
  const all = patterns.map(({ rule }) => rule);
  const ofAll = compilePatterns(all, { site: "", labels: {}, fleet }); // throws where one is at fault
  const gateways = new Map<string, GatewayRules>();
  const choices = new Map<string, GatewayRules>();
  const selections = new Selections();
  return {
    version: digest(ruleSetValue(document, rules), versionDigits),
    rules: [...detectors.map(({ compiled }) => compiled), ...ofAll.patterns],
    judgesSites: all.some(({ by }) => by === "site"),
    of(gateway) {
      const known = gateways.get(gateway);
      if (known !== undefined) return known;
      if (gateways.size >= gatewaysMax) {
        gateways.clear();
        choices.clear();
      }
      const site = siteIn(gateway);
      if (site !== undefined) {
        const own = siteRules(patterns, fleet, site);
        gateways.set(gateway, own);
        return own;
      }
      const facts = fleet.gateway(gateway);
      const isChosen = ({ selector }: Judging) => selector.gateway(gateway, facts);
      const [own, ownPatterns] = [detectors.filter(isChosen), patterns.filter(isChosen)];
      const names = [...own, ...ownPatterns].map(({ rule }) => rule.name).join();
      // What expressions can see of a gateway makes a choice of its own, as does what is out of service.
      const shared = ownPatterns.length === 0 ? names : `${names} ${canonicalJson(facts)}`;
      const special = fleet.of(gateway);
      const key = special === undefined ? shared : `${shared} of ${gateway}`;
      const devices = special ?? fleet;
      const chosen = choices.get(key) ?? {
        isOut: facts.isOut ?? false,
        seriesOf: special?.seriesOf ?? itself,
        ...detectorsOf(own, selections, devices),
        patterns: compilePatterns(
          ownPatterns.flatMap(({ rule }) => (rule.by === "site" ? [] : [rule])),
          { ...facts, fleet: devices },
        ),
        site: siteRulesOf(ownPatterns, { ...facts, fleet: devices }),
        judges,
      };
      choices.set(key, chosen);
      gateways.set(gateway, chosen);
      return chosen;
    },
  };
}

/** A gateway whose site is not known has none. */
function siteRulesOf(
  patterns: readonly Judging<PatternRule>[],
  { site, labels, fleet }: PatternContext,
): SiteRules | undefined {
  const rules = patterns.flatMap(({ rule }) => (rule.by === "site" ? [rule] : []));
  if (rules.length === 0 || site === "") return undefined;
  const set = compilePatterns(rules, { site, labels, fleet });
  const versions = set.patterns.map(({ name, mode, patternVersion }) => [
    name,
    mode,
    patternVersion,
  ]);
  return { set, version: digest([site, versions], versionDigits) };
}

/** Of a site as a whole; one that the fleet does not know has none. */
function siteRules(
  patterns: readonly Judging<PatternRule>[],
  fleet: Fleet,
  site: string,
): GatewayRules {
  const rules = patterns.flatMap(({ rule, selector }) => {
    return rule.by === "site" && fleet.sites.has(site) && selector.site(site) ? [rule] : [];
  });
  const { gateway } = fleet;
  return {
    isOut: false,
    seriesOf: itself,
    missesReadings: false,
    select: () => nothingSelected,
    patterns: compilePatterns(rules, { site, labels: {}, fleet, gateway }),
    site: undefined,
    judges,
  };
}

function itself(device: string): string {
  return device;
}

const nothingSelected: Selection = { rules: [], normal: [] };

function judges(this: GatewayRules, alert: JudgedAlert): boolean {
  const { rule, mode, device, metric } = alert;
  if (this.patterns.judges(alert)) return true;
  return this.select(device, metric).rules.some((one) => one.name === rule && one.mode === mode);
}

/** What names a set of rules: that of today's rules stays the same where there is no fleet. */
export function ruleSetValue(fleet: FleetDocument, rules: readonly Rule[]): unknown {
  const judging = rules.map(withoutExamples);
  return isEmptyFleet(fleet) ? judging : { fleet, rules: judging };
}

function detectorsOf(
  detectors: readonly JudgingDetector[],
  selections: Selections,
  devices: Pick<Fleet, "device">,
) {
  return {
    missesReadings: detectors.some(({ compiled }) => compiled.detector.tick !== undefined),
    select: selections.among(detectors, devices),
  };
}

/** Which detectors judge which series; series that the same ones judge share a selection. */
class Selections {
  readonly #shared = new Map<string, Selection>();
  #count = 0;
  /** Grows when all that is remembered is forgotten. */
  #generation = 0;

  among(
    detectors: readonly JudgingDetector[],
    devices: Pick<Fleet, "device">,
  ): GatewayRules["select"] {
    const known = new SeriesMap<Selection>();
    let generation = this.#generation;
    return (device, metric) => {
      if (generation !== this.#generation) known.clear();
      generation = this.#generation;
      const cached = known.get(device, metric);
      if (cached !== undefined) return cached;
      if (this.#count >= selectionsMax) this.#forget();
      const facts = devices.device(device);
      const selection = this.#of(
        detectors.filter(({ selector }) => {
          return selector.device(device, facts) && selector.metric(metric);
        }),
      );
      known.set(device, metric, selection);
      this.#count += 1;
      return selection;
    };
  }

  #of(chosen: readonly JudgingDetector[]): Selection {
    const key = chosen.map(({ compiled }) => compiled.name).join();
    const shared = this.#shared.get(key) ?? selectionOf(chosen.map(({ compiled }) => compiled));
    this.#shared.set(key, shared);
    return shared;
  }

  #forget(): void {
    this.#generation += 1;
    this.#shared.clear();
    this.#count = 0;
  }
}

function selectionOf(rules: readonly CompiledDetectorRule[]): Selection {
  return { rules, normal: rules.map((rule) => ({ rule, verdict: normal })) };
}

function compile(
  rule: DetectorRule,
  mode: CompiledRule["mode"],
  fleet: Fleet,
): CompiledDetectorRule {
  const { name, severity, for: forMs, keepFiringFor: keepFiringForMs } = rule;
  const settings = detectorSettings(rule);
  return {
    name,
    version: digest(withoutExamples(rule), versionDigits),
    detectorVersion: digest(settings, versionDigits),
    detector: createDetector(settings),
    severity,
    forMs,
    keepFiringForMs,
    flap: flapOf(rule.flap),
    mode,
    ...wordsOf(rule, {
      siteOf: (gateway) => fleet.gateway(gateway).site,
      deviceOf: (device) => fleet.device(device),
    }),
  };
}

/** What is left of a rule without that which all rules have. */
function detectorSettings(rule: DetectorRule): DetectorSettings {
  const { name, devices, metrics, severity, for: _for, keepFiringFor, mode, ...rest } = rule;
  const { gateways, site, labels, tags, family, message, examples, flap, ...settings } = rest;
  return settings;
}

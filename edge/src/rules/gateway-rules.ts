/** Rules that a gateway can judge by. */
import type { Alerting, AlertingBounds } from "@causeway/shared/alert/alerting.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { compileFleet } from "@causeway/shared/rules/fleet.ts";
import type { PatternSet } from "@causeway/shared/rules/pattern/compile.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { ruleSelectorOf } from "@causeway/shared/rules/rule-selector.ts";
import type { GatewayRules as SelectingRules } from "@causeway/shared/rules/rule-set.ts";
import { compileRules, selectionsMax } from "@causeway/shared/rules/rule-set.ts";
import type { RulesDocument } from "@causeway/shared/rules/rules-document.ts";
import { rulesTextSchema, sourcesOf } from "@causeway/shared/rules/rules-document.ts";
import { SeriesMap } from "@causeway/shared/rules/series-map.ts";
import type { PlacedFault, SettingsFault } from "@causeway/shared/settings.ts";
import { loadSettings, SettingsInvalid } from "@causeway/shared/settings.ts";
import { faultsOfExamples } from "./example-replay.ts";

export interface GatewayRules extends RulesDocument {
  readonly source: string;
  /** The same for equal rules. */
  readonly version: string;
  readonly alerting: Alerting;
  /** Of the rules that raise alarms of this gateway: the cloud leaves them to it. */
  readonly names: readonly string[];
  /** Whether one of them looks at the series. */
  readonly selects: (device: string, metric: string) => boolean;
}

/** Where and within what they judge. */
export interface JudgingPlace {
  readonly gateway: GatewayId;
  readonly bounds: AlertingBounds;
}

export function rulesFrom(
  { rules, fleet }: RulesDocument,
  source: string,
  { gateway, bounds }: JudgingPlace,
): GatewayRules {
  const facts = compileFleet(fleet).gateway(gateway);
  const own = rules.filter((rule) => ruleSelectorOf(rule).gateway(gateway, facts));
  const names = own.flatMap(({ name, mode }) => (mode === "live" ? [name] : []));
  const ruleSet = compileRules(rules, fleet);
  const alerting = createAlerting(ruleSet, bounds);
  const { version } = ruleSet;
  return {
    rules,
    fleet,
    source,
    version,
    alerting,
    names,
    selects: selectsOf(ruleSet.of(gateway)),
  };
}

function selectsOf({ isOut, seriesOf, select, patterns }: SelectingRules): GatewayRules["selects"] {
  const known = new SeriesMap<boolean>();
  return (own, metric) => {
    const before = known.get(own, metric);
    if (before !== undefined) return before;
    const device = seriesOf(own);
    const isSelected =
      !isOut && (select(device, metric).rules.length > 0 || isInput(patterns, own, metric));
    if (known.size >= selectionsMax) known.clear();
    known.set(own, metric, isSelected);
    return isSelected;
  };
}

function isInput({ patterns, context }: PatternSet, device: string, metric: string): boolean {
  return patterns.some(({ inputs, selector }) => {
    const isSelected = selector.device(device, context.fleet.device(device));
    if (!isSelected || !selector.metric(metric)) return false;
    return inputs.some((input) => {
      return input.kind === "leaf" && input.device(device) && input.metric(metric);
    });
  });
}

/** What only the cloud can judge. */
export function faultsAtGateway(rules: readonly Rule[]): readonly SettingsFault[] {
  return rules.flatMap((rule, index) => {
    if (rule.detector !== undefined || rule.by !== "site") return [];
    const message = "a gateway does not see its whole site: give this rule to the cloud";
    return [{ path: ["rules", index, "by"], message }];
  });
}

/** Throws CONFIG_INVALID where the cloud alone can judge by them. */
export function checkedForGateway(document: RulesDocument, source: string): RulesDocument {
  const faults = faultsAtGateway(document.rules);
  if (faults.length === 0) return document;
  throw new SettingsInvalid(
    faults.map(({ path, message }) => ({ place: source, path: path.join("."), message })),
  );
}

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function parseGatewayRules(text: string, source: string): RulesDocument {
  return loadSettings(rulesTextSchema, sourcesOf(text, source), ({ rules }) =>
    faultsAtGateway(rules),
  );
}

/** What the rules of a good text do otherwise than their examples say. */
export function exampleFaultsOf(text: string, source: string): readonly PlacedFault[] {
  try {
    loadSettings(rulesTextSchema, sourcesOf(text, source), faultsOfAllExamples);
    return [];
  } catch (failure) {
    if (failure instanceof SettingsInvalid) return failure.faults;
    throw failure;
  }
}

/** Paths begin at the settings that hold the rules. */
export function faultsOfAllExamples({ rules, fleet }: RulesDocument) {
  return faultsOfExamples(rules, fleet).map(({ path, message }) => ({
    path: ["rules", ...path],
    message,
  }));
}

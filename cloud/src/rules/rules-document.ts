/** Rules that the cloud can put in force, and what their examples say. */
import type { FoundRules, RulesDocument } from "@causeway/shared/rules/rules-document.ts";
import { faultsThrown, rulesTextSchema, sourcesOf } from "@causeway/shared/rules/rules-document.ts";
import type { PlacedFault, SettingsFault } from "@causeway/shared/settings.ts";
import { loadSettings } from "@causeway/shared/settings.ts";
import { faultsOfExamples } from "../alert/example-replay.ts";
import type { RuleSetToKeep } from "../ticks/rule-sets.ts";
import { ruleSetToKeep } from "../ticks/rule-sets.ts";

export type { RulesDocument } from "@causeway/shared/rules/rules-document.ts";
export {
  examplesIn,
  faultsThrown,
  findRules,
  parseRules,
} from "@causeway/shared/rules/rules-document.ts";

/** Rules that can be put in force, and where they are from. */
export interface LoadedRules extends RulesDocument {
  readonly source: string;
  readonly ruleSet: RuleSetToKeep;
}

export type Found = FoundRules<LoadedRules>;

/** Throws CONFIG_INVALID where the rules are too large to be kept. */
export function loadedFrom({ rules, fleet }: RulesDocument, source: string): LoadedRules {
  return { rules, fleet, source, ruleSet: ruleSetToKeep(rules, fleet) };
}

/** What the rules of a good text do otherwise than their examples say. */
export function exampleFaults(text: string, source: string): readonly PlacedFault[] {
  return faultsThrown(() =>
    loadSettings(rulesTextSchema, sourcesOf(text, source), faultsOfAllExamples),
  );
}

/** Paths begin at the settings that hold the rules. */
export function faultsOfAllExamples({ rules, fleet }: RulesDocument): readonly SettingsFault[] {
  return faultsOfExamples(rules, fleet).map(({ path, message }) => {
    return { path: ["rules", ...path], message };
  });
}

/**
 * Rules in a text of their own, a file or the key of bucket RULES:
 *
 *   rules:
 *     - { name: freezer-warm, detector: limits, hi: -15 }
 *   fleet:                # may be left out
 *     devices: [{ match: ["freezer-*"], tags: [cold] }]
 *
 * `rules` may not be left out: a text that is cut off, or empty, must not stand for the default rules.
 */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import type { PlacedFault, SettingsFault } from "@causeway/shared/settings.ts";
import { loadSettings, SettingsInvalid } from "@causeway/shared/settings.ts";
import { rulesTextBytesMax } from "@causeway/shared/streams.ts";
import { z } from "zod";
import { faultsOfExamples } from "../alert/example-replay.ts";
import type { RuleSetToKeep } from "../ticks/rule-sets.ts";
import { ruleSetToKeep } from "../ticks/rule-sets.ts";

export interface RulesDocument {
  readonly rules: readonly Rule[];
  readonly fleet: FleetDocument;
}

/** Rules that can be put in force, and where they are from. */
export interface LoadedRules extends RulesDocument {
  readonly source: string;
  readonly ruleSet: RuleSetToKeep;
}

/** What a place for rules holds. */
export type Found =
  | { readonly kind: "good"; readonly rules: LoadedRules }
  | {
      readonly kind: "refused";
      readonly source: string;
      readonly reason: string;
      readonly cause: unknown;
    };

const given = z.unknown().refine((value) => value !== undefined, "write rules:, and [] for none");

export const rulesTextSchema = z.strictObject({
  rules: given.pipe(rulesSchema.unwrap()),
  fleet: fleetSchema,
});

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE; `source` is what its faults are placed in. */
export function parseRules(text: string, source: string): RulesDocument {
  const bytes = Buffer.byteLength(text);
  if (bytes > rulesTextBytesMax) throw tooLarge(source, bytes);
  return loadSettings(rulesTextSchema, sourcesOf(text, source));
}

export function tooLarge(source: string, bytes: number): CodedError {
  const cure = "write fewer rules, or fewer examples";
  const fault = `${source}: ${bytes} bytes of ${rulesTextBytesMax}: ${cure}`;
  return new CodedError("CONFIG_INVALID", fault);
}

/** Throws CONFIG_INVALID where the rules are too large to be kept. */
export function loadedFrom({ rules, fleet }: RulesDocument, source: string): LoadedRules {
  return { rules, fleet, source, ruleSet: ruleSetToKeep(rules, fleet) };
}

/** Whatever is thrown is a refusal: a text that no process survives would end them all, again and again. */
export function findRules(source: string, read: () => LoadedRules): Found {
  try {
    return { kind: "good", rules: read() };
  } catch (failure) {
    return refusedBy(source, failure);
  }
}

export function refusedBy(source: string, cause: unknown): Found {
  return { kind: "refused", source, reason: reasonOf(cause), cause };
}

/** What the rules of a good text do otherwise than their examples say. */
export function exampleFaults(text: string, source: string): readonly PlacedFault[] {
  return faultsThrown(() =>
    loadSettings(rulesTextSchema, sourcesOf(text, source), faultsOfAllExamples),
  );
}

export function faultsThrown(load: () => unknown): readonly PlacedFault[] {
  try {
    load();
    return [];
  } catch (failure) {
    if (failure instanceof SettingsInvalid) return failure.faults;
    throw failure;
  }
}

/** Paths begin at the settings that hold the rules. */
export function faultsOfAllExamples({ rules, fleet }: RulesDocument): readonly SettingsFault[] {
  return faultsOfExamples(rules, fleet).map(({ path, message }) => {
    return { path: ["rules", ...path], message };
  });
}

export function examplesIn(rules: readonly Rule[]): number {
  return rules.reduce((count, { examples = [] }) => count + examples.length, 0);
}

function sourcesOf(text: string, fileName: string) {
  return { fileName, text, environment: {}, sets: [] };
}

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
import { z } from "zod";
import { CodedError, reasonOf } from "../errors.ts";
import type { PlacedFault } from "../settings.ts";
import { loadSettings, SettingsInvalid } from "../settings.ts";
import { rulesTextBytesMax } from "../streams.ts";
import type { FleetDocument } from "./fleet.ts";
import { fleetSchema } from "./fleet.ts";
import type { Rule } from "./rule.ts";
import { rulesSchema } from "./rule.ts";

export interface RulesDocument {
  readonly rules: readonly Rule[];
  readonly fleet: FleetDocument;
}

/** What a place for rules holds. */
export type FoundRules<Loaded> =
  | { readonly kind: "good"; readonly rules: Loaded }
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

export const fewerRules = "write fewer rules, or fewer examples";

function tooLarge(source: string, bytes: number): CodedError {
  const fault = `${source}: ${bytes} bytes of ${rulesTextBytesMax}: ${fewerRules}`;
  return new CodedError("CONFIG_INVALID", fault);
}

/** Whatever is thrown is a refusal: a text that no process survives would end them all, again and again. */
export function findRules<Loaded>(source: string, read: () => Loaded): FoundRules<Loaded> {
  try {
    return { kind: "good", rules: read() };
  } catch (failure) {
    return refusedBy(source, failure);
  }
}

export function refusedBy(source: string, cause: unknown): FoundRules<never> {
  return { kind: "refused", source, reason: reasonOf(cause), cause };
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

export function examplesIn(rules: readonly Rule[]): number {
  return rules.reduce((count, { examples = [] }) => count + examples.length, 0);
}

export function sourcesOf(text: string, fileName: string) {
  return { fileName, text, environment: {}, sets: [] };
}

/** What differs between two texts of rules: rules by name and what is set in them, not how it is written. */
import { canonicalJson } from "@causeway/shared/rules/digest.ts";
import type { RulesDocument } from "./rules-document.ts";

export interface RulesDifference {
  /** Of the rule; "(fleet)" or "(rules)" for what is none. */
  readonly name: string;
  readonly what: "added" | "removed" | "changed" | "moved";
  /** Of the setting inside of it; "" for the whole rule. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

export function differencesOf(
  before: RulesDocument,
  after: RulesDocument,
): readonly RulesDifference[] {
  const [old, now] = [namesOf(before), namesOf(after)];
  const found = [...new Set([...old.keys(), ...now.keys()])].flatMap((name) =>
    differencesIn(name, old.get(name), now.get(name)),
  );
  const common = (names: Iterable<string>, other: ReadonlyMap<string, unknown>) =>
    [...names].filter((name) => other.has(name)).join();
  const isMoved = common(old.keys(), now) !== common(now.keys(), old);
  const orders = { before: [...old.keys()], after: [...now.keys()] };
  const moved = { name: "(rules)", what: "moved", path: "order", ...orders } as const;
  // What is out of service is said of devices, and stands in no text.
  const written = ({ fleet }: RulesDocument) => ({ ...fleet, service: undefined });
  const fleet = differencesIn("(fleet)", written(before), written(after));
  return isMoved ? [...found, moved, ...fleet] : [...found, ...fleet];
}

export function differenceText({ name, what, path, before, after }: RulesDifference): string {
  const [old, now] = [before, after].map((value) => shortened(value));
  if (what === "added" && path === "") return `+ ${name}`;
  if (what === "removed" && path === "") return `- ${name}`;
  if (what === "added") return `~ ${name}  ${path}: ${now} (new)`;
  if (what === "removed") return `~ ${name}  ${path}: ${old} (gone)`;
  return `~ ${name}  ${path}: ${old} -> ${now}`;
}

const shownCharactersMax = 200;

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}…`;
}

function namesOf({ rules }: RulesDocument): ReadonlyMap<string, unknown> {
  return new Map(rules.map((rule) => [rule.name, rule]));
}

function differencesIn(
  name: string,
  before: unknown,
  after: unknown,
  path: readonly string[] = [],
): readonly RulesDifference[] {
  if (before === after) return [];
  const place = { name, path: path.join("."), before, after };
  if (before === undefined) return [{ ...place, what: "added" }];
  if (after === undefined) return [{ ...place, what: "removed" }];
  if (!isRecord(before) || !isRecord(after)) {
    return canonicalJson(before) === canonicalJson(after) ? [] : [{ ...place, what: "changed" }];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differencesIn(name, before[key], after[key], [...path, key]));
}

/** Lists are shown whole. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

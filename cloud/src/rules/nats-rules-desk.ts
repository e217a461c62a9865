/** Rules as the API shows and changes them: those in bucket RULES, the configuration's beside them. */
import { CodedError } from "@causeway/shared/errors.ts";
import { canonicalJson } from "@causeway/shared/rules/digest.ts";
import type { Mode } from "@causeway/shared/rules/rule.ts";
import { rulesIn, textOfRules, withMode } from "@causeway/shared/rules/rules-text.ts";
import type { PlacedFault } from "@causeway/shared/settings.ts";
import { SettingsInvalid } from "@causeway/shared/settings.ts";
import { rulesRevisionsMax } from "@causeway/shared/streams.ts";
import type { Configured } from "./file-rules.ts";
import { configuredRules, readRulesText } from "./file-rules.ts";
import type { NatsRulesStore } from "./nats-rules-store.ts";
import type { RulesDifference } from "./rules-diff.ts";
import { differencesOf } from "./rules-diff.ts";
import type { LoadedRules, RulesDocument } from "./rules-document.ts";
import {
  exampleFaults,
  examplesIn,
  faultsThrown,
  loadedFrom,
  parseRules,
} from "./rules-document.ts";
import type { HistoryLine, RuleLine } from "./rules-list.ts";
import { historyLine, ruleLines } from "./rules-list.ts";
import type { RulesRevision } from "./rules-revision.ts";
import type { Refused } from "./wanted-rules.ts";

export interface RulesDeskParts {
  readonly store: NatsRulesStore;
  readonly config: Configured;
  /** What its rules are called where they stand in it. */
  readonly configName: string;
  readonly current: () => LoadedRules;
  readonly refused: () => readonly Refused[];
  /** The rule set that the journal's last tick names. */
  readonly named: () => string | undefined;
}

export interface ShownRules {
  readonly source: string;
  /** Of the key; 0 where there never was one. */
  readonly revision: number;
  /** They are of bucket RULES. */
  readonly isOwn: boolean;
  readonly text: string;
  readonly inForce: boolean;
  readonly refused: readonly Refused[];
  readonly rules: readonly RuleLine[];
}

export interface CheckedRules {
  readonly good: boolean;
  readonly rules: number;
  readonly examples: number;
  readonly faults: readonly PlacedFault[];
  /** Of examples. */
  readonly failures: readonly PlacedFault[];
  /** Against what is there. */
  readonly changes: readonly RulesDifference[];
}

/** What a text that is not kept yet is called in faults. */
const draft = "rules";

export class NatsRulesDesk {
  readonly #parts: RulesDeskParts;

  constructor(parts: RulesDeskParts) {
    this.#parts = parts;
  }

  async shown(): Promise<ShownRules> {
    const { store, current, refused, named } = this.#parts;
    const last = await store.last();
    const isOwn = last?.kind === "put";
    const text = isOwn ? last.text : this.#configuredText();
    const loaded = current();
    const lines = ruleLines(loaded, named());
    return {
      ...{ source: loaded.source, revision: last?.revision ?? 0, isOwn, text },
      ...{ inForce: named() === loaded.ruleSet.name, refused: refused(), rules: lines },
    };
  }

  check(text: string): CheckedRules {
    let document: RulesDocument | undefined;
    const faults = faultsIn(() => {
      document = loadedFrom(parseRules(text, draft), draft);
    });
    if (document === undefined)
      return { good: false, rules: 0, examples: 0, faults, failures: [], changes: [] };
    const failures = exampleFaults(text, draft);
    const { rules } = document;
    return {
      ...{ good: failures.length === 0, rules: rules.length, examples: examplesIn(rules) },
      ...{ faults, failures, changes: differencesOf(this.#parts.current(), document) },
    };
  }

  /** The new revision. Throws CONFIG_INVALID, for an example that fails too, or RULES_CHANGED. */
  async put(text: string, note: string, expected: number | undefined): Promise<number> {
    mustBeGood(text);
    return this.#write(expected, (last) => this.#parts.store.put(text, note, last));
  }

  /** Throws RULES_CHANGED, or RULES_UNKNOWN where there are none. */
  async remove(note: string, expected: number | undefined): Promise<number> {
    if ((await this.#parts.store.last())?.kind !== "put") throw noKey();
    return this.#write(expected, (last) => this.#parts.store.remove(note, last));
  }

  /** Throws as put, and RULES_UNKNOWN. */
  async setMode(name: string, mode: Mode, note: string): Promise<number> {
    const last = await this.#parts.store.last();
    if (last?.kind !== "put") throw noKey();
    const before = parseRules(last.text, draft).rules.find((rule) => rule.name === name)?.mode;
    const text = withMode(last.text, name, mode);
    mustBeGood(text);
    const said = note === "" ? `${name}: ${before} -> ${mode}` : note;
    return this.#write(last.revision, (revision) => this.#parts.store.put(text, said, revision));
  }

  async history(): Promise<readonly HistoryLine[]> {
    return (await this.#parts.store.history()).map(historyLine);
  }

  /** Throws RULES_UNKNOWN. */
  async revision(wanted: number): Promise<RulesRevision> {
    const found = (await this.#parts.store.history()).find(({ revision }) => revision === wanted);
    if (found !== undefined) return found;
    const cure = `the last ${rulesRevisionsMax} are kept`;
    throw new CodedError("RULES_UNKNOWN", `revision ${wanted} is not there: ${cure}`);
  }

  async #write(
    expected: number | undefined,
    append: (last: number) => Promise<number | undefined>,
  ): Promise<number> {
    const found = (await this.#parts.store.last())?.revision ?? 0;
    const why = `revision ${found} is there`;
    if (expected !== undefined && expected !== found)
      throw new CodedError("RULES_CHANGED", `${why}, not ${expected}`);
    const revision = await append(found);
    if (revision !== undefined) return revision;
    throw new CodedError("RULES_CHANGED", "someone else changed the rules just now");
  }

  #configuredText(): string {
    const { config, configName } = this.#parts;
    if (config.rulesFile !== undefined) return readRulesText(config.rulesFile);
    const { rules, fleet } = configuredRules(config, configName);
    return this.#textAsWritten(rules) ?? textOfRules({ rules, fleet });
  }

  /** Undefined where there is no such file, or what it says was overridden. */
  #textAsWritten(rules: RulesDocument["rules"]): string | undefined {
    const { configName } = this.#parts;
    try {
      const text = rulesIn(readRulesText(configName));
      if (text === undefined) return undefined;
      const isSame = canonicalJson(parseRules(text, configName).rules) === canonicalJson(rules);
      return isSame ? text : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Of what is no YAML or too large, too. */
function faultsIn(load: () => void): readonly PlacedFault[] {
  try {
    return faultsThrown(load);
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    return [{ place: draft, path: "(top)", message: failure.message }];
  }
}

function mustBeGood(text: string): void {
  loadedFrom(parseRules(text, draft), draft);
  const failures = exampleFaults(text, draft);
  if (failures.length > 0) throw new SettingsInvalid(failures);
}

function noKey(): CodedError {
  const cure = "change them in their file, or put that";
  const why = `bucket RULES has no rules, the configuration's count: ${cure}`;
  return new CodedError("RULES_UNKNOWN", why);
}

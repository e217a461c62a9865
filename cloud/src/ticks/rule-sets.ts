/**
 * Rule sets by name. One is never changed, and kept as long as the stream that holds snapshots and
 * checkpoints: it is restored from a backup together with what names it.
 *
 *   rules.<name> on ENGINE: {"v": 1, "rules": [as in cloud.yaml, defaults filled in, without
 *                            examples], "fleet"?: the same}
 */

import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { digest } from "@causeway/shared/rules/digest.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { emptyFleet, isEmptyFleet } from "@causeway/shared/rules/fleet.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { withoutExamples } from "@causeway/shared/rules/rule.ts";
import { compileRules, ruleSetValue } from "@causeway/shared/rules/rule-set.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { EngineStore } from "../engine/engine-store.ts";

const nameDigits = 32;
/** A message of the server's default max_payload holds it. */
const bytesMax = 900 * 1_024;
/** Each is some thousand objects; a replay rarely meets more. */
const readyMax = 8;

export interface RuleSets {
  /** Name of this process' own rules; they are always there, and may change. */
  readonly own: string;
  /** Ready to judge by; undefined where no such set is kept, or this build cannot read it. */
  alertingOf(name: string): Promise<Alerting | undefined>;
}

export interface NamedRules {
  readonly name: string;
  readonly alerting: Alerting;
}

export function ruleSetName(rules: readonly Rule[], fleet = emptyFleet): string {
  return digest(ruleSetValue(fleet, rules), nameDigits);
}

/** A set that can be judged by, and its text as it is kept. */
export interface RuleSetToKeep extends NamedRules {
  readonly text: string;
}

/** Throws CONFIG_INVALID where the rules are too large to be kept. */
export function ruleSetToKeep(rules: readonly Rule[], fleet = emptyFleet): RuleSetToKeep {
  const kept = { v: 1, rules: rules.map(withoutExamples) };
  const text = JSON.stringify(isEmptyFleet(fleet) ? kept : { ...kept, fleet });
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) {
    const cure = "write fewer rules, or shorter patterns";
    throw new CodedError("CONFIG_INVALID", `rules: ${bytes} bytes of ${bytesMax}: ${cure}`);
  }
  const alerting = createAlerting(compileRules(rules, fleet));
  return { name: ruleSetName(rules, fleet), alerting, text };
}

/** The rules of a set that is kept; undefined where it is not, or this build cannot read it. */
export async function loadRuleSet(store: EngineStore, name: string): Promise<Kept | undefined> {
  const [found] = await store.loadLast(subjects.ruleSet(name));
  const isGood = found !== undefined && alertingFrom(name, found.text) !== undefined;
  return isGood ? (JSON.parse(found.text) as Kept) : undefined;
}

export class KeptRuleSets implements RuleSets {
  readonly #store: EngineStore;
  #own: RuleSetToKeep;
  readonly #ready = new Map<string, Alerting>();

  /** Throws CONFIG_INVALID where the rules are too large to be kept. */
  constructor(store: EngineStore, rules: readonly Rule[], fleet = emptyFleet) {
    this.#store = store;
    this.#own = ruleSetToKeep(rules, fleet);
  }

  get own(): string {
    return this.#own.name;
  }

  /** Others become the own ones. */
  change(own: RuleSetToKeep): void {
    if (own.name === this.own) return;
    // Engines judge by the former ones until a tick names these.
    this.#remember(this.#own.name, this.#own.alerting);
    this.#own = own;
  }

  /** Resolves once the rules that are the own ones now are kept. */
  async keepOwn(): Promise<void> {
    const { name, text } = this.#own;
    const subject = subjects.ruleSet(name);
    if ((await this.#store.loadLast(subject)).length > 0) return;
    const message = { subject, data: text, rollup: false, expectedLast: 0 };
    const outcome = await this.#store.commit([message]);
    if (outcome.kind === "committed") return;
    // Another process with the same rules may have been first.
    if ((await this.#store.loadLast(subject)).length > 0) return;
    throw new Error(`the rules are not kept yet: ${outcome.reason}`);
  }

  async alertingOf(name: string): Promise<Alerting | undefined> {
    if (name === this.own) return this.#own.alerting;
    const ready = this.#ready.get(name);
    if (ready !== undefined) return ready;
    const [found] = await this.#store.loadLast(subjects.ruleSet(name));
    const alerting = found === undefined ? undefined : alertingFrom(name, found.text);
    if (alerting !== undefined) this.#remember(name, alerting);
    return alerting;
  }

  #remember(name: string, alerting: Alerting): void {
    const [oldest] = this.#ready.keys();
    if (this.#ready.size >= readyMax && oldest !== undefined) this.#ready.delete(oldest);
    this.#ready.set(name, alerting);
  }
}

/** A newer build's may say what this one does not understand. */
function alertingFrom(name: string, text: string): Alerting | undefined {
  try {
    const { rules, fleet = emptyFleet } = JSON.parse(text) as Kept;
    if (ruleSetName(rules, fleet) !== name) return undefined;
    const ruleSet = compileRules(rules, fleet);
    const isKnown = (rule: object) => !("detector" in rule) || rule.detector !== undefined;
    return ruleSet.rules.every(isKnown) ? createAlerting(ruleSet) : undefined;
  } catch {
    return undefined;
  }
}

export interface Kept {
  readonly rules: readonly Rule[];
  readonly fleet?: FleetDocument;
}

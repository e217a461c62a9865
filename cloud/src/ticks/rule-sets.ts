/**
 * Rule sets by name. One is never changed, and kept as long as the stream that holds snapshots and
 * checkpoints: it is restored from a backup together with what names it.
 *
 *   rules.<name> on ENGINE: {"v": 1, "rules": [as in cloud.yaml, defaults filled in]}
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { digest } from "@causeway/shared/rules/digest.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { Alerting } from "../alert/alerting.ts";
import { createAlerting } from "../alert/alerting.ts";
import type { EngineStore } from "../engine/engine-store.ts";

const nameDigits = 32;
/** A message of the server's default max_payload holds it. */
const bytesMax = 900 * 1_024;
/** Each is some thousand objects; a replay rarely meets more. */
const readyMax = 8;

export interface RuleSets {
  /** Name of the rules that this process is configured with; they are always there. */
  readonly own: string;
  /** Ready to judge by; undefined where no such set is kept, or this build cannot read it. */
  alertingOf(name: string): Promise<Alerting | undefined>;
}

export interface NamedRules {
  readonly name: string;
  readonly alerting: Alerting;
}

export function ruleSetName(rules: readonly Rule[]): string {
  return digest(rules, nameDigits);
}

export class KeptRuleSets implements RuleSets {
  readonly own: string;
  readonly #store: EngineStore;
  readonly #ownText: string;
  readonly #ownAlerting: Alerting;
  readonly #ready = new Map<string, Alerting>();

  /** Throws CONFIG_INVALID where the rules are too large to be kept. */
  constructor(store: EngineStore, rules: readonly Rule[]) {
    this.#store = store;
    this.own = ruleSetName(rules);
    this.#ownText = JSON.stringify({ v: 1, rules });
    this.#ownAlerting = createAlerting(compileRules(rules));
    const bytes = Buffer.byteLength(this.#ownText);
    if (bytes <= bytesMax) return;
    const cure = "write fewer rules, or shorter patterns";
    throw new CodedError("CONFIG_INVALID", `rules: ${bytes} bytes of ${bytesMax}: ${cure}`);
  }

  /** Resolves once the own rules are kept. */
  async keepOwn(): Promise<void> {
    const subject = subjects.ruleSet(this.own);
    if ((await this.#store.loadLast(subject)).length > 0) return;
    const message = { subject, data: this.#ownText, rollup: false, expectedLast: 0 };
    const outcome = await this.#store.commit([message]);
    if (outcome.kind === "committed") return;
    // Another process with the same rules may have been first.
    if ((await this.#store.loadLast(subject)).length > 0) return;
    throw new Error(`the rules are not kept yet: ${outcome.reason}`);
  }

  async alertingOf(name: string): Promise<Alerting | undefined> {
    if (name === this.own) return this.#ownAlerting;
    const ready = this.#ready.get(name);
    if (ready !== undefined) return ready;
    const [found] = await this.#store.loadLast(subjects.ruleSet(name));
    const alerting = found === undefined ? undefined : alertingFrom(name, found.text);
    if (alerting === undefined) return undefined;
    const [oldest] = this.#ready.keys();
    if (this.#ready.size >= readyMax && oldest !== undefined) this.#ready.delete(oldest);
    this.#ready.set(name, alerting);
    return alerting;
  }
}

/** Rules of a newer build may name detectors that this one does not have. */
function alertingFrom(name: string, text: string): Alerting | undefined {
  try {
    const { rules } = JSON.parse(text) as { rules: readonly Rule[] };
    if (ruleSetName(rules) !== name) return undefined;
    const ruleSet = compileRules(rules);
    const isKnown = ruleSet.rules.every(({ detector }) => (detector as unknown) !== undefined);
    return isKnown ? createAlerting(ruleSet) : undefined;
  } catch {
    return undefined;
  }
}

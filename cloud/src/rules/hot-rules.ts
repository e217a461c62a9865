/**
 * Rules that change while the cloud runs: looks at their places, hands over what is wanted now, and
 * tells by an alert where something is refused.
 *
 *   H1  Rules are handed over only when others are wanted, by their name: what reads the same is no
 *       change.
 *   H2  A place that cannot be asked has not changed.
 *   H3  What is refused is told again each minute, in case that another process has ended the alert;
 *       its end is told once, at the start or when nothing is refused any more: others may have a
 *       broken file of their own.
 *   H4  What operators take out of service belongs to the rules, whatever place these are from.
 */

import type { Finding } from "@causeway/shared/alert/deployment-alert.ts";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Found, LoadedRules } from "./rules-document.ts";
import type { Refused, WantedRules } from "./wanted-rules.ts";

/** The key of bucket RULES; nats-rules-key.ts is the real one. */
export interface RulesKey {
  readonly revision: number;
  /** "same" where it is what it was at the last look. Rejects where it cannot be asked. */
  look(): Promise<"same" | "none" | Found>;
}

/** The configuration's file; file-rules.ts is the real one. */
export interface RulesFile {
  start(changed: (found: Found) => void): void;
  reload(): void;
  stop(): void;
}

export interface HotRulesParts {
  readonly wanted: WantedRules;
  readonly key: RulesKey;
  /** Undefined where the rules stand in the configuration itself. */
  readonly file: RulesFile | undefined;
  /** H4. */
  readonly inService?: (rules: LoadedRules) => LoadedRules;
  /** Puts others in force, sooner or later. */
  readonly change: (rules: LoadedRules) => void;
  readonly tell: (finding: Finding) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
}

const lookEveryMs = 2_000;
const tellEveryMs = 60_000;
const reasonCharactersMax = 500;

export interface HotRulesStatus {
  readonly source: string;
  readonly refused: readonly Refused[];
  /** Of the key; 0 where it is not there. */
  readonly revision: number;
  readonly changes: number;
}

export class HotRules {
  readonly #parts: HotRulesParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #wake: Cancel = () => {};
  #current: LoadedRules;
  #hadKey: boolean;
  #refused = "";
  #isAway = false;
  #changes = 0;
  #told: { readonly isWrong: boolean; readonly atMs: number } | undefined;

  constructor(parts: HotRulesParts) {
    this.#parts = parts;
    this.#current = this.#wanted();
    this.#hadKey = parts.wanted.hasKey;
  }

  start(): void {
    const { wanted, file, log } = this.#parts;
    const { source, rules } = this.#current;
    log.info({ source, rules: rules.length, key: wanted.hasKey }, "rules to begin with");
    this.#tellRefused();
    file?.start((found) => {
      wanted.configurationHas(found);
      this.#settle();
    });
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#parts.file?.stop();
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  /** Reads all places anew. */
  reload(): void {
    this.#parts.file?.reload();
    this.#wake();
  }

  /** Those in force. */
  get current(): LoadedRules {
    return this.#current;
  }

  status(): HotRulesStatus {
    const { wanted, key } = this.#parts;
    return {
      source: this.#current.source,
      refused: wanted.refused,
      revision: wanted.hasKey ? key.revision : 0,
      changes: this.#changes,
    };
  }

  /** Resolves once the key was looked at after this call; never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookOnce());
    return this.#looking;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.look();
      await this.#tell();
      const pause = new AbortController();
      this.#wake = () => pause.abort();
      if (signal.aborted) return;
      await sleep(clock, lookEveryMs, pause.signal);
    }
  }

  /** H2 */
  async #lookOnce(): Promise<void> {
    const { key, wanted, log } = this.#parts;
    try {
      const found = await key.look();
      this.#isAway = false;
      if (found !== "same") wanted.keyHas(found === "none" ? undefined : found);
      this.#settle();
    } catch (failure) {
      const reason = reasonOf(failure);
      if (!this.#isAway) log.warn({ reason }, "the rules in bucket RULES cannot be asked for");
      this.#isAway = true;
    }
  }

  /** H4 */
  #wanted(): LoadedRules {
    const { wanted, inService } = this.#parts;
    return inService === undefined ? wanted.current : inService(wanted.current);
  }

  /** H1 */
  #settle(): void {
    const { wanted, change, log } = this.#parts;
    if (wanted.hasKey !== this.#hadKey) {
      this.#hadKey = wanted.hasKey;
      const what = this.#hadKey
        ? "bucket RULES has the key rules: it goes before the configuration's"
        : "bucket RULES has no key any more: the configuration's rules count";
      log.info({}, what);
    }
    this.#tellRefused();
    const before = this.#current;
    this.#current = this.#wanted();
    if (before.ruleSet.name === this.#current.ruleSet.name) return;
    this.#changes++;
    const { source, rules, ruleSet } = this.#current;
    log.info({ source, rules: rules.length, name: ruleSet.name }, "other rules are wanted");
    change(this.#current);
  }

  #tellRefused(): void {
    const { wanted, log } = this.#parts;
    const refused = wanted.refused.map(({ reason }) => reason).join("\n");
    if (refused === this.#refused) return;
    this.#refused = refused;
    for (const { source, reason } of wanted.refused)
      log.error({ source, reason }, "rules are refused; those before stay in force");
    this.#wake();
  }

  /** H3 */
  async #tell(): Promise<void> {
    const { wanted, tell, clock, log } = this.#parts;
    const [first] = wanted.refused;
    const isWrong = first !== undefined;
    const nowMs = clock.bootMs();
    const isTold = this.#told?.isWrong === isWrong;
    if (isTold && (!isWrong || nowMs - (this.#told?.atMs ?? 0) < tellEveryMs)) return;
    const reason = isWrong
      ? `rules are refused, those before stay in force: ${shortened(first.reason)}`
      : "no rules are refused any more";
    try {
      await tell({ rule: "system-rules-refused", isWrong, reason, at: clock.wallMs() });
      this.#told = { isWrong, atMs: nowMs };
    } catch (failure) {
      log.debug({ reason: reasonOf(failure) }, "refused rules could not be told");
    }
  }
}

function shortened(reason: string): string {
  const text = reason.replaceAll("\n", "; ");
  return text.length <= reasonCharactersMax ? text : `${text.slice(0, reasonCharactersMax)} …`;
}

/** Looks whether the key of bucket RULES has changed; its text is asked for only then. */
import type { RulesKey } from "./hot-rules.ts";
import type { NatsRulesStore } from "./nats-rules-store.ts";
import type { Found } from "./rules-document.ts";
import { findRules, loadedFrom, parseRules } from "./rules-document.ts";
import type { RulesRevision } from "./rules-revision.ts";
import { sourceOf } from "./rules-revision.ts";

export class NatsRulesKey implements RulesKey {
  readonly #store: NatsRulesStore;
  #identity: string | undefined;
  #revision = 0;

  constructor(store: NatsRulesStore) {
    this.#store = store;
  }

  get revision(): number {
    return this.#revision;
  }

  async look(): Promise<"same" | "none" | Found> {
    const identity = await this.#store.identity();
    if (identity === this.#identity) return "same";
    // Where it changes in between, the next look finds another identity.
    const last = await this.#store.last();
    this.#identity = identity;
    this.#revision = last?.revision ?? 0;
    return last === undefined || last.kind === "removed" ? "none" : foundIn(last);
  }
}

function foundIn({ text, revision }: RulesRevision): Found {
  const source = sourceOf(revision);
  return findRules(source, () => loadedFrom(parseRules(text, source), source));
}

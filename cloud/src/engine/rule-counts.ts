/** What went wrong with rules, by their names; it counts since the partitions were taken over. */
export interface RuleCounts {
  /** Expressions that could not be evaluated, and counted as false. */
  evaluationErrors: number;
  /** Readings and events that were not judged, since there was no room for one key more. */
  refused: number;
}

export class RuleCountsBook {
  readonly #byRule = new Map<string, RuleCounts>();

  add(name: keyof RuleCounts, counts: ReadonlyMap<string, number>): void {
    for (const [rule, count] of counts) {
      const own = this.#byRule.get(rule) ?? { evaluationErrors: 0, refused: 0 };
      own[name] += count;
      this.#byRule.set(rule, own);
    }
  }

  all(): ReadonlyMap<string, Readonly<RuleCounts>> {
    return this.#byRule;
  }
}

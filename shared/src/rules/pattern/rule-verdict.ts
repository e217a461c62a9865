/**
 * What a detector rule says of the series of the key.
 *
 *     verdicts   normal  anomalous  unknown  anomalous  normal
 *     level      ________┌──────────────────────────────┐______
 *     occurred           ^                   ^
 *
 * Sticky by series as a leaf is; an unknown verdict (a detector that warms up) says nothing.
 * Kept and bound: as of a leaf.
 */
import { LeafOperator } from "./leaf.ts";

export class RuleVerdictOperator extends LeafOperator {
  readonly #rule: string;

  constructor(rule: string, settings: ConstructorParameters<typeof LeafOperator>[0]) {
    super(settings);
    this.#rule = rule;
  }

  override say(at: number): string {
    return `${super.say(at)}, unusual by rule ${this.#rule}`;
  }
}

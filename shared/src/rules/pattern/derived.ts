/**
 * A derived event of a name, from another rule.
 *
 *     events     ──x────────x──x──
 *     occurred     ^        ^  ^     those that the expression lets pass
 *
 * Momentary. Kept: the newest event. It is an event query over the output of another query, as in
 * Cayuga (Demers et al., CIDR 2007).
 */
import type { Causes } from "./evidence.ts";
import { Evidence } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { fits, never } from "./operator.ts";

export class DerivedOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = true;
  readonly deadline = never;
  readonly #input: number;
  readonly #name: string;
  readonly #newest = new Evidence();

  constructor(input: number, name: string) {
    this.#input = input;
    this.#name = name;
  }

  step(_at: number, item: Item | undefined): void {
    const isFit = item !== undefined && item.fits[this.#input] === fits;
    this.level = isFit;
    this.occurred = isFit;
    if (isFit) this.#newest.take(item);
  }

  say(_at: number): string {
    return this.#name;
  }

  tell(causes: Causes): void {
    this.#newest.tell(causes);
  }

  encode(): unknown {
    return this.#newest.encode();
  }

  decode(json: unknown): boolean {
    return this.#newest.decode(json);
  }
}

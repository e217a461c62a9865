/**
 * A condition on single readings.
 *
 *     value > 5     3   7   8   4        7
 *     level       ______┌───────┐________┌──    until the series says otherwise
 *     occurred          ^   ^            ^      every reading that fits
 *
 * Sticky by series: the newest reading of a series that the leaf concerns says whether it fits;
 * `of` says for how many series of the key that must be so. Where that is not `any`, only its
 * coming true is an occurrence. Kept: one digit a series, and the newest reading that fitted.
 * Bound: the series of a key.
 */
import type { Of } from "../condition.ts";
import type { Causes } from "./evidence.ts";
import { Evidence } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { fits, never, notConcerned } from "./operator.ts";
import { Stickies } from "./stickies.ts";
import { sayFound } from "./words.ts";

export interface LeafSettings {
  /** Its number among the rule's inputs. */
  readonly input: number;
  readonly of: Of;
  readonly source: string | undefined;
  /** Whether the key is wider than a device, so that reasons must name it. */
  readonly withDevice: boolean;
}

export class LeafOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = false;
  readonly deadline = never;
  readonly #settings: LeafSettings;
  readonly #stickies: Stickies;
  readonly #newest = new Evidence();

  constructor(settings: LeafSettings) {
    this.#settings = settings;
    this.#stickies = new Stickies(settings.of);
  }

  step(_at: number, item: Item | undefined): void {
    this.occurred = false;
    const { input, of } = this.#settings;
    const found = item === undefined ? notConcerned : item.fits[input];
    if (item === undefined || found === notConcerned) return;
    const isFit = found === fits;
    const before = this.level;
    this.#stickies.set(item.series, isFit);
    this.level = this.#stickies.holds;
    if (isFit) this.#newest.take(item);
    this.occurred = of === "any" ? isFit : this.level && !before;
  }

  forget(series: number): void {
    this.#stickies.forget(series);
    this.level = this.#stickies.holds;
  }

  say(_at: number): string {
    const { of, source, withDevice } = this.#settings;
    const found = sayFound(source, this.#newest, withDevice);
    if (of === "any") return found;
    return `${found} (${this.#stickies.yes} of ${this.#stickies.told} series)`;
  }

  tell(causes: Causes): void {
    this.#newest.tell(causes);
  }

  encode(): unknown {
    return [this.#stickies.encode(), this.#newest.encode()];
  }

  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [stickies, newest] = json as unknown[];
    if (!this.#stickies.decode(stickies) || !this.#newest.decode(newest)) return false;
    this.level = this.#stickies.holds;
    return true;
  }
}

/**
 * Which rules this process wants in force: a place says what it holds, as often as that changes.
 *
 *   W1  While bucket RULES has its key, the key's; otherwise the configuration's.
 *   W2  What cannot be used replaces nothing: the last good rules of its place go on, and where there
 *       are none, those in force. Its reason stays until something good follows, or the key is gone.
 */
import type { Found, LoadedRules } from "./rules-document.ts";

interface Place {
  readonly good: LoadedRules | undefined;
  readonly refused: Refused | undefined;
}

export interface Refused {
  readonly source: string;
  readonly reason: string;
}

export class WantedRules {
  #configured: Place;
  #key: Place | undefined;
  #current: LoadedRules;

  /** `first`: what is in force until a place has others. */
  constructor(configured: Found, key: Found | undefined, first: LoadedRules) {
    this.#configured = placeAfter(undefined, configured);
    this.#key = key && placeAfter(undefined, key);
    this.#current = first;
  }

  get current(): LoadedRules {
    return this.#current;
  }

  get hasKey(): boolean {
    return this.#key !== undefined;
  }

  get refused(): readonly Refused[] {
    const all = [this.#key?.refused, this.#configured.refused];
    return all.filter((each) => each !== undefined);
  }

  configurationHas(found: Found): void {
    this.#configured = placeAfter(this.#configured, found);
    this.#choose();
  }

  /** Undefined where it is not there. */
  keyHas(found: Found | undefined): void {
    this.#key = found && placeAfter(this.#key, found);
    this.#choose();
  }

  /** W1 */
  #choose(): void {
    this.#current = (this.#key ?? this.#configured).good ?? this.#current;
  }
}

/** W2 */
function placeAfter(before: Place | undefined, found: Found): Place {
  if (found.kind === "good") return { good: found.rules, refused: undefined };
  const { source, reason } = found;
  return { good: before?.good, refused: { source, reason } };
}

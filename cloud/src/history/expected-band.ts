/**
 * Where `auto` would have expected the readings of a series: it looks at them one after the other, as
 * the engine does, and says so before each. Pure.
 */
import type { AutoState } from "@causeway/shared/detect/auto.ts";
import { autoDetector, autoParameters } from "@causeway/shared/detect/auto.ts";
import { learnerParameters } from "@causeway/shared/detect/learner.ts";
import { z } from "zod";

export type Band = readonly [at: number, low: number, high: number];

const settings = z.object({ ...autoParameters, ...learnerParameters }).parse({});
const detector = autoDetector(settings);

export class ExpectedBand {
  readonly #from: number;
  readonly #stepMs: number;
  readonly #state: AutoState = detector.initial();
  readonly #bands: Band[] = [];
  #next: number;

  /** Told from `from` on, each `stepMs`; readings before teach. */
  constructor(from: number, stepMs: number) {
    this.#from = from;
    this.#next = from;
    this.#stepMs = stepMs;
  }

  /** In the order of time. */
  take(value: number, at: number): void {
    if (at >= this.#from && at >= this.#next && this.#state.readings > settings.warmUp) {
      const { low = value, high = value } = detector.expected?.(this.#state) ?? {};
      this.#bands.push([at, rounded(low), rounded(high)]);
      this.#next = at + this.#stepMs;
    }
    detector.observe(this.#state, value, at);
  }

  bands(): readonly Band[] {
    return this.#bands;
  }
}

/** A pixel of a chart is coarser. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

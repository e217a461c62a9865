/**
 * Pattern rules of one gateway: what goes in and what comes out. gateway-patterns.ts is the state,
 * compile.ts makes rules ready.
 */
import type { Quality, Reading } from "../../event.ts";
import type { DerivedEvent } from "../derived-event.ts";
import type { Place, RuleVerdict } from "../rule-set.ts";

export type { DerivedEvent };

export interface PatternReading {
  readonly kind: "reading";
  /** Of the reading: `<gateway>/<epoch>/<log>/<position>/<index>`. */
  readonly id: string;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  readonly quality: Quality;
  /** The device's time in ms; null where it tells none. */
  readonly observedAt: number | null;
  /** The gateway's time in ms. */
  readonly receivedAt: number;
  /** Came by history, or below the watermark. */
  readonly late: boolean;
}

export type PatternInput =
  | PatternReading
  | { readonly kind: "derived"; readonly gateway: string; readonly event: DerivedEvent };

/** What a rule says of one key. */
export interface PatternVerdict extends RuleVerdict {
  readonly place: Place;
  /** Of the newest reading that fitted the rule; null where there was none. */
  readonly value: Reading["value"];
  readonly unit: string | undefined;
}

export interface PatternTick {
  readonly gateway: string;
  readonly tick: { readonly id: string; readonly at: number };
  /** Up to here the gateway's time has passed, in ms; undefined: nothing is known of it. */
  readonly gatewayAt?: number | undefined;
}

export interface PatternBounds {
  /** Of a rule and a gateway; what would need more is counted, not judged. */
  readonly keysMax: number;
  /** Of a key; readings of more are counted, not judged. */
  readonly seriesMax: number;
}

export const patternBounds: PatternBounds = { keysMax: 10_000, seriesMax: 1_000 };

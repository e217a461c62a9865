/** One who is told of alerts, as the notifier sees it. */
import type { AlertTransition } from "../alert/alert.ts";

export type Attempt =
  | { readonly kind: "delivered" }
  /** Trying again would change nothing. */
  | { readonly kind: "refused"; readonly reason: string }
  /** `afterMs`: the receiver asked to be left alone for so long. */
  | { readonly kind: "retry"; readonly reason: string; readonly afterMs?: number };

export interface Receiver {
  readonly name: string;
  /** Whether late transitions are told as well; else they are only counted and logged. */
  readonly takesLate: boolean;
  /** One try. Never rejects; ends early with `retry` when the signal is aborted. */
  deliver(transition: AlertTransition, signal: AbortSignal): Promise<Attempt>;
}

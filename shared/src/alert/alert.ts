/**
 * An alert is one occurrence of a rule holding for one set of labels (its fingerprint): it opens
 * by a firing transition and ends by a resolved one. Transitions are immutable events on
 * `alert.<partition>.<gateway>.<rule>`; a message packs those of one commit. Those of rules in
 * shadow are on `shadow.…` instead, with what the rules would have emitted.
 */
import type { Reading } from "../event.ts";
import type { Severity } from "../rules/severity.ts";
import type { AlertEvidence } from "./evidence.ts";

export type { Severity } from "../rules/severity.ts";
export { severities } from "../rules/severity.ts";

export interface AlertTransition {
  /** The alert's id, the same in its firing and its resolved transition and in every replay. */
  readonly id: string;
  readonly state: "firing" | "resolved";
  /** Names what is wrong where, over all its occurrences. */
  readonly fingerprint: string;
  readonly rule: string;
  readonly ruleVersion: string;
  readonly severity: Severity;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  /** When it became so, in ms: the device's time where it tells one, else the gateway's. */
  readonly at: number;
  /** When the alert began to fire, in ms; equals `at` for the firing transition. */
  readonly firingAt: number;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  /** Id of the reading that caused this transition. */
  readonly cause: string;
  /** One sentence that a technician understands. */
  readonly reason: string;
  /** Came by history or below the watermark: it is told in a digest, never as news. */
  readonly late: boolean;
  /** When it was decided, in ms: who reads it from a stream fills in when it was stored there. */
  readonly knownAt?: number;
  /** It comes and goes: it fires on until it has been normal for long (lifecycle.ts, A5). */
  readonly flapping?: true;
  readonly evidence?: AlertEvidence;
  /** A rule at the gateway found it; the cloud took it over. */
  readonly raisedBy?: "edge";
  /** Of a rule in shadow: it goes to `shadow.>` and nobody is told. */
  readonly shadow?: true;
}

/** The message on `alert.>`. */
export interface AlertMessage {
  readonly v: 1;
  readonly transitions: readonly AlertTransition[];
}

/**
 * Alerts that Causeway raises about itself. They have the shape of every other alert, so that they
 * are told, shown and closed in the same way; device and metric are "", for no series is to blame.
 */
import type { RuleName } from "../names.ts";
import { isRuleName, type reservedRulePrefix } from "../names.ts";
import { digest } from "../rules/digest.ts";
import type { AlertTransition, Severity } from "./alert.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** By rule; users' rules cannot have these names. */
export const reservedRules = {
  "system-no-tick": "critical",
  "system-stream-filling": "warning",
  "system-identity-conflict": "critical",
  "system-restored": "info",
  "system-state-incomplete": "warning",
  "system-journal-gap": "warning",
  "system-rollback-loss": "warning",
  "system-loss": "warning",
  "system-restarts": "warning",
  "system-gateway-silent": "critical",
  "system-rules-refused": "warning",
  "system-registry-full": "warning",
  "system-series-full": "warning",
  "system-dead-letters": "warning",
  "system-quota": "warning",
} as const satisfies Record<`${typeof reservedRulePrefix}${string}`, Severity>;

export type ReservedRule = keyof typeof reservedRules;

/** As the version of a reserved rule; to be raised when its meaning changes. */
const reservedVersion = "1";
const alertIdDigits = 24;

export interface Occurrence {
  readonly rule: ReservedRule;
  readonly gateway: string;
  /** Tells this occurrence from every other of rule and gateway, the same in every replay. */
  readonly key: readonly unknown[];
  /** In ms. */
  readonly at: number;
  readonly cause: string;
  /** One sentence that a technician understands. */
  readonly reason: string;
}

export function firingOf({ rule, gateway, key, at, cause, reason }: Occurrence): AlertTransition {
  const fingerprint = fingerprintOf({ rule, gateway, device: "", metric: "" });
  return {
    id: digest([fingerprint, reservedVersion, ...key], alertIdDigits),
    state: "firing",
    fingerprint,
    rule,
    ruleVersion: reservedVersion,
    severity: reservedRules[rule],
    gateway,
    device: "",
    metric: "",
    at,
    firingAt: at,
    value: null,
    unit: undefined,
    cause,
    reason,
    late: false,
  };
}

/** Ends what `firing` began; never earlier than that. */
export function resolvedOf(
  firing: AlertTransition,
  end: { readonly at: number; readonly cause: string; readonly reason: string },
): AlertTransition {
  return { ...firing, ...end, state: "resolved", at: Math.max(firing.firingAt, end.at) };
}

export function isReserved(rule: string): rule is ReservedRule {
  return Object.hasOwn(reservedRules, rule);
}

/** As a token of a subject. */
export function ruleNameOf(rule: ReservedRule): RuleName {
  if (isRuleName(rule)) return rule;
  throw new Error(`${rule} is no rule name`);
}

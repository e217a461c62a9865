/**
 * Alerts about the deployment as a whole, on `alert.0._cloud.<rule>`. Every process that notices
 * tells; the subject's last message says what was told last.
 *
 *   Y1  A transition is written only after another one than the subject's last: several processes,
 *       and one that starts anew, tell it once.
 *   Y2  It is written expecting that last message: of two that notice at once, one is refused, and
 *       finds it told.
 */
import type { RuleName } from "../names.ts";
import { subjects } from "../subjects.ts";
import type { AlertMessage, AlertTransition } from "./alert.ts";
import type { ReservedRule } from "./reserved-alert.ts";
import { firingOf, resolvedOf, ruleNameOf } from "./reserved-alert.ts";

/** Stands where other alerts name their gateway. */
export const deploymentGateway = "_cloud";
const deploymentPartition = 0;

/** What a process finds, each time it looks. */
export interface Finding {
  readonly rule: ReservedRule;
  readonly isWrong: boolean;
  /** One sentence: what is wrong, or how it ended. */
  readonly reason: string;
  /** In ms. */
  readonly at: number;
}

export interface LastTold {
  readonly sequence: number;
  readonly transition: AlertTransition;
}

/** The subjects `alert.0._cloud.*`; nats-alert-subjects.ts is the real one. */
export interface AlertSubjects {
  /** From the leader; undefined where there is none. */
  last(subject: string): Promise<LastTold | undefined>;
  /** False where the subject's last sequence is another one than expected. */
  append(subject: string, message: AlertMessage, expectedLast: number): Promise<boolean>;
}

export function deploymentSubject(rule: RuleName): string {
  return subjects.alert(deploymentPartition, deploymentGateway, rule);
}

/** Y1. What has to be told after `last`; undefined where that says it already. */
export function transitionAfter(
  last: LastTold | undefined,
  { rule, isWrong, reason, at }: Finding,
): AlertTransition | undefined {
  const isTold = last?.transition.state === "firing";
  if (isWrong === isTold) return undefined;
  const cause = `${deploymentGateway}/${rule}/${last?.sequence ?? 0}`;
  if (isTold) return resolvedOf(last.transition, { at, cause, reason });
  const key = [at, last?.sequence ?? 0];
  return firingOf({ rule, gateway: deploymentGateway, key, at, cause, reason });
}

/** Tells what has to be told of `finding`; what this call has told, if anything. */
export async function tellDeployment(
  store: AlertSubjects,
  finding: Finding,
): Promise<AlertTransition | undefined> {
  const subject = deploymentSubject(ruleNameOf(finding.rule));
  for (;;) {
    const last = await store.last(subject);
    const transition = transitionAfter(last, finding);
    if (transition === undefined) return undefined;
    const message: AlertMessage = { v: 1, transitions: [transition] };
    if (await store.append(subject, message, last?.sequence ?? 0)) return transition;
  }
}

/** Tells what is over when it is known: fired and resolved at once, so that nobody has to close it. */
export async function tellOver(
  store: AlertSubjects,
  rule: ReservedRule,
  reason: string,
  at: number,
): Promise<void> {
  for (const isWrong of [true, false]) await tellDeployment(store, { rule, isWrong, reason, at });
}

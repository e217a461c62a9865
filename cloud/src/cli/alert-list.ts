/** What `causeway-cloud alerts` prints: each alert once, in its last state. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { placeText } from "@causeway/shared/notify/message.ts";

export interface AlertLine {
  readonly id: string;
  readonly state: "firing" | "resolved";
  readonly rule: string;
  readonly severity: string;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly firingAt: number;
  readonly resolvedAt: number | null;
  readonly value: AlertTransition["value"];
  readonly unit: string | null;
  readonly reason: string;
  readonly late: boolean;
  /** When the newest transition of a late one was decided, in ms. */
  readonly knownAt?: number;
  readonly flapping?: true;
  /** A rule at the gateway found it. */
  readonly raisedBy?: "edge";
  /** Of the newest transition. */
  readonly evidence?: AlertTransition["evidence"];
}

/** In the order in which they began to fire. */
export function alertLines(transitions: readonly AlertTransition[]): readonly AlertLine[] {
  const lines = new Map<string, AlertLine>();
  for (const transition of transitions) {
    const known = lines.get(transition.id);
    const { id, state, rule, severity, gateway, device, metric, firingAt, late } = transition;
    const { flapping, evidence, raisedBy, knownAt } = transition;
    const first = known ?? transition;
    lines.set(id, {
      id,
      state,
      rule,
      severity,
      gateway,
      device,
      metric,
      firingAt,
      resolvedAt: state === "resolved" ? transition.at : null,
      value: first.value,
      unit: first.unit ?? null,
      reason: first.reason,
      late,
      ...(late && knownAt !== undefined ? { knownAt } : {}),
      ...(flapping === undefined ? {} : { flapping }),
      ...(raisedBy === undefined ? {} : { raisedBy }),
      ...(evidence === undefined ? {} : { evidence }),
    });
  }
  return [...lines.values()];
}

/** Enough of an id to name an alert by. */
export const idShownDigits = 12;

export function alertText(line: AlertLine): string {
  const from = new Date(line.firingAt).toISOString();
  const until = line.resolvedAt === null ? "" : ` until ${new Date(line.resolvedAt).toISOString()}`;
  const known = line.knownAt === undefined ? "" : `, known ${new Date(line.knownAt).toISOString()}`;
  const late = line.late ? ` (found late${known})` : "";
  const flaps = line.flapping ? " (flapping)" : "";
  const by = line.raisedBy === "edge" ? " (by the gateway)" : "";
  const place =
    line.device === ""
      ? placeText(line)
      : `${line.gateway} ${line.device} ${line.metric}`.trimEnd();
  const what = `${place}: ${line.reason}`;
  const how = `${line.state.padEnd(8)}  ${line.severity.padEnd(8)}`;
  return `${how}  ${from}${until}${late}${flaps}${by}  ${line.rule}  ${what}`;
}

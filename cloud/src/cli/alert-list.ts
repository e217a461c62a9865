/** What `causeway-cloud alerts` prints: each alert once, in its last state. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { placeText } from "@causeway/shared/notify/message.ts";
import type { AlertState } from "../views/alert-shown.ts";
import { alertState } from "../views/alert-shown.ts";
import type { AlertEntry } from "../views/alert-table.ts";

export interface AlertLine extends AlertState {
  /** Of the newest transition. */
  readonly evidence?: AlertTransition["evidence"];
}

/** In the order in which they began to fire. */
export function alertLines(transitions: readonly AlertTransition[]): readonly AlertLine[] {
  const entries = new Map<string, AlertEntry>();
  for (const last of transitions) {
    const { first } = entries.get(last.id) ?? { first: last };
    entries.set(last.id, { first, last });
  }
  return [...entries.values()].map((entry) => {
    const { evidence } = entry.last;
    return { ...alertState(entry), ...(evidence === undefined ? {} : { evidence }) };
  });
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

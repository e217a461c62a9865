/** What a receiver gets: alerts that are told together. */
import type { AlertTransition } from "../alert/alert.ts";
import { deploymentGateway } from "../alert/deployment-alert.ts";
import { idempotencyKey } from "./message.ts";
import type { ReportNotice } from "./report-notice.ts";

/** Alerts shown in one notification, firing and resolved together; the rest is counted. */
export const shownMax = 100;

export type NotificationKind = "alerts" | "digest" | "report" | "withdrawn" | "test";

export type NotificationReason =
  | "new"
  | "changed"
  | "repeat"
  | "escalation"
  | "late"
  | "report"
  | "test"
  | "withdrawn";

export interface Notification {
  /** Idempotency key: the same in every retry and after every crash. */
  readonly key: string;
  readonly kind: NotificationKind;
  /** Labels that all of them share: rule, gateway and so on. */
  readonly group: Readonly<Record<string, string>>;
  /** The newest state of each. */
  readonly firing: readonly AlertTransition[];
  readonly resolved: readonly AlertTransition[];
  /** Alerts beyond those shown. */
  readonly omitted: number;
  readonly reason: NotificationReason;
  /** When it was decided, in ms. */
  readonly at: number;
  /** Of kind `report`, which tells of no alerts. */
  readonly report?: ReportNotice;
}

/** One transition told by itself. */
export function notificationOf(transition: AlertTransition): Notification {
  const { state, rule, gateway, at, late } = transition;
  return {
    key: idempotencyKey(transition),
    kind: late ? "digest" : "alerts",
    group: { rule, gateway },
    firing: state === "firing" ? [transition] : [],
    resolved: state === "resolved" ? [transition] : [],
    omitted: 0,
    reason: late ? "late" : "new",
    at,
  };
}

/** `key` is the same wherever and however often the report is made. */
export function reportNotification(
  name: string,
  key: string,
  report: ReportNotice,
  at: number,
): Notification {
  const nothing = { firing: [], resolved: [], omitted: 0 };
  return { key, kind: "report", group: { report: name }, ...nothing, reason: "report", at, report };
}

/** The text that `causeway-cloud alerts test` sends; `key` is new for each. */
export function testNotification(receiver: string, key: string, at: number): Notification {
  const transition: AlertTransition = {
    id: key,
    state: "firing",
    fingerprint: "causeway-test",
    rule: "causeway-test",
    ruleVersion: "test",
    severity: "info",
    gateway: deploymentGateway,
    device: "",
    metric: "",
    at,
    firingAt: at,
    value: null,
    unit: undefined,
    cause: key,
    reason: `a test message to receiver ${receiver}; nothing has happened`,
    late: false,
  };
  return { ...notificationOf(transition), key, kind: "test", reason: "test" };
}

/** A notification that was given up, as it is kept: version, receiver, reason, time, the whole of it. */

import { z } from "zod";
import type { AlertTransition } from "../alert/alert.ts";
import { CodedError } from "../errors.ts";
import { transitionSchema } from "./message.ts";
import type { Notification } from "./notification.ts";
import { reportNoticeSchema } from "./report-notice.ts";

export interface DeadNotification {
  readonly receiver: string;
  readonly reason: string;
  /** When it was given up, in ms. */
  readonly at: number;
  readonly notification: Notification;
}

const deadBytesMax = 256 * 1_024;

/** Larger ones lose alerts from their end, which are counted as omitted. */
export function encodeDead(dead: DeadNotification): string {
  const text = JSON.stringify({ v: 1, ...dead });
  const { firing, resolved } = dead.notification;
  if (Buffer.byteLength(text) <= deadBytesMax || firing.length + resolved.length === 0) return text;
  const half = (alerts: readonly AlertTransition[]) =>
    alerts.slice(0, Math.floor(alerts.length / 2));
  const kept = { firing: half(firing), resolved: half(resolved) };
  const lost = firing.length + resolved.length - kept.firing.length - kept.resolved.length;
  const omitted = dead.notification.omitted + lost;
  return encodeDead({ ...dead, notification: { ...dead.notification, ...kept, omitted } });
}

const deadSchema = z.object({
  v: z.literal(1),
  receiver: z.string(),
  reason: z.string(),
  at: z.number(),
  notification: z.object({
    key: z.string(),
    kind: z.enum(["alerts", "digest", "report", "withdrawn", "test"]),
    group: z.record(z.string(), z.string()),
    firing: z.array(transitionSchema),
    resolved: z.array(transitionSchema),
    omitted: z.number(),
    reason: z.enum([
      ...["new", "changed", "repeat", "escalation", "late", "report", "test", "withdrawn"],
    ] as const),
    at: z.number(),
    report: reportNoticeSchema.exactOptional(),
  }),
});

/** Throws BATCH_MALFORMED. */
export function decodeDead(text: string): DeadNotification {
  try {
    return deadSchema.parse(JSON.parse(text));
  } catch (failure) {
    throw new CodedError("BATCH_MALFORMED", "a dead notification", { cause: failure });
  }
}

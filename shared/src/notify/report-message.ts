/**
 * A report that was made, on `report.told.<name>`:
 *
 *   { "v": 1, "receivers": names of who is told, "notification": as in the ledger (plan-codec.ts) }
 */
import { z } from "zod";
import { parseState } from "../rules/parse-state.ts";
import type { Notification } from "./notification.ts";
import { notificationSchema } from "./plan-codec.ts";

export interface AddressedReport {
  readonly receivers: readonly string[];
  readonly notification: Notification;
}

const messageSchema = z.object({
  v: z.literal(1),
  receivers: z.array(z.string()),
  notification: notificationSchema,
});

export function encodeReportMessage({ receivers, notification }: AddressedReport): string {
  return JSON.stringify({ v: 1, receivers, notification: { v: 1, ...notification } });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeReportMessage(text: string): AddressedReport {
  const { receivers, notification } = parseState("report", messageSchema, text);
  const { v: _v, ...own } = notification;
  return { receivers, notification: own };
}

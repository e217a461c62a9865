/**
 * What a receiver was told, as it stays in its ledger once it was delivered or given up: the newest
 * `toldKept` of a receiver, each without the alerts' own text.
 *
 *   told.<n>   while it is outstanding (plan-codec.ts)
 *   done.<n>   { "v": 1, key, reason, at, endedAt, outcome: "delivered" | "dead", detail?,
 *                firing: [alert, …], resolved: [alert, …], omitted }; n is its number mod `toldKept`
 */
import { z } from "zod";
import { parseState } from "../rules/parse-state.ts";
import type { Outcome } from "./delivering.ts";
import type { Notification } from "./notification.ts";
import { notificationSchema } from "./plan-codec.ts";

export const toldKept = 1_024;

export function doneRecord(number: number): string {
  return `done.${number % toldKept}`;
}

/** Of what a receiver refuses with: an answer may be a page of text. */
const detailCharactersMax = 200;

const doneSchema = z.object({
  v: z.literal(1),
  key: z.string(),
  reason: notificationSchema.shape.reason,
  at: z.number(),
  endedAt: z.number(),
  outcome: z.enum(["delivered", "dead"]),
  detail: z.string().default(""),
  firing: z.array(z.string()),
  resolved: z.array(z.string()),
  omitted: z.number(),
});
export type DoneNotification = Omit<z.output<typeof doneSchema>, "v">;

export function encodeDone(notification: Notification, outcome: Outcome, endedAt: number): string {
  const { key, reason, at, firing, resolved, omitted } = notification;
  const detail = outcome.kind === "dead" ? outcome.reason.slice(0, detailCharactersMax) : "";
  const ids = (alerts: Notification["firing"]) => alerts.map(({ id }) => id);
  return JSON.stringify({
    ...{ v: 1, key, reason, at, endedAt, outcome: outcome.kind },
    ...(detail === "" ? {} : { detail }),
    ...{ firing: ids(firing), resolved: ids(resolved), omitted },
  });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeDone(text: string): DoneNotification {
  const { v: _v, ...done } = parseState("notification", doneSchema, text);
  return done;
}

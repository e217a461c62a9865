/** Alert transitions in words and as the bodies that receivers get. */

import { z } from "zod";
import type { AlertTransition } from "../alert/alert.ts";
import { severities } from "../alert/alert.ts";
import { deploymentGateway } from "../alert/deployment-alert.ts";
import { evidenceSchema } from "../alert/evidence.ts";
import type { AlertPlace } from "../alert/fingerprint.ts";
import { CodedError } from "../errors.ts";
import { siteIn } from "../names.ts";

export const transitionSchema = z.object({
  id: z.string().min(1),
  state: z.enum(["firing", "resolved"]),
  fingerprint: z.string(),
  rule: z.string(),
  ruleVersion: z.string(),
  severity: z.enum(severities),
  gateway: z.string(),
  device: z.string(),
  metric: z.string(),
  at: z.number(),
  firingAt: z.number(),
  value: z.union([z.number(), z.string(), z.boolean(), z.null()]),
  unit: z
    .string()
    .optional()
    .transform((unit) => unit),
  cause: z.string(),
  reason: z.string(),
  late: z.boolean(),
  knownAt: z.number().exactOptional(),
  raisedBy: z.literal("edge").exactOptional(),
  flapping: z.literal(true).exactOptional(),
  evidence: evidenceSchema.exactOptional(),
});

const messageSchema = z.object({ v: z.literal(1), transitions: z.array(transitionSchema) });

/**
 * The transitions of a message on `alert.>`, known since it was stored, in ms; throws BATCH_MALFORMED.
 */
export function decodeAlertMessage(text: string, storedAt?: number): readonly AlertTransition[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (failure) {
    throw new CodedError("BATCH_MALFORMED", "an alert message that is no JSON", { cause: failure });
  }
  const checked = messageSchema.safeParse(parsed);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    const where = issue?.path.join(".") ?? "";
    throw new CodedError("BATCH_MALFORMED", `an alert message: ${where}: ${issue?.message}`);
  }
  const known = storedAt === undefined ? {} : { knownAt: storedAt };
  return checked.data.transitions.map((own) => ({ ...known, ...own, unit: own.unit }));
}

/** The same in every retry and every replay: a receiver that has seen it need not act again. */
export function idempotencyKey({ id, state }: AlertTransition): string {
  return `${id}/${state}`;
}

/** One line: what, where, since when it was so. */
export function titleOf(transition: AlertTransition): string {
  const { state, severity, rule, at, firingAt } = transition;
  const what = `${rule} at ${placeText(transition)}`;
  if (state === "resolved") return `resolved: ${what} after ${durationText(at - firingAt)}`;
  // One value says little where it is about more than one series.
  if (transition.metric === "") return `${severity}: ${what}: ${transition.reason}`;
  return `${severity}: ${what} is ${valueText(transition)}`;
}

/** Where it is; of an alert about no device the gateway, the site, or the cloud as a whole. */
export function placeText({ gateway, device, metric }: Omit<AlertPlace, "rule">): string {
  if (device !== "") return `${`${device} ${metric}`.trimEnd()} (${gateway})`;
  if (gateway === deploymentGateway) return "the cloud";
  const site = siteIn(gateway);
  return site === undefined ? `gateway ${gateway}` : `site ${site}`;
}

const valueCharactersMax = 64;

function valueText({ value, unit }: AlertTransition): string {
  if (value === null) return "without a value";
  const text = String(value);
  const short =
    text.length > valueCharactersMax ? `${text.slice(0, valueCharactersMax - 1)}…` : text;
  return unit === undefined ? short : `${short} ${unit}`;
}

/** The two largest units: `1 h 5 min`, `42 s`. */
export function durationText(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1_000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}
